"""Where a training stands: what must be kept so that it can go on as if nothing had happened.

    weights       what trains                          } tensors of the checkpoint `last`
    optimiser     its moments, by parameter name       }
    random state  of torch, for networks with dropout  }
    Position      steps, epochs, best so far             numbers in its header

Knows nothing of losses or clips.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import torch
from torch import Tensor

from openmov.errors import CheckpointError
from openmov.runtime.checkpoint import CheckpointHeader

_RANDOM = "random/"
_OPTIMIZER = "optimizer/"


@dataclass(frozen=True)
class Position:
    """The numbers of a training after some step; one value, so that it changes all at once."""

    step: int = 0
    """Optimiser steps done."""
    epochs_done: int = 0
    """Epochs whose validation and checkpoints are done too."""
    metrics_bytes: int = 0
    """Length of the metrics that tell of exactly this."""
    loss_sum: float = 0.0
    """Sum of the losses of the clips of the unfinished epoch."""
    best_epoch: int | None = None
    """Epoch, counted from 0, whose weights are the best so far."""
    best_value: float | None = None
    """Its validation; None without one."""

    def as_metrics(self) -> dict[str, float | int | None]:
        """For a checkpoint's header."""
        return asdict(self)

    @classmethod
    def from_header(cls, header: CheckpointHeader, where: Path) -> "Position":
        """Undoes `as_metrics`. Raises CheckpointError."""
        names = {field.name for field in fields(cls)}
        if not names <= header.metrics.keys():
            what = f"holds the weights of one epoch ({header.kind}), not a training to go on with"
            raise CheckpointError(where, what, "give checkpoints/last")
        return cls(**{name: header.metrics[name] for name in names})  # type: ignore[arg-type]  # JSON keeps the kinds


def random_state(device: torch.device) -> dict[str, Tensor]:
    """torch's generators, as bytes."""
    state = {"cpu": torch.get_rng_state()}
    return state | ({"cuda": torch.cuda.get_rng_state(device)} if device.type == "cuda" else {})


def set_random_state(state: Mapping[str, Tensor], device: torch.device) -> None:
    """Undoes `random_state`; a generator that was not saved (another kind of device) stays as it is."""
    torch.set_rng_state(state["cpu"])
    if device.type == "cuda" and "cuda" in state:
        torch.cuda.set_rng_state(state["cuda"], device)


@contextmanager
def random_state_kept(device: torch.device) -> Iterator[None]:
    """Whatever the block draws, torch's generators stand afterwards where they stood before."""
    before = random_state(device)
    try:
        yield
    finally:
        set_random_state(before, device)


def join_resume_state(random: Mapping[str, Tensor], optimizer: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """One mapping, for the checkpoint."""
    return {_RANDOM + key: value for key, value in random.items()} | {
        _OPTIMIZER + key: value for key, value in optimizer.items()
    }


def split_resume_state(tensors: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Undoes `join_resume_state`."""
    random = {key.removeprefix(_RANDOM): value for key, value in tensors.items() if key.startswith(_RANDOM)}
    optimizer = {key.removeprefix(_OPTIMIZER): value for key, value in tensors.items() if key.startswith(_OPTIMIZER)}
    return random, optimizer
