"""The main job through the command line, on a handful of real media files: train, evaluate, predict, compare."""

import json
import re
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import torch

from openmov.build import Components, build_components
from openmov.cli import run
from openmov.data.loader import TrainLoader
from openmov.media.decode.source import Source
from openmov.model.backbones.clip import CLIPBackbone
from openmov.runtime.checkpoint import load_checkpoint
from openmov.training import train as train_module
from openmov.types import ClipBatch
from tiny_world import BASE, COUNTS, NOVEL, TinyWorld, make_tiny_world

NUM_TEST = COUNTS["test"] * len(BASE + NOVEL)


@dataclass
class Seen:
    """What was looked at."""

    files: set[Path] = field(default_factory=set)
    sentences: set[str] = field(default_factory=set)

    def names(self, among: Sequence[str]) -> set[str]:
        """Class names that occur in a sentence that was embedded."""
        return {name for name in among if any(name in sentence for sentence in self.sentences)}


@contextmanager
def watching(monkeypatch: pytest.MonkeyPatch) -> Iterator[Seen]:
    """Notes every media file that is opened and every sentence that is embedded."""
    seen, lock = Seen(), threading.Lock()
    opened, embedded = Source.__init__, CLIPBackbone.embed_text

    def open_noted(self: Source, path: Path) -> None:
        with lock:
            seen.files.add(path)
        opened(self, path)

    def embed_noted(self: CLIPBackbone, sentences: Sequence[str]) -> torch.Tensor:
        seen.sentences.update(sentences)
        return embedded(self, sentences)

    with monkeypatch.context() as patched:
        patched.setattr(Source, "__init__", open_noted)
        patched.setattr(CLIPBackbone, "embed_text", embed_noted)
        yield seen


def printed_json(capsys: pytest.CaptureFixture[str], arguments: list[str], code: int = 0) -> Any:
    """What a verb prints with --json, and what it says on stderr is kept for `said`."""
    capsys.readouterr()
    assert run([*arguments, "--json"]) == code
    printed = capsys.readouterr()
    return json.loads(printed.out) | {"stderr": printed.err}


def same_weights(one: Path, other: Path) -> bool:
    mine, theirs = load_checkpoint(one)[0], load_checkpoint(other)[0]
    return mine.keys() == theirs.keys() and all(torch.equal(mine[name], theirs[name]) for name in mine)


