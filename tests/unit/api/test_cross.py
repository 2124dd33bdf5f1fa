"""A trained run on another data set: full set, official splits, random halves; what is missing is said everywhere."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from openmov.cli import run
from openmov.cli.show_runs import crossing
from openmov.data.coverage import Coverage, LostVideo, write_coverage
from openmov.data.manifest import load_manifest
from openmov.datasets.builder import build
from openmov.datasets.catalogue import DATASETS
from openmov.errors import ManifestError, RunFolderError
from openmov.evaluation.metrics import half_vocabulary
from openmov.runs.compare import compare_runs
from openmov.runs.evaluate import CrossTask, evaluate_cross, evaluate_task
from openmov.runtime.checkpoint import weights_sha256
from openmov.text.vocabulary import load_vocabulary
from openmov.training.data import load_base
from tiny_world import BASE, NOVEL, TinyWorld

CLASSES = ("Archery", "Biking", "Fencing", "Rowing", "Surfing")


@pytest.fixture(scope="module")
def ucf(tiny_world: TinyWorld, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten clips as a UCF101: of each of five classes one of group 1 and one of group 8, and a broken one."""
    root = tmp_path_factory.mktemp("ucf")
    for name, clips in zip(CLASSES, (tiny_world.clips((one,), "test") for one in (*BASE, *NOVEL)), strict=True):
        for group, clip in zip(("g01", "g08"), clips, strict=True):
            target = root / "videos" / name / f"v_{name}_{group}_c01.mp4"
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(clip, target)
    (root / "videos" / "Archery" / "v_Archery_g01_c02.avi").write_bytes(b"no film")
    build(DATASETS.get("ucf101"), root / "videos", (), root / "lists")
    return root / "lists"


def crossed(tiny_run: Path, world: TinyWorld, lists: Path, vocabulary: Path | None = None) -> CrossTask:
    return evaluate_cross(
        [tiny_run],
        lists / "manifest.csv",
        vocabulary or lists / "vocabulary.json",
        cache_folder=world.cache,
        workers=1,
        shown=False,
    )


@pytest.fixture(scope="module")
def task(tiny_run: Path, tiny_world: TinyWorld, ucf: Path) -> CrossTask:
    return crossed(tiny_run, tiny_world, ucf)


