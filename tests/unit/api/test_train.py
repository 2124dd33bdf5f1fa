"""What a training refuses before it begins."""

from contextlib import nullcontext
from pathlib import Path

import pytest
import torch

from openmov.cli import run
from openmov.model import TrainedModel
from openmov.runtime.compute import Compute
from openmov.runtime.distributed import ALONE, World
from openmov.training.train import training_device
from tiny_world import TinyWorld


def refused(world: TinyWorld, out: Path, capsys: pytest.CaptureFixture[str], *settings: str) -> str:
    """The one line of a training that ends with code 2 and writes nothing."""
    more = [word for setting in settings for word in ("--set", setting)]
    assert run(world.train(out, *more)) == 2
    said = capsys.readouterr().err.strip()
    assert len(said.splitlines()) == 1
    assert not out.exists()
    return said


def test_a_batch_that_micro_batches_do_not_divide(
    tiny_world: TinyWorld, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = refused(tiny_world, tmp_path / "out", capsys, "training.batch_size=10", "training.micro_batch_size=4")
    assert "training.batch_size (10) is not a multiple of training.micro_batch_size (4)" in said


@pytest.mark.parametrize(("size", "clips"), [(3, 32), (8, 4)])
def test_a_batch_that_processes_do_not_divide(
    *,
    tiny_world: TinyWorld,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    size: int,
    clips: int,
) -> None:
    monkeypatch.setattr("openmov.training.train.joined_world", lambda: nullcontext(World(0, size)))
    said = refused(tiny_world, tmp_path / "out", capsys, f"training.batch_size={clips}")
    assert f"{clips} clips cannot be divided equally among {size} processes" in said
    assert f"a multiple of {size}" in said


def test_more_patches_dropped_than_there_are(
    tiny_world: TinyWorld, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "model.patch_dropout" in refused(tiny_world, tmp_path / "out", capsys, "model.patch_dropout=1.0")


def test_a_network_trains_on_the_gpu_of_its_process(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu = torch.device("cuda", 3)
    monkeypatch.setattr("openmov.training.train.choose_compute", lambda: Compute(gpu, torch.float32))
    network = TrainedModel()
    assert training_device(network, ALONE) == gpu
    assert training_device(network, World(1, 2, torch.device("cuda", 1))) == torch.device("cuda", 1)
    assert training_device(network, World(1, 2)) == torch.device("cpu")
    text_side = type("TextSide", (TrainedModel,), dict.fromkeys(("classes", "probabilities", "losses"), print))
    assert training_device(text_side(), ALONE) == torch.device("cpu")