def state_of(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


class TestTraining:
    def test_sees_videos_and_names_of_base_classes_alone(
        self, tiny_world: TinyWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with watching(monkeypatch) as seen:
            assert run(tiny_world.train(tmp_path / "run", "--calibrate", cache=tmp_path / "cache")) == 0
        assert seen.files == {path.resolve() for path in tiny_world.clips(BASE, "train", "val")}
        assert seen.names(BASE) == set(BASE)
        assert seen.names(NOVEL) == set()
        assert "calibration.json" in {path.name for path in (tmp_path / "run").iterdir()}

    def test_the_watch_would_have_noticed(
        self, tiny_world: TinyWorld, tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with watching(monkeypatch) as seen:
            assert run(tiny_world.evaluate(tiny_run, cache=tmp_path / "cache")) == 0
        assert seen.files == {path.resolve() for path in tiny_world.clips(BASE + NOVEL, "test")}
        assert seen.names(NOVEL) == set(NOVEL)

    def test_leaves_the_frozen_weights_bit_for_bit(
        self, tiny_world: TinyWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        parts: list[Components] = []

        def kept(*arguments: Any) -> Components:
            parts.append(build_components(*arguments))
            return parts[-1]

        monkeypatch.setattr(train_module, "build_components", kept)
        assert run(tiny_world.train(tmp_path / "run", cache=tmp_path / "cache")) == 0
        fresh = CLIPBackbone.load(str(tiny_world.backbone))
        pairs = (
            (parts[0].backbone._model, fresh._model),  # type: ignore[attr-defined]
            (parts[0].frozen_embedder.encoder.encoder, fresh.image_encoder()),
        )
        for used, new in pairs:
            before, after = state_of(new), state_of(used)
            assert before.keys() == after.keys()
            assert all(torch.equal(before[name], after[name]) for name in before)
        weights, _ = load_checkpoint(tmp_path / "run" / "checkpoints" / "best")
        trained = {name.split(".")[1] for name in weights if name.startswith("encoders.")}
        assert trained == {"flow", "audio"}
        assert any(not torch.equal(weights[name], start) for name, start in parts[0].network().trained_state().items())

    @pytest.mark.parametrize("reading", [1, 4])
    def test_interrupted_and_resumed_gives_the_same_weights(
        self,
        tiny_world: TinyWorld,
        tiny_run: Path,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
        reading: int,
    ) -> None:
        out = tmp_path / "run"
        read, calls = TrainLoader.batch, iter(range(99))

        def interrupted(self: TrainLoader, indices: Sequence[int], epoch: int) -> ClipBatch:
            if next(calls) == reading:
                raise KeyboardInterrupt
            return read(self, indices, epoch)

        with monkeypatch.context() as patched:
            patched.setattr(TrainLoader, "batch", interrupted)
            assert run(tiny_world.train(out)) == 130
        assert capsys.readouterr().err.splitlines()[-1].startswith("openmov: interrupted")
        assert run(tiny_world.train(out)) == 2  # what is there is not written over unasked
        assert run(tiny_world.train(out, "--resume")) == 0
        for name in ("best", "last", "epochs/001"):
            assert same_weights(out / "checkpoints" / name, tiny_run / "checkpoints" / name)

    def test_another_seed_gives_other_weights(self, tiny_world: TinyWorld, tiny_run: Path, tmp_path: Path) -> None:
        assert run(tiny_world.train(tmp_path / "run", "--set", "training.seed=1")) == 0
        assert not same_weights(tmp_path / "run" / "checkpoints" / "best", tiny_run / "checkpoints" / "best")

    def test_calibration_rehearses_on_base_classes(self, tiny_run: Path) -> None:
        written = json.loads((tiny_run / "calibration.json").read_text())
        assert set(written["pseudo_novel"]) < set(BASE)
        assert written["num_clips"] == (COUNTS["train"] + COUNTS["val"]) * len(written["pseudo_novel"])
        best = max(written["grid"], key=lambda point: (point["accuracy"], point["log_likelihood"]))
        assert {key: written["chosen"][key] for key in ("beta", "tau_v")} == {
            key: best[key] for key in ("beta", "tau_v")
        }


@pytest.fixture(scope="module")
def flow_run(tiny_world: TinyWorld, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "flow"
    single = ["--set", "model.method=flow_only", "--set", "model.modalities=[flow]"]
    assert run(tiny_world.train(out, *single)) == 0
    return out


class TestEvaluation:
    def test_every_test_clip_is_counted(
        self, tiny_world: TinyWorld, tiny_run: Path, flow_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        out = tmp_path / "report"
        shown = printed_json(capsys, [*tiny_world.evaluate(tiny_run, flow_run), "--out", str(out)])
        assert (shown["evaluated"], shown["failed"]) == (NUM_TEST, 0)
        assert [row["method"] for row in shown["rows"]] == [
            "CLIP (frame average)",
            "Flow only",
            "MOV",
            "MOV, calibrated",
        ]
        for protocol, count in (("base", 6), ("novel", 4), ("generalised", NUM_TEST)):
            answers = json.loads((out / "evaluations" / f"mov-{protocol}.json").read_text())
            assert len(answers["records"]) == count
        kinds = {"flow": ["single"], "mov": ["clip", "mov", "mov_calibrated"]}
        for name, folder in (("flow", flow_run), ("mov", tiny_run)):
            rows = json.loads((folder / "results" / "results.json").read_text())["rows"]
            assert [row["kind"] for row in rows] == kinds[name]
            assert all((row["base"][1], row["novel"][1]) == (6, 4) for row in rows)

    def test_the_page_needs_no_other_file(
        self, tiny_world: TinyWorld, tiny_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert run([*tiny_world.evaluate(tiny_run), "--out", str(tmp_path)]) == 0
        assert capsys.readouterr().out.splitlines()[-1] == str(tmp_path / "report.html")
        assert outside_references((tmp_path / "report.html").read_text()) == []
        json.loads((tmp_path / "report.json").read_text())

    def test_runs_stand_side_by_side(self, tiny_run: Path, flow_run: Path, tmp_path: Path) -> None:
        assert run(["compare", str(tiny_run), str(flow_run), "--out", str(tmp_path)]) == 0
        page = (tmp_path / "comparison.html").read_text()
        assert outside_references(page) == []
        assert all(word in page for word in ("model.method", "flow_only", tiny_run.name, flow_run.name))


class _References(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        loaded = ("src", "href", "xlink:href", "srcset", "data", "poster", "action")
        values = [value or "" for name, value in attrs if name in loaded]
        self.found += [value for value in values if not value.startswith(("data:", "#"))]


def outside_references(page: str) -> list[str]:
    """What a page would load from elsewhere."""
    parser = _References()
    parser.feed(page)
    return parser.found + re.findall(r"@import|url\((?!['\"]?(?:data:|#))", page)


def test_an_outside_reference_is_found() -> None:
    assert outside_references('<img src="data:image/png;base64,x"><a href="#a">') == []
    assert outside_references('<img src="a.png"><style>@import "b"; c { background: url(d.png) }</style>') != []


class TestPrediction:
    def test_names_decide_the_path(
        self, tiny_world: TinyWorld, tiny_run: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        video = str(tiny_world.clip(NOVEL[0]))
        chosen = json.loads((tiny_run / "calibration.json").read_text())["chosen"]

        def asked(names: Sequence[str]) -> Any:
            return printed_json(capsys, ["predict", video, "--labels", ",".join(names), "--run", str(tiny_run)])

        base, novel, both = asked(BASE), asked(NOVEL), asked(NOVEL + BASE)
        assert (base["settings"]["path"], base["settings"]["tau"]) == ("base", pytest.approx(0.05))
        assert base["settings"]["beta"] is None
        for answer in (novel, both):
            assert answer["settings"]["path"] == "novel"
            assert answer["settings"]["calibrated"] is True
            assert {key: answer["settings"][key] for key in ("beta", "tau_x", "tau_v")} == chosen
        assert (both["vocabulary"]["base"], both["vocabulary"]["novel"]) == (list(BASE), list(NOVEL))

    def test_json_says_everything(
        self, tiny_world: TinyWorld, tiny_run: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        video = tiny_world.clip(BASE[0])
        labels = ",".join(BASE + NOVEL)
        shown = printed_json(capsys, ["predict", str(video), "--labels", labels, "--run", str(tiny_run), "--top", "9"])
        assert shown.keys() == {"backbone", "vocabulary", "settings", "notes", "predictions", "failures", "stderr"}
        (prediction,) = shown["predictions"]
        assert prediction.keys() == {"path", "answers", "modalities", "by_modality", "notes"}
        assert prediction["path"] == str(video)
        assert prediction["modalities"] == ["video", "flow", "audio"]
        assert prediction["by_modality"].keys() == {"clip", "video", "flow", "audio"}
        assert prediction["notes"] == []
        for answers in (prediction["answers"], *prediction["by_modality"].values()):
            assert {answer["name"] for answer in answers} == set(BASE + NOVEL)
            probabilities = [answer["probability"] for answer in answers]
            assert probabilities == sorted(probabilities, reverse=True)
            assert sum(probabilities) == pytest.approx(1, abs=1e-5)

    def test_the_recipe_may_be_changed_for_the_answer(
        self, tiny_world: TinyWorld, tiny_run: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        asked = ["predict", str(tiny_world.clip(NOVEL[0])), "--labels", ",".join(NOVEL), "--run", str(tiny_run)]
        mostly_clip = printed_json(capsys, [*asked, "--set", "prediction.beta=0.05", "--views", "2x1"])
        assert mostly_clip["settings"]["beta"] == 0.05
        assert mostly_clip["settings"]["calibrated"] is False
        assert mostly_clip["settings"]["views"] == "2x1"
        only_extras = printed_json(capsys, [*asked, "--set", "prediction.beta=1"])
        assert mostly_clip["predictions"][0]["answers"] != only_extras["predictions"][0]["answers"]

    def test_a_backbone_that_moved_is_found_again(
        self, tiny_world: TinyWorld, tiny_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        moved = tmp_path / "elsewhere"
        shutil.copytree(tiny_world.backbone, moved)
        asked = ["predict", str(tiny_world.clip(BASE[0])), "--labels", ",".join(BASE), "--run", str(tiny_run)]
        before, after = printed_json(capsys, asked), printed_json(capsys, [*asked, "--backbone", str(moved)])
        assert after["predictions"] == before["predictions"]
        assert after["backbone"] == before["backbone"] | {"name": str(moved)}
        assert before["backbone"]["name"] == str(tiny_world.backbone)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> TinyWorld:
    world = make_tiny_world(tmp_path_factory.mktemp("damaged"))
    for split in ("train", "test"):
        path = world.clip(BASE[1], split, 1)
        path.write_bytes(path.read_bytes()[:300])
    return world


class TestDamagedVideos:
    def test_are_counted_and_named(self, world: TinyWorld, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        out, report = tmp_path / "run", tmp_path / "report"
        lost_train, lost_test = str(world.clip(BASE[1], "train", 1)), str(world.clip(BASE[1], "test", 1))
        trained = printed_json(capsys, world.train(out))
        assert [one["file"] for one in trained["unreadable"]] == [lost_train]
        assert lost_train in trained["stderr"]
        facts = json.loads((out / "data.json").read_text())
        assert (facts["train_clips"], [one["file"] for one in facts["unreadable"]]) == (8, [lost_train])

        measured = printed_json(capsys, [*world.evaluate(out), "--out", str(report)], code=2)
        assert (measured["evaluated"], measured["failed"]) == (NUM_TEST - 1, 1)
        assert len([line for line in measured["stderr"].splitlines() if lost_test in line]) == 1
        assert lost_test in (report / "report.html").read_text()
        for protocol, count, lost in (("base", 5, [lost_test]), ("novel", 4, []), ("generalised", 9, [lost_test])):
            answers = json.loads((report / "evaluations" / f"mov-{protocol}.json").read_text())
            assert len(answers["records"]) == count
            assert [one["file"] for one in answers["failures"]] == lost

        prepared = ["prepare", "--recipe", str(world.recipe), "--manifest", str(world.manifest)]
        filled = printed_json(capsys, [*prepared, "--cache", str(world.cache), "--engine", "threads"], code=2)
        assert (filled["ready"], {one["file"] for one in filled["failed"]}) == (28, {lost_train, lost_test})

    def test_a_resumed_run_refuses_other_videos(
        self, world: TinyWorld, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert run(world.train(tmp_path / "run")) == 0
        other = world.clip(BASE[0], "train", 0)
        whole = other.read_bytes()
        try:
            other.write_bytes(whole[:300])
            assert run(world.train(tmp_path / "run", "--resume")) == 2
        finally:
            other.write_bytes(whole)
        assert "began with other readable videos" in capsys.readouterr().err
        assert run(world.train(tmp_path / "run", "--resume")) == 0


@pytest.fixture
def asked(tiny_world: TinyWorld, tiny_run: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """Predicts files with the tiny run and base names; returns what --json prints."""

    def ask(*files: Path, code: int = 0) -> Any:
        names = ["--labels", ",".join(BASE), "--run", str(tiny_run)]
        return printed_json(capsys, ["predict", *map(str, files), *names], code)

    return ask


def test_silent_and_picture_less_files_are_answered_by_what_they_have(
    asked: Callable[..., Any], tmp_path: Path
) -> None:
    from openmov.media.encode import write_clip
    from tiny_media import block_over_texture, tone

    silent, blind = tmp_path / "silent.mp4", tmp_path / "blind.mp4"
    write_clip(silent, block_over_texture(12, step_px=2), 10.0, None)
    write_clip(blind, None, 10.0, tone(440, 1.2))
    shown = asked(silent, blind)
    assert [one["modalities"] for one in shown["predictions"]] == [["video", "flow"], ["audio"]]
    assert shown["failures"] == []
