"""Studies from plan to page on a handful of clips: trained once, never mixed, refused where nothing can be measured."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from openmov.data.loader import evaluation_batches
from openmov.experiments import context
from openmov.experiments.catalogue import find_studies
from openmov.experiments.data import Clips, StudyData, Track
from openmov.experiments.folders import StudyFolders
from openmov.experiments.measure import read_measurement
from openmov.experiments.plan import StudyPlan, Work, make_plan
from openmov.experiments.run import run_studies
from openmov.experiments.study import CLIP, MOV, Column, Finding, Row, Study, Table
from openmov.training.calibrate import match_run
from openmov.training.data import load_base
from openmov.training.runs import load_run
from tiny_world import BASE, NOVEL, TinyWorld

NAMES = ("table4", "table9", "figure3", "temperatures", "generalised", "weight_ensembles")


def stage_of(world: TinyWorld, *overrides: str) -> StudyData:
    clips = Clips("Tiny", world.manifest, world.vocabulary)
    every = ("model.modalities=[video,flow]", "training.epochs=1", "training.keep_epochs=false", *overrides)
    tracks = {"flow": Track(clips, "flow", str(world.recipe))}
    return StudyData("Tiny", tracks, {"first": clips}, world.cache, str(world.backbone), every)


def plan_of(world: TinyWorld, work: Work, *overrides: str, names: tuple[str, ...] = NAMES) -> StudyPlan:
    return make_plan(find_studies(names), stage_of(world, *overrides), work)


@pytest.fixture(scope="module")
def done(tiny_world: TinyWorld, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Work]:
    out = tmp_path_factory.mktemp("study")
    work = Work(StudyFolders(out / "work"), 1, shown=False)
    plan = plan_of(tiny_world, work)
    methods = {task.recipe.model.method for task in plan.missing}
    assert "mov" in methods
    assert plan.unmeasured == len(plan.measurements)
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


def test_parts_of_names_have_a_column_where_names_have_parts(
    done: tuple[Path, Work], tiny_world: TinyWorld, tmp_path: Path
) -> None:
    """The tiny world's flow side: asked again with parts, nothing is trained or measured anew."""
    columns = (Column("Whole", "flow", "base"), Column("Part", "flow", "base", part=True))
    study = Study("parts", "Parts", "Which?", (Table(columns, (Row("MOV", MOV),)),))
    data = stage_of(tiny_world)
    parts = dict.fromkeys(BASE, "one and the same")
    for mapping, titles in (({}, ["Whole"]), (parts, ["Whole", "Part"])):
        tracks = {"flow": replace(data.tracks["flow"], parts=mapping)}
        plan = make_plan((study,), replace(data, tracks=tracks), done[1])
        assert (plan.missing, plan.unmeasured) == ((), 0)
        run_studies(plan, tmp_path, done[1], command="openmov study")
        part = fields_of(tmp_path, "parts")["studies"]["parts"]["parts"][0]
        assert [column["title"] for column in part["columns"]] == titles
    whole, told = part["rows"][0]["cells"]
    assert told["mean"] == 1.0 > whole["mean"]
    assert told["clips"] == whole["clips"]


def test_the_grid_s_best_is_a_bound_and_every_row_says_its_settings(done: tuple[Path, Work]) -> None:
    rows = [row["cells"] for row in fields_of(done[0])["studies"]["temperatures"]["parts"][0]["rows"]]
    by_hand, matched, calibrated, best = (cells[0]["mean"] for cells in rows)
    assert best >= max(by_hand, calibrated)
    assert 0 <= matched <= 1
    assert rows[0][1]["said"] == "beta 0.25, tau_v 0.003"
    assert rows[1][1]["said"].startswith("beta 0.25, tau_v ")
    assert rows[1][1]["said"] != rows[0][1]["said"]
    assert rows[0][2]["why_not"] == rows[0][3]["why_not"] == "no data for video and sound was given"


def test_matched_entropy_is_what_a_training_would_choose(done: tuple[Path, Work], tiny_world: TinyWorld) -> None:
    out, work = done
    (folder,) = fields_of(out)["studies"]["table9"]["made_of"]["trainings"]
    run = load_run(work.folders.work / "trainings" / folder / "run", tiny_world.cache)
    data = load_base(tiny_world.manifest, tiny_world.vocabulary, 0)
    batches = evaluation_batches(run.components.dataset(), data.val, 2, [])
    chosen = match_run(run.components, data, run.folder.best, batches, out, writes=False).chosen
    rows = fields_of(out)["studies"]["temperatures"]["parts"][0]["rows"]
    assert rows[1]["cells"][1]["said"] == f"beta 0.25, tau_v {chosen.tau_v:.2g}"


