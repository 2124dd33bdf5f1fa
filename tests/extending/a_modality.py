"""A modality from outside: how much every pixel changes from one frame to the next.

    pairs of grey frames --compute--> |second - first| of 8 bits [stored] --pictures--> three equal channels, normalised

A modality says what it reads, what decides it, how it is computed, and how it becomes pictures for an encoder that
starts as the backbone's. The cache, `prepare`, packs, training and answering follow from that.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor

from openmov import MODALITIES


@dataclass(frozen=True)
class FrameDifferences:
    """`gain` makes small changes visible; what is above 255 is 255."""

    gain: float = 2.0
    reads = "pairs"
    version = 1
    channels = 1

    @classmethod
    def of(cls, recipe: Any) -> "FrameDifferences":
        """Made for a recipe, whose fields may decide how."""
        return cls()

    def parameters(self) -> Mapping[str, object]:
        """Other values are other entries of the cache."""
        return {"gain": self.gain}

    def compute(self, read: Any) -> UInt8[np.ndarray, "time height width 1"]:
        """`read.first` and `read.second` are grey pictures (time, height, width)."""
        changes = np.abs(read.second.astype(np.float32) - read.first) * self.gain
        return changes.clip(0, 255).round().astype(np.uint8)[..., None]

    def decode(self, stored: UInt8[np.ndarray, "time height width 1"]) -> Float[Tensor, "time 1 height width"]:
        """In [0, 1]."""
        return torch.from_numpy(stored).permute(0, 3, 1, 2).float() / 255

    def pictures(
        self,
        decoded: Float[Tensor, "time 1 height width"],
        crop: Any,
        size: int,
        mean: tuple[float, float, float],
        std: tuple[float, float, float],
    ) -> Float[Tensor, "time 3 size size"]:
        """The same part of the frame as the video's; `crop` is in shares of its width and height."""
        height, width = decoded.shape[2:]
        top, left = round(crop.top * height), round(crop.left * width)
        bottom, right = round((crop.top + crop.height) * height), round((crop.left + crop.width) * width)
        cut = F.interpolate(decoded[:, :, top:bottom, left:right], (size, size), mode="bilinear", antialias=True)
        cut = cut.flip(-1) if crop.flip else cut
        channels = (1, 3, 1, 1)
        return (cut - torch.tensor(mean).view(channels)) / torch.tensor(std).view(channels)


def register() -> None:
    """What an installed package does with an entry point in the group `openmov.modalities`."""
    MODALITIES.register("differences", FrameDifferences.of)
