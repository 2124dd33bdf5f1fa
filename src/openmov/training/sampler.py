"""Which clips every optimiser step of a training sees, as arithmetic: nothing is read, nothing remembered.

The order of an epoch is a function of (seed, epoch) alone, so a training can go on from any step; a source that is
quicker in some orders than in others may choose it.
Every clip comes exactly once an epoch, in one of the processes; the last batch of an epoch is as small as it must be.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from openmov.runtime.distributed import ALONE, World

_ORDER = 0x0C11  # sets these draws apart from others made of the same (seed, epoch)


@dataclass(frozen=True)
class Step:
    """One optimiser step."""

    index: int
    """Counted from 0 over the whole training."""
    epoch: int
    """Counted from 0."""
    micro_batches: tuple[tuple[int, ...], ...]
    """Positions of clips, a forward pass each; those of this process."""
    elsewhere: int = 0
    """Clips of the step that other processes look at."""
    passes: int = 1
    """Forward passes of the process that has most; this one may have one less."""

    @property
    def here(self) -> int:
        """Clips of the step that this process looks at."""
        return sum(map(len, self.micro_batches))

    @property
    def size(self) -> int:
        """Clips of the step, in all processes."""
        return self.here + self.elsewhere


@dataclass(frozen=True)
class BatchSampler:
    """Every step of a training."""

    num_clips: int
    """At least 1."""
    epochs: int
    """Passes over them."""
    batch_size: int
    """Clips of a step, but for the last of an epoch."""
    micro_batch_size: int
    """Clips of a forward pass, at most."""
    seed: int
    """Of the order."""
    world: World = ALONE
    """The processes the clips of a step are spread over; which clips a step has does not depend on it."""
    order: Callable[[int], Sequence[int]] | None = None
    """From the epoch to an order of all clips; None takes `clip_order`."""

    @property
    def steps_per_epoch(self) -> int:
        """Rounded up: the remainder is a step of its own."""
        return -(-self.num_clips // self.batch_size)

    @property
    def total_steps(self) -> int:
        """Of all epochs."""
        return self.epochs * self.steps_per_epoch

    def epoch_steps(self, epoch: int, first_step: int = 0) -> Iterator[Step]:
        """The steps of an epoch, from `first_step` (counted over the whole training) on."""
        order = self.order(epoch) if self.order else clip_order(self.num_clips, self.seed, epoch)
        start = epoch * self.steps_per_epoch
        for index in range(max(start, first_step), start + self.steps_per_epoch):
            clips = order[(index - start) * self.batch_size :][: self.batch_size]
            share = self.world.share(len(clips))
            ours = tuple(clips[share.start : share.stop])
            micro = range(0, len(ours), self.micro_batch_size)
            parts = tuple(ours[first : first + self.micro_batch_size] for first in micro)
            passes = math.ceil(math.ceil(len(clips) / self.world.size) / self.micro_batch_size)
            yield Step(index, epoch, parts, elsewhere=len(clips) - len(ours), passes=passes)

    def steps_from(self, first_step: int) -> Iterator[Step]:
        """Every step left from `first_step` on."""
        for epoch in range(first_step // self.steps_per_epoch, self.epochs):
            yield from self.epoch_steps(epoch, first_step)


def clip_order(num_clips: int, seed: int, epoch: int) -> tuple[int, ...]:
    """A permutation of the clips, different in every epoch."""
    return tuple(np.random.default_rng((seed, epoch, _ORDER)).permutation(num_clips).tolist())
