"""SigLIP and open_clip's models are backbones like any other: trained, resumed, measured, given away, exported."""

import csv
import json
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

import openmov
from openmov.cli import run
from openmov.data.loader import TrainLoader
from openmov.runtime.checkpoint import load_checkpoint
from openmov.types import ClipBatch
from small_shapesav import OVERRIDES, SmallShapesAV
from tiny_backbones import make_tiny_open_clip_folder, make_tiny_siglip_folder

LABELS = ("a star moving left", "a circle growing", "a heart")


@pytest.fixture(scope="module", params=["siglip", "open_clip"])
def backbone(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "siglip":
        return make_tiny_siglip_folder(folder, image_size=64, patch_size=16)
    squashed = {"resize_mode": "squash", "interpolation": "bilinear"}
    return make_tiny_open_clip_folder(folder, image_size=64, patch_size=16, words="openai", preprocess=squashed)


def settings(backbone: Path, *changes: str) -> list[str]:
    named = f"backbone.name={json.dumps(str(backbone))}"
    return [word for change in (*OVERRIDES, named, *changes) for word in ("--set", change)]


def data(world: SmallShapesAV) -> list[str]:
    lists = ["--manifest", str(world.manifest), "--vocabulary", str(world.vocabulary)]
    return [*lists, "--cache", str(world.cache), "--workers", "1"]


def training(world: SmallShapesAV, backbone: Path, out: Path, *changes: str) -> list[str]:
    """Of video, flow and sound, half of the patches of every picture."""
    streams = ("model.modalities=[video,flow,audio]", "model.patch_dropout=0.5")
    chosen = settings(backbone, *(changes or streams))
    return ["train", "--recipe", "shapesav-motion", *data(world), *chosen, "--out", str(out)]


def a_clip(world: SmallShapesAV) -> Path:
    with world.manifest.open() as stream:
        return world.root / next(csv.DictReader(stream))["path"]


def weights_of(folder: Path) -> dict[str, torch.Tensor]:
    return load_checkpoint(folder / "checkpoints" / "last")[0]


def assert_same_weights(one: Path, other: Path) -> None:
    mine, theirs = weights_of(one), weights_of(other)
    assert mine.keys() == theirs.keys()
    assert all(torch.equal(mine[name], theirs[name]) for name in mine)


@pytest.fixture(scope="module")
def trained(shapesav: SmallShapesAV, backbone: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Read it only."""
    out = tmp_path_factory.mktemp("runs") / "mov"
    assert run(training(shapesav, backbone, out)) == 0
    return out


def test_interrupted_and_resumed_gives_the_same_bits(
    shapesav: SmallShapesAV, backbone: Path, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, calls = TrainLoader.batch, iter(range(99))

    def interrupted(self: TrainLoader, indices: Sequence[int], epoch: int) -> ClipBatch:
        if next(calls) == 1:
            raise KeyboardInterrupt
        return read(self, indices, epoch)

    with monkeypatch.context() as patched:
        patched.setattr(TrainLoader, "batch", interrupted)
        assert run(training(shapesav, backbone, tmp_path / "run")) == 130
    assert run([*training(shapesav, backbone, tmp_path / "run"), "--resume"]) == 0
    assert_same_weights(tmp_path / "run", trained)
    learnt = [name for name in weights_of(trained) if name.startswith("encoders.flow.encoder.blocks.")]
    assert learnt


def test_measured_beside_its_own_frozen_model(
    shapesav: SmallShapesAV, backbone: Path, trained: Path, tmp_path: Path
) -> None:
    assert run(["evaluate", str(trained), *data(shapesav), "--out", str(tmp_path / "page")]) == 0
    said = (tmp_path / "page" / "report.html").read_text()
    assert f"{'SigLIP' if 'siglip' in backbone.name else 'CLIP'} (frame average)" in said


def test_given_away_it_answers_as_the_run_does(
    shapesav: SmallShapesAV, backbone: Path, trained: Path, tmp_path: Path
) -> None:
    assert run(["share", str(trained), "--out", str(tmp_path / "model")]) == 0
    clip = a_clip(shapesav)
    answers = []
    for where in (trained, tmp_path / "model"):
        predictor = openmov.load(where, backbone=str(backbone))
        (found,) = predictor.predict([clip], predictor.vocabulary(LABELS))
        assert isinstance(found, openmov.Prediction)
        answers.append(found.answers)
    assert answers[0] == answers[1]


@pytest.mark.slow
def test_exported_as_torch_has_it(trained: Path, tmp_path: Path) -> None:
    told = ["export", str(trained), "--out", str(tmp_path / "mov.pt2"), "--format", "torch-export"]
    assert run(told) == 0
    facts = json.loads((tmp_path / "mov.pt2.json").read_text())
    assert facts["preprocessing"]["resize"] == "squash"


@pytest.mark.slow
def test_exported_as_onnx(trained: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    told = ["export", str(trained), "--out", str(tmp_path / "mov.onnx"), "--labels", ",".join(LABELS)]
    assert run(told) == 0


def test_from_features_comes_what_comes_of_the_videos(shapesav: SmallShapesAV, backbone: Path, tmp_path: Path) -> None:
    heads = ("model.method=video_only", "model.modalities=[video]")
    options = ["--engine", "threads", "--workers", "1", "--limit", "0", "--cache", str(shapesav.cache)]
    listed = ["--recipe", "shapesav-motion", "--manifest", str(shapesav.manifest), *settings(backbone, *heads)]
    assert run(["prepare", *listed, *options, "--features", str(tmp_path / "features")]) == 0
    told = training(shapesav, backbone, tmp_path / "stored", *heads)
    assert run([*told, "--features", str(tmp_path / "features")]) == 0
    assert run(training(shapesav, backbone, tmp_path / "videos", *heads)) == 0
    assert_same_weights(tmp_path / "stored", tmp_path / "videos")


def test_the_frozen_model_answers_without_a_run(
    shapesav: SmallShapesAV, backbone: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clip = a_clip(shapesav)
    told = ["predict", str(clip), "--labels", ",".join(LABELS), "--backbone", str(backbone), "--json"]
    assert run(told) == 0
    found = json.loads(capsys.readouterr().out)
    assert json.dumps(found).count("a star moving left") >= 1
