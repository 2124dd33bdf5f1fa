"""Which patches of each training picture are looked at (patch dropout; Liu et al. 2022, as in FLIP, Li et al. 2023).

A function of a clip's seed, the modality and the picture: it depends neither on the batch a clip comes in nor
on anything drawn before, so micro-batches, processes and a resumed training look at the same patches.
Knows nothing of networks.
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from openmov.types import Modality

PatchChoice = Callable[[int], Int[Tensor, "pictures kept"]]
"""From the number of patches of a picture to those that are kept of each picture."""

_DRAWS = {modality: 0x9A7C + place for place, modality in enumerate(Modality)}  # apart from others of the same seed


def num_kept(patches: int, dropout: float) -> int:
    """How many of so many patches are kept: the nearest whole number, one at least."""
    return max(1, round(patches * (1 - dropout)))


def kept_patches(
    patches: int, *, seeds: Sequence[int], pictures: int, modality: Modality, dropout: float
) -> Int[Tensor, "pictures kept"]:
    """For each of so many `pictures` a clip, those of the first clip first, the patches that are kept, rising.

    Every picture has its own: what one frame does not show, the next may.
    """
    count = num_kept(patches, dropout)
    draws = [np.random.default_rng((seed, _DRAWS[modality])).random((pictures, patches)) for seed in seeds]
    first = np.argsort(np.concatenate(draws), axis=1, kind="stable")[:, :count]
    return torch.from_numpy(np.sort(first, axis=1))
