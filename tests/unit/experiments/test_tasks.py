"""What the demo says it did can be typed: each command it prints is one that the command line takes."""

import shlex
from pathlib import Path

import pytest

from openmov.cli import app
from openmov.config.load import load_recipe
from openmov.errors import RunFolderError
from openmov.experiments import demo, tasks
from openmov.experiments.steps import StepClock
from openmov.experiments.tasks import TASKS, TrainingOptions, WorldFolders, train_and_evaluate
from openmov.runs.evaluate import EvaluatedTask
from openmov.shapesav.pool import PoolSize, write_world
from openmov.shapesav.vocabulary import TASKS as POOL_TASKS


def parse(command: str) -> dict[str, object]:
    program, *words = shlex.split(command)
    assert program == "openmov"
    _, bound, _ = app.parse_args(words, exit_on_error=False, print_error=False)
    return {**bound.arguments}


@pytest.mark.parametrize("name", TASKS)
def test_training_is_called_as_its_command_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str) -> None:
    called: list[tuple[object, ...]] = []

    def trained(recipe: object, manifest: Path, vocabulary: Path, out: Path, **options: object) -> None:
        called.append((recipe, manifest, vocabulary, out, options["with_calibration"], options["cache_folder"]))

    def evaluated(*_: object, **__: object) -> EvaluatedTask:
        return EvaluatedTask.__new__(EvaluatedTask)

    monkeypatch.setattr(tasks, "run_training", trained)
    monkeypatch.setattr(tasks, "evaluate_task", evaluated)
    clock = StepClock(shown=False)
    effort = TrainingOptions(("training.epochs=1",), workers=1, shown=False)
    train_and_evaluate(name, WorldFolders(tmp_path), lambda method: tmp_path / method, effort, clock)

    *trainings, evaluation = [parse(step.command) for step in clock.steps]
    assert len(trainings) == len(TASKS[name].methods) == len(called)
    for said, done in zip(trainings, called, strict=True):
        recipe = load_recipe(str(said["recipe"]), said["set_"])  # type: ignore[arg-type]
        calibrate = said.get("calibrate", False)
        assert (recipe, said["manifest"], said["vocabulary"], said["out"], calibrate, said["cache"]) == done
    assert evaluation["runs"] == tuple(tmp_path / method for method in TASKS[name].methods)


def test_the_pool_is_written_as_its_command_says(tmp_path: Path) -> None:
    said = parse(demo._write_command(tmp_path, demo.QUICK_SIZE))
    assert (said["out"], said["train"], said["val"], said["test"], said["seed"]) == (tmp_path, 1, 1, 1, 2026)


def test_tasks_are_those_of_the_pool() -> None:
    assert set(TASKS) <= set(POOL_TASKS)
    folders = WorldFolders(Path("w"))
    assert folders.manifest("motion") == Path("w/clips/manifest-motion.csv")
    for task in TASKS.values():
        assert load_recipe(task.recipe).model.method == "mov"


def test_a_pool_without_clips_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match="without clips"):
        write_world(tmp_path / "pool", PoolSize(0, 0, 0), 0, workers=1, shown=False)
    assert not (tmp_path / "pool").exists()


def test_the_clock_names_what_was_done() -> None:
    clock = StepClock(shown=False)
    with clock.step("think", "openmov recipe"):
        pass
    with pytest.raises(RuntimeError), clock.step("fail"):
        raise RuntimeError
    ((name, command),) = [(step.name, step.command) for step in clock.steps]
    assert (name, command) == ("think", "openmov recipe")
    assert clock.steps[0].seconds >= 0
