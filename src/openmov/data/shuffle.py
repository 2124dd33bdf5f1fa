"""The order in which clips come out of shards: shuffled shards, through a shuffle buffer. Arithmetic, no reading.

    shards in random order --> clips one after the other --> a buffer, from which one is drawn as the next comes in

The order is a function of (seed, epoch) and of how the clips lie in their shards, so a training can go on from any
step. A clip comes out at most a buffer's length before those it came in with: a reader that goes through the shards
once has to hold no more than the buffer. With a buffer of all clips it is a uniform permutation.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

_STREAM = 0x57EA  # sets these draws apart from others made of the same (seed, epoch)


@dataclass(frozen=True)
class StreamOrder:
    """One epoch."""

    read: tuple[int, ...] = field(repr=False)
    """Positions of clips, in the order in which the shards give them."""
    given: tuple[int, ...] = field(repr=False)
    """The same, in the order in which they are handed out: given[i] is among the first i + buffer of `read`."""


def stream_order(shards: Sequence[Sequence[int]], buffer: int, seed: int, epoch: int) -> StreamOrder:
    """The order of an epoch; `shards` has the positions of each shard's clips, every clip once."""
    random = np.random.default_rng((seed, epoch, _STREAM))
    read = [clip for shard in random.permutation(len(shards)) for clip in shards[shard]]
    draws = random.random(len(read))
    size = max(1, buffer)
    held, coming = read[:size], iter(read[size:])
    given = []
    for draw in draws:
        place = int(draw * len(held))
        given.append(held[place])
        following = next(coming, None)
        if following is None:
            held[place] = held[-1]
            held.pop()
        else:
            held[place] = following
    return StreamOrder(tuple(read), tuple(given))