def test_encoders_drawn_back_get_a_pass_of_their_own(done: tuple[Path, Work]) -> None:
    """Weights as trained, at 0.8 and at 0.5: three networks, three answers; frozen CLIP sees none of it."""
    stored = list((done[1].folders.work / "measurements").glob("flow-flow_only-*.json"))
    said = {tuple(one.true_probability for one in read_measurement(path)["novel"].records) for path in stored}
    assert len(stored) == len(said) == 3


def test_called_again_it_trains_and_measures_nothing(
    done: tuple[Path, Work], tiny_world: TinyWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, work = done
    before = fields_of(out)["studies"]

    def forbidden(*_: object, **__: object) -> None:
        raise AssertionError("trained again")

    monkeypatch.setattr(context, "run_training", forbidden)
    plan = plan_of(tiny_world, work)
    assert (plan.missing, plan.unmeasured, plan.left_over) == ((), 0, 0)
    run_studies(plan, out, work, command="openmov study")
    assert fields_of(out)["studies"] == before


def test_other_test_clips_are_asked_without_training_and_what_is_lost_there_is_said(
    done: tuple[Path, Work], tiny_world: TinyWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same list under another name: asked once more, and nothing is lost."""
    monkeypatch.setattr(context, "run_training", None)
    data = stage_of(tiny_world)
    other = replace(data.tracks["flow"], tests={"swapped": Clips("Other", tiny_world.manifest, tiny_world.vocabulary)})
    columns = (
        Column("Base", "flow", "base", target="swapped"),
        Column("Lost", "flow", "base", target="swapped", lost=True),
    )
    finding = Finding("loses less", "flow", "base", MOV, CLIP, target="swapped", lost=True)
    study = Study("swap", "Swapped", "Is it?", (Table(columns, (Row("MOV", MOV),), "", "Side"),), (finding,), own=True)
    plan = make_plan((study,), replace(data, tracks={"flow": other}), done[1])
    assert plan.missing == ()
    assert run_studies(plan, tmp_path, done[1], command="openmov study") == tmp_path / "swap.html"
    made = fields_of(tmp_path, "swap")["studies"]["swap"]
    ((there, lost),) = (row["cells"] for row in made["parts"][0]["rows"])
    assert there["clips"] > 0
    assert lost["values"] == [0.0]
    assert made["findings"][0]["difference"]["mean"] == 0.0
    assert "Other" in made["made_of"]["clips"]
    assert "### Side" in (tmp_path / "swap.md").read_text()
    assert "<h3>Side</h3>" in (tmp_path / "swap.html").read_text()


def test_another_recipe_is_another_training(done: tuple[Path, Work], tiny_world: TinyWorld) -> None:
    _, work = done
    plan = plan_of(tiny_world, work, "training.learning_rate=0.5", names=("table9",))
    assert len(plan.missing) == 1
    assert plan.unmeasured == len(plan.measurements)
    assert plan.left_over > 0


def test_other_code_is_another_training(
    done: tuple[Path, Work], tiny_world: TinyWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, work = done
    monkeypatch.setattr(context, "code_identity", lambda parts: "another")
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


def test_authors_values_are_said_on_the_page(tiny_world: TinyWorld, done: tuple[Path, Work], tmp_path: Path) -> None:
    data = replace(stage_of(tiny_world), protocol="own", last_word=("training.epochs=1",))
    plan = make_plan(find_studies(("table1",)), data, done[1])
    assert {task.title for task in plan.missing} == {"flow-coop-own-seed0", "flow-clip_adapter-own-seed0"}
    run_studies(plan, tmp_path, done[1], command="openmov study table1 --protocol own")
    fields = fields_of(tmp_path, "table1")
    assert fields["facts"]["Data"]["hyper-parameters of other methods"] == "their authors' own"
    notes = {row["title"]: row["note"] for row in fields["studies"]["table1"]["parts"][0]["rows"]}
    assert notes["CoOp"] == notes["CLIP-Adapter"] == "its authors' hyper-parameters"
    assert notes["MOV"] == ""
