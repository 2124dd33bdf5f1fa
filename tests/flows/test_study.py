"""Studies from plan to page on a handful of clips: trained once, never mixed, refused where nothing can be measured."""

import json
from pathlib import Path
from typing import Any

import pytest

from openmov.api.study import bench
from openmov.api.study.layout import StudyFolders
from openmov.api.study.run import Plan, Work, make_plan, run_studies
from openmov.api.study.stage import Arm, Clips, Stage
from openmov.studies.catalogue import find_studies
from tiny_world import BASE, NOVEL, TinyWorld

NAMES = ("table4", "table9", "figure3")


def stage_of(world: TinyWorld, *overrides: str) -> Stage:
    clips = Clips("Tiny", world.manifest, world.vocabulary)
    every = ("model.modalities=[video,flow]", "training.epochs=1", "training.keep_epochs=false", *overrides)
    arms = {"flow": Arm(clips, "flow", str(world.recipe))}
    return Stage("Tiny", arms, {"first": clips}, world.cache, str(world.backbone), every)


def plan_of(world: TinyWorld, work: Work, *overrides: str, names: tuple[str, ...] = NAMES) -> Plan:
    return make_plan(find_studies(names), stage_of(world, *overrides), work)


@pytest.fixture(scope="module")
def done(tiny_world: TinyWorld, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Work]:
    out = tmp_path_factory.mktemp("study")
    work = Work(StudyFolders(out / "work"), 1, shown=False)
    plan = plan_of(tiny_world, work)
    methods = {task.recipe.model.method for task in plan.missing}
    assert "mov" in methods
    assert plan.unmeasured == len(plan.wanted)
    assert run_studies(plan, out, work, command="openmov study") == out / "report.html"
    return out, work


def fields_of(out: Path, name: str = "report") -> dict[str, Any]:
    fields: dict[str, Any] = json.loads((out / f"{name}.json").read_text(encoding="utf-8"))
    return fields


def test_results_say_what_they_were_made_of(done: tuple[Path, Work]) -> None:
    made = fields_of(done[0])["studies"]["table9"]["made_of"]
    assert made["seeds"] == [0]
    asked = made["clips"]["Tiny"]["generalised"]
    assert (asked["base_classes"], asked["novel_classes"]) == (len(BASE), len(NOVEL))
    assert asked["present"] == "10 of 10 test clips present"
    (training,) = made["trainings"].values()
    assert training["recipe"]["training"]["epochs"] == 1
    assert list(made["checkpoints"]) == list(made["trainings"])


def test_a_table_has_measured_and_published_numbers_and_says_what_it_lacks(done: tuple[Path, Work]) -> None:
    table = fields_of(done[0])["studies"]["table4"]["parts"][0]
    rows = {row["title"]: row["cells"] for row in table["rows"] if row["note"] == ""}
    full, absent = rows["CLIP"][2], rows["CLIP"][5]
    assert full["clips"] == 10
    assert full["published_percent"] == 73.0
    assert absent["values"] == []
    assert absent["why_not"] == "this data set was not given"


def test_called_again_it_trains_and_measures_nothing(
    done: tuple[Path, Work], tiny_world: TinyWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, work = done
    before = fields_of(out)["studies"]

    def forbidden(*_: object, **__: object) -> None:
        raise AssertionError("trained again")

    monkeypatch.setattr(bench, "run_training", forbidden)
    plan = plan_of(tiny_world, work)
    assert (plan.missing, plan.unmeasured, plan.left_over) == ((), 0, 0)
    run_studies(plan, out, work, command="openmov study")
    assert fields_of(out)["studies"] == before


def test_another_recipe_is_another_training(done: tuple[Path, Work], tiny_world: TinyWorld) -> None:
    _, work = done
    plan = plan_of(tiny_world, work, "training.learning_rate=0.5", names=("table9",))
    assert len(plan.missing) == 1
    assert plan.unmeasured == len(plan.wanted)
    assert plan.left_over > 0


def test_other_code_is_another_training(
    done: tuple[Path, Work], tiny_world: TinyWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, work = done
    monkeypatch.setattr(bench, "code_identity", lambda parts: "another")
    assert len(plan_of(tiny_world, work, names=("table9",)).missing) == 1


def test_a_training_interrupted_is_gone_on_with_in_its_folder(
    done: tuple[Path, Work], tiny_world: TinyWorld, tmp_path: Path
) -> None:
    """Its mark of completion comes last: without it the run is resumed, and ends with the same weights."""
    out, work = done
    (folder,) = {Path(name) for name in fields_of(out)["studies"]["table9"]["made_of"]["trainings"]}
    mark = work.folders.work / "trainings" / folder / "training.json"
    kept, weights = mark.read_bytes(), fields_of(out)["studies"]["table9"]["made_of"]["checkpoints"]
    mark.unlink()
    plan = plan_of(tiny_world, work, names=("table9",))
    assert len(plan.missing) == 1
    run_studies(plan, tmp_path, work, command="openmov study")
    assert json.loads(mark.read_bytes())["key"] == json.loads(kept)["key"]
    assert fields_of(tmp_path, "table9")["studies"]["table9"]["made_of"]["checkpoints"] == weights
