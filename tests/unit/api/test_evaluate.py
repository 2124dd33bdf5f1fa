"""What evaluation refuses, counts by role, and how runs are named side by side."""

import json
import shutil
from pathlib import Path

import pytest

from openmov.data.loader import Unreadable
from openmov.errors import DecodeError, ManifestError, RunFolderError, VocabularyError
from openmov.runs.clips import Preparing
from openmov.runs.compare import _names, compare_runs
from openmov.runs.evaluate import evaluate_task
from openmov.runs.measure import EvalClips, embed_run, load_test_clips, measure
from openmov.scoring.embeddings import EmbeddingsScorer
from openmov.training.runs import LoadedRun, load_run
from tiny_world import BASE, NOVEL, TinyWorld


@pytest.fixture(scope="module")
def loaded(tiny_run: Path, tiny_world: TinyWorld) -> LoadedRun:
    return load_run(tiny_run, tiny_world.cache)


def clips_of(run: LoadedRun, world: TinyWorld, manifest: Path | None = None, split: str = "test") -> EvalClips:
    return load_test_clips([run], manifest or world.manifest, world.vocabulary, Preparing(split, 1, shown=False))


def part_of(world: TinyWorld, name: str, *words: str) -> Path:
    """A manifest of the rows that hold one of these words."""
    header, *rows = world.manifest.read_text().splitlines()
    path = world.root / f"{name}.csv"
    path.write_text("\n".join([header, *(row for row in rows if any(word in row for word in words))]))
    return path


class TestClipsOfATest:
    def test_are_those_of_the_split(self, loaded: LoadedRun, tiny_world: TinyWorld) -> None:
        clips = clips_of(loaded, tiny_world)
        assert {record.split for record in clips.records} == {"test"}
        assert len(clips.records) == 10

    @pytest.mark.parametrize(("words", "role"), [(BASE, "novel"), (NOVEL, "base")])
    def test_have_both_roles(self, loaded: LoadedRun, tiny_world: TinyWorld, words: tuple[str, ...], role: str) -> None:
        with pytest.raises(ManifestError, match=f"lists no test video of a {role} class"):
            clips_of(loaded, tiny_world, part_of(tiny_world, role, *words))

    def test_unreadable_ones_are_named_where_none_is_left(self, loaded: LoadedRun, tiny_world: TinyWorld) -> None:
        (tiny_world.root / "spoiled.mp4").write_bytes(b"no film")
        path = part_of(tiny_world, "spoiled", *BASE)
        path.write_text(path.read_text() + f"\nspoiled.mp4,{NOVEL[0]},test\n")
        with pytest.raises(ManifestError, match=r"none of its test videos of novel .*spoiled\.mp4: no media file"):
            clips_of(loaded, tiny_world, path)

    def test_need_names_of_both_roles(self, loaded: LoadedRun, tiny_world: TinyWorld, tmp_path: Path) -> None:
        names = tmp_path / "names.json"
        names.write_text(json.dumps({"base": [*BASE, *NOVEL], "novel": []}))
        with pytest.raises(VocabularyError, match="measures base and novel"):
            load_test_clips([loaded], tiny_world.manifest, names, Preparing("test", 1, shown=False))


class TestMeasuring:
    def test_failures_count_where_their_class_does(self, loaded: LoadedRun, tiny_world: TinyWorld) -> None:
        clips = clips_of(loaded, tiny_world)
        recording = embed_run(loaded, clips.records, workers=1)
        failed = next(record for record in clips.records if record.label == NOVEL[0])
        spoiled = EvalClips(
            clips.vocabulary, clips.records, (Unreadable(failed, DecodeError(failed.path, "gone")),), "m"
        )
        scorer = EmbeddingsScorer(recording, loaded.components.class_embedder(), loaded.rule)
        method = measure("MOV", "mov", scorer, recording, spoiled)
        assert [len(one.failures) for one in (method.base, method.novel, method.generalised)] == [0, 1, 1]
        assert [len(one.records) for one in (method.base, method.novel, method.generalised)] == [6, 4, 10]

    def test_a_clip_that_vanishes_on_the_way_is_no_silent_loss(
        self, loaded: LoadedRun, tiny_world: TinyWorld, tmp_path: Path
    ) -> None:
        clips = clips_of(loaded, tiny_world)
        moved = tiny_world.clip(BASE[0])
        moved.rename(tmp_path / "kept.mp4")
        try:
            with pytest.raises(DecodeError, match="no such file"):
                embed_run(loaded, clips.records, workers=1)
        finally:
            (tmp_path / "kept.mp4").rename(moved)


class TestEvaluateTask:
    def test_needs_a_run(self, tiny_world: TinyWorld) -> None:
        with pytest.raises(RunFolderError, match="no run is given"):
            evaluate_task([], tiny_world.manifest, tiny_world.vocabulary, cache_folder=tiny_world.cache)

    def test_a_keyword_that_is_none_is_refused(self, tiny_world: TinyWorld, tiny_run: Path) -> None:
        """A misspelt split is not the test split."""
        with pytest.raises(TypeError, match="splitt"):
            evaluate_task(
                [tiny_run],
                tiny_world.manifest,
                tiny_world.vocabulary,
                cache_folder=tiny_world.cache,
                splitt="val",  # type: ignore[call-arg]
            )

    def test_an_unfinished_run_is_not_measured(
        self, tiny_world: TinyWorld, tiny_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        from openmov.cli import run

        begun = tmp_path / "begun"
        begun.mkdir()
        for name in ("run.json", "recipe.json"):
            shutil.copy(tiny_run / name, begun / name)
        assert run(tiny_world.evaluate(begun)) == 2
        assert "holds no checkpoint" in capsys.readouterr().err


class TestCompare:
    def test_names_are_as_long_as_needed(self) -> None:
        paths = [Path("/x/a/run"), Path("/x/b/run"), Path("/x/c/other")]
        assert _names(paths) == ["a/run", "b/run", "c/other"]
        assert _names([Path("/x/one"), Path("/y/two")]) == ["one", "two"]

    def test_a_damaged_run_is_named(self, tiny_run: Path, tmp_path: Path) -> None:
        copy = tmp_path / "copy"
        shutil.copytree(tiny_run, copy)
        (copy / "recipe.json").write_text("{")
        with pytest.raises(RunFolderError, match="copy: is damaged"):
            compare_runs([tiny_run, copy], tmp_path / "out")
        assert not (tmp_path / "out").exists()

    def test_learning_curves_are_drawn_also_of_a_run_that_goes_on(self, tiny_run: Path, tmp_path: Path) -> None:
        begun = tmp_path / "begun"
        begun.mkdir()
        for name in ("run.json", "recipe.json"):
            shutil.copy(tiny_run / name, begun / name)
        lines = [json.dumps({"step": step, "epoch": 0, "loss": 8.0 / step}) for step in range(1, 301)]
        (begun / "metrics.jsonl").write_text("\n".join(lines) + '\n{"step": 301, "lo')
        page = compare_runs([tiny_run, begun], tmp_path / "out")
        done, running = json.loads((page.parent / "comparison.json").read_text())["runs"]
        assert running["learning"]["steps"][:2] == [2.0, 5.0]  # 300 steps in stretches of three
        assert running["learning"]["loss"][0] == pytest.approx((8 + 4 + 8 / 3) / 3)
        assert running["learning"]["validation"] == []
        assert running["rows"][0]["note"] == "its first epoch is not done yet"
        assert len(done["learning"]["validation"]) == len(done["learning"]["epochs"]) >= 1
        html = page.read_text()
        assert html.count('class="chart"') == 2
        assert "http" not in html