class TestCross:
    def test_rows_are_frozen_clip_and_the_runs(self, task: CrossTask) -> None:
        assert [method.contender.kind for method in task.methods] == ["clip", "mov", "mov_calibrated"]

    def test_the_full_set_asks_every_clip_with_every_name(self, task: CrossTask) -> None:
        for method in task.methods:
            assert len(method.full.records) == 10
            assert len(method.full.class_names) == 101
            assert method.full.protocol == "novel"

    def test_official_splits_ask_their_test_clips(self, task: CrossTask) -> None:
        splits = task.methods[1].splits
        assert {number: [record.video_id[-7:-4] for record in one.records] for number, one in splits.items()} == {
            1: ["g01"] * 5,
            2: ["g08"] * 5,
        }  # neither group is tested in split 3
        assert all(len(one.class_names) == 101 for one in splits.values())

    def test_halves_keep_the_clips_and_names_of_their_classes(self, task: CrossTask) -> None:
        names = task.clips.vocabulary
        for seed, half in task.methods[1].halves.items():
            drawn = half_vocabulary(names, seed)
            assert half.class_names == drawn.names
            kept = [one.video_id for one in task.clips.records if one.label in drawn.names]
            assert sorted(kept) == [record.video_id for record in half.records]
        of_split = task.methods[1].halves_of_split
        assert of_split
        assert all(record.video_id.endswith("g01_c01") for one in of_split.values() for record in one.records)

    def test_conditions_say_what_is_there(self, task: CrossTask, tiny_run: Path) -> None:
        clip, mov, _ = (method.full.conditions for method in task.methods)
        assert clip is not None
        assert mov is not None
        assert str(mov.videos) == "10 of 13,320 test clips present"
        assert mov.videos is not None
        assert mov.videos.broken == ("Archery/v_Archery_g01_c02",)
        assert len(mov.videos.missing) == 13_309
        assert mov.checkpoints == {str(tiny_run): weights_sha256(tiny_run / "checkpoints" / "best")}
        assert clip.checkpoints == {}
        assert (mov.views, mov.dataset) == ("1x1", "UCF101")
        assert mov.versions["torch"]
        assert mov.wall_seconds > 0
        first = task.methods[1].splits[1].conditions
        assert first is not None
        assert str(first.videos) == "5 of 3,783 test clips present"

    def test_names_shared_with_the_training_are_counted(
        self, tiny_run: Path, tiny_world: TinyWorld, tmp_path: Path
    ) -> None:
        names = tmp_path / "names.json"
        names.write_text(json.dumps({"novel": [BASE[0].title(), *BASE[1:], *NOVEL]}))
        rows = tiny_world.manifest.read_text().replace(BASE[0], BASE[0].title())
        (tmp_path / "manifest.csv").write_text(rows)
        (tmp_path / "clips").symlink_to(tiny_world.root / "clips")
        with pytest.raises(ManifestError, match="outside the root"):
            crossed(tiny_run, tiny_world, tmp_path, names)
        (tmp_path / "clips").unlink()
        shutil.copytree(tiny_world.root / "clips", tmp_path / "clips")
        found = crossed(tiny_run, tiny_world, tmp_path, names)
        assert found.shared == (BASE[0].title(), *BASE[1:])
        assert (found.title, found.methods[0].splits) == ("another data set", {})

    def test_needs_a_run(self, tiny_world: TinyWorld, ucf: Path) -> None:
        with pytest.raises(RunFolderError, match="no run is given"):
            evaluate_cross([], ucf / "manifest.csv", ucf / "vocabulary.json", cache_folder=tiny_world.cache)

    def test_one_command(
        self, tiny_run: Path, tiny_world: TinyWorld, ucf: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        lists = ["--manifest", str(ucf / "manifest.csv"), "--vocabulary", str(ucf / "vocabulary.json")]
        command = ["evaluate", str(tiny_run), "--protocol", "cross", *lists, "--cache", str(tiny_world.cache)]
        assert run([*command, "--out", str(tmp_path), "--views", "1x3"]) == 0
        assert "0 of 101 names were trained on too" in capsys.readouterr().out
        page = (tmp_path / "report.html").read_text()
        assert "10 of 13,320 test clips present" in page
        assert "Full set, official splits, random halves" in page
        answers = json.loads((tmp_path / "evaluations" / "mov-split2.json").read_text())
        assert (answers["evaluated"], answers["conditions"]["views"]) == (5, "1x3")

    def test_json(self, task: CrossTask, capsys: pytest.CaptureFixture[str]) -> None:
        assert crossing(task, None, True) == 0
        shown = json.loads(capsys.readouterr().out)
        assert [row["method"] for row in shown["rows"]] == ["CLIP (frame average)", "MOV", "MOV, calibrated"]
        halves = shown["rows"][0]["over_halves"]
        assert halves["mean"] == pytest.approx(np.mean(halves["values"]))
        assert shown["rows"][0]["splits"].keys() == {"1", "2"}
        assert (shown["videos"]["listed"], shown["evaluated"], shown["failed"]) == (13_320, 10, 0)

    def test_views_that_are_none(
        self, tiny_run: Path, tiny_world: TinyWorld, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert run([*tiny_world.evaluate(tiny_run), "--views", "4by3"]) == 2
        assert "'4by3' is no clips x crops" in capsys.readouterr().err


class TestWhatIsMissing:
    @pytest.fixture
    def world(self, tiny_world: TinyWorld, tmp_path: Path) -> TinyWorld:
        """The tiny world with an account of four clips more: two of them missing, one broken, one dropped by hand."""
        shutil.copytree(tiny_world.root / "clips", tmp_path / "clips")
        for path in (tiny_world.manifest, tiny_world.vocabulary):
            shutil.copy(path, tmp_path / path.name)
        lost = [LostVideo(f"m{k}", "test", name) for k, name in enumerate((BASE[0], NOVEL[0]))]
        by_class = {"test": dict.fromkeys((*BASE, *NOVEL), 2) | {BASE[0]: 5, NOVEL[0]: 3}, "train": {}}
        account = Coverage(
            dataset="tiny",
            title="Tiny",
            root=".",
            listed={"train": 15, "test": 14},
            listed_by_class=by_class,
            missing=tuple(lost),
            broken=(LostVideo("b0", "test", BASE[0], "b0.mp4: no media file"),),
            notes=("its split is our own draw",),
        )
        write_coverage(tmp_path / "manifest.csv", account)
        return TinyWorld(tmp_path)

    def test_goes_into_results(self, world: TinyWorld, tiny_run: Path, tiny_world: TinyWorld, tmp_path: Path) -> None:
        copy = tmp_path / "run"
        shutil.copytree(tiny_run, copy)
        task = evaluate_task(
            [copy], world.manifest, world.vocabulary, cache_folder=tiny_world.cache, workers=1, shown=False
        )
        mov = task.methods[1]
        said = [str(one.conditions.videos) for one in (mov.base, mov.novel, mov.generalised) if one.conditions]
        assert said == [f"{n} of {m} test clips present" for n, m in ((6, 9), (4, 5), (10, 14))]
        assert task.data_facts["test videos"] == "10 of 14 test clips present"
        assert task.data_facts["note"] == "its split is our own draw"
        results = json.loads((copy / "results" / "results.json").read_text())
        assert results["videos"]["test videos"] == "10 of 14 test clips present"
        answers = json.loads((copy / "results" / "evaluations" / "mov-novel.json").read_text())
        assert answers["conditions"]["videos"]["missing"] == ["m1"]

    def test_goes_into_what_training_notes(self, world: TinyWorld, tmp_path: Path) -> None:
        from openmov.data.coverage import load_coverage

        data = load_base(world.manifest, world.vocabulary, seed=0)
        account = load_coverage(data.manifest)
        assert account is not None
        assert account.summary()["present"] == ["15 of 15 train clips present", "11 of 14 test clips present"]


def test_two_runs_are_compared_on_the_same_clips(tiny_run: Path, tiny_world: TinyWorld, tmp_path: Path) -> None:
    runs = [tmp_path / name for name in ("one", "other", "elsewhere")]
    for copy in runs:
        shutil.copytree(tiny_run, copy)
        evaluate_task(
            [copy], tiny_world.manifest, tiny_world.vocabulary, cache_folder=tiny_world.cache, workers=1, shown=False
        )
    path = runs[1] / "results" / "evaluations" / "mov-calibrated-novel.json"
    fields = json.loads(path.read_text())
    before = sum(record["rank"] == 1 for record in fields["records"])
    for record in fields["records"]:
        record["rank"] = 1
    path.write_text(json.dumps(fields))
    strange = runs[2] / "results" / "evaluations" / "mov-calibrated-novel.json"
    fields["records"][0]["video_id"] += "-another"
    strange.write_text(json.dumps(fields))
    shown = json.loads((compare_runs(runs, tmp_path / "out").parent / "comparison.json").read_text())
    found = {(one["ours"], one["theirs"], one["role"]): one["difference"] for one in shown["differences"]}
    assert found["other", "one", "base"]["mean"] == 0
    assert found["other", "one", "novel"]["mean"] == pytest.approx(1 - before / 4)
    assert found["other", "one", "novel"]["count"] == 4
    assert ("elsewhere", "one", "novel") not in found
    assert "elsewhere and one were not evaluated on the same novel videos." in shown["notes"]
    assert "Are the differences real?" in (tmp_path / "out" / "comparison.html").read_text()


def test_vocabulary_of_a_data_set_is_one(ucf: Path) -> None:
    assert len(load_vocabulary(ucf / "vocabulary.json").novel) == 101
    assert len(load_manifest(ucf / "manifest.csv").records) == 10
