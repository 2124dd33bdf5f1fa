"""The whole job on the synthetic world, in its quick form, with a random CLIP: that it runs, not what it reaches."""

import json
import shlex
from pathlib import Path

import pytest

from openmov.cli import run
from openmov.experiments.demo import DemoResult, run_demo
from openmov.experiments.tasks import TASKS
from openmov.shapesav.vocabulary import class_names
from tiny_backbones import make_tiny_clip_folder

PATTERN = ["clip", "single", "video", "score_fusion", "mov", "mov_calibrated"]


@pytest.fixture(scope="module")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clip") / "random"
    return make_tiny_clip_folder(path, image_size=64, patch_size=16, max_positions=32, open_vocabulary=True)


@pytest.fixture(scope="module")
def demo(backbone: Path, tmp_path_factory: pytest.TempPathFactory) -> DemoResult:
    overrides = (f"backbone.name={backbone}", "model.temporal_layers=1")
    return run_demo(tmp_path_factory.mktemp("demo") / "out", overrides=overrides, workers=1, quick=True, shown=False)


def test_every_method_of_both_tasks_is_measured_on_every_class(demo: DemoResult) -> None:
    assert len(demo.tasks) == len(TASKS)
    for name, task in zip(TASKS, demo.tasks, strict=True):
        assert [method.kind for method in task.methods] == PATTERN
        assert task.clips.unreadable == ()
        for method in task.methods:
            names = {record.label for record in (*method.base.records, *method.novel.records)}
            assert names == set(class_names(name))


def test_the_page_is_there_with_every_number(demo: DemoResult) -> None:
    assert demo.report.name == "report.html"
    text = demo.report.read_text()
    assert all(task.title in text for task in TASKS.values())
    assert len(json.loads(demo.report.with_suffix(".json").read_text())["tasks"]) == len(TASKS)


def test_its_predict_command_gives_its_predictions(demo: DemoResult, capsys: pytest.CaptureFixture[str]) -> None:
    _, *words = shlex.split(demo.predict_command)
    capsys.readouterr()
    assert run([*words, "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["settings"]["path"] == "novel"
    assert shown["vocabulary"]["base"] == []
    assert len(demo.predictions) == 3
    for mine, theirs in zip(shown["predictions"], demo.predictions, strict=True):
        assert mine["path"] == str(theirs.path)
        assert [answer["name"] for answer in mine["answers"]] == list(theirs.answers.names)
        found = [answer["probability"] for answer in mine["answers"]]
        assert found == pytest.approx(theirs.answers.probabilities, abs=1e-6)


@pytest.mark.slow
def test_what_is_finished_is_not_done_again(demo: DemoResult, backbone: Path) -> None:
    folder = demo.report.parent
    kept = [*folder.glob("clips/*/*.mp4"), *folder.glob("runs/*/checkpoints/*/*.safetensors")]
    before = {path: path.stat().st_mtime_ns for path in kept}
    assert before
    overrides = (f"backbone.name={backbone}", "model.temporal_layers=1")
    again = run_demo(folder, overrides=overrides, workers=1, quick=True, shown=False)
    assert {path: path.stat().st_mtime_ns for path in kept} == before
    assert again.predictions == demo.predictions
