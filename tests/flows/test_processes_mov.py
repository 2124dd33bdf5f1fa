"""The real network in shares of two processes: with as many clips a forward pass, the bits of one process.

With others the gradients differ in rounding; where a gradient is rounding alone (that of a key's bias, by the softmax),
AdamW divides it by its own size, and a step of the learning rate has a random sign: decision 35.
"""

from pathlib import Path

import pytest
import torch

from openmov.runtime.checkpoint import load_checkpoint
from tiny_processes import run_job
from tiny_world import TinyWorld

_PROGRAM = "import sys; from openmov.cli import run; sys.exit(run(sys.argv[1:]))"


def trained(world: TinyWorld, out: Path, parallel: str, size: int) -> dict[str, torch.Tensor]:
    changes = ("training.epochs=1", "training.micro_batch_size=2", f"training.parallel={parallel}")
    settings = [word for change in changes for word in ("--set", change)]
    said = run_job(_PROGRAM, world.train(out, *settings), size, timeout=280)
    assert [code for code, _ in said] == [0] * size, said
    return load_checkpoint(out / "checkpoints/last")[0]


@pytest.mark.slow
def test_the_same_forward_passes_give_the_same_bits(tiny_world: TinyWorld, tmp_path: Path) -> None:
    one = trained(tiny_world, tmp_path / "one", "replicate", 1)
    shares = trained(tiny_world, tmp_path / "fsdp2", "fsdp2", 2)
    assert one.keys() == shares.keys()
    assert all(torch.equal(one[name], shares[name]) for name in one)
    assert any(name.endswith("k_proj.bias") for name in one)
