"""Where a training stands: what must be kept so that it can go on as if nothing had happened.

    weights       what trains                     } tensors of the checkpoint `last`
    optimiser     its moments, by parameter name  }
    TrainState      steps, epochs, best so far        numbers in its header

There is not a random state to keep: torch's generator is seeded anew for every step from (seed, step, process), and the
order of clips and everything random about a clip are functions of (seed, epoch, video id).
Knows nothing of losses or clips.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Protocol, TypeVar, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from openmov.errors import CheckpointError
from openmov.runtime.checkpoint import CheckpointHeader
from openmov.types import ClipBatch, JointEmbeddings

_STEP_DRAWS = 0x57E9  # sets these draws apart from others made of the same numbers


@dataclass(frozen=True)
class TrainState:
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
    def from_header(cls, header: CheckpointHeader, where: Path) -> "TrainState":
        """Undoes `as_metrics`. Raises CheckpointError."""
        names = {field.name for field in fields(cls)}
        if not names <= header.metrics.keys():
            what = f"holds the weights of one epoch ({header.kind}), not a training to go on with"
            raise CheckpointError(where, what, "give checkpoints/last")
        return cls(**{name: header.metrics[name] for name in names})  # type: ignore[arg-type]  # JSON keeps the kinds


def seed_step(seed: int, step: int, rank: int) -> None:
    """What torch's generators draw in optimiser step `step` follows from these numbers, wherever a training began."""
    (drawn,) = np.random.SeedSequence((seed, step, rank, _STEP_DRAWS)).generate_state(1, np.uint64)
    torch.manual_seed(int(drawn) >> 1)  # of every device


@contextmanager
def random_state_kept(device: torch.device) -> Iterator[None]:
    """Whatever the block draws, torch's generators stand afterwards where they stood before."""
    before = torch.get_rng_state()
    on_device = torch.cuda.get_rng_state(device) if device.type == "cuda" else None
    try:
        yield
    finally:
        torch.set_rng_state(before)
        if on_device is not None:
            torch.cuda.set_rng_state(on_device, device)


@runtime_checkable
class TrainedWeights(Protocol):
    """Something whose trained weights can be taken out and put back."""

    def trained_state(self) -> dict[str, Tensor]:
        """The weights that require gradient, by name."""
        ...

    def load_trained_state(self, state: Mapping[str, Tensor]) -> None:
        """Takes exactly those weights back. Raises CheckpointError for others."""
        ...


@runtime_checkable
class Trainable(TrainedWeights, Protocol):
    """An `nn.Module` that embeds clips and knows which of its weights train."""

    def __call__(self, batch: ClipBatch) -> JointEmbeddings:
        """One row a clip: training has one view each."""
        ...

    def train(self, mode: bool = True) -> object:
        """As nn.Module's."""
        ...


@runtime_checkable
class HasPretrainedWeights(Protocol):
    """A network that knows which of its weights came with the backbone, and how much slower they should train."""

    @property
    def pretrained_rate(self) -> float:
        """Their learning rate relative to that of new weights, where the recipe names none."""
        ...

    def is_pretrained(self, name: str) -> bool:
        """Whether the weight of this name is one of them."""
        ...


Network = TypeVar("Network", bound=Trainable)
