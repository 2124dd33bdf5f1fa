"""Optical flow as a picture (section 4.1 of the paper; working size, successor and storage are ours).

    frame pairs -> compute_flow -> encode_flow     (stored: two channels of 8 bits)
                -> decode_flow -> flow_image       (per view)

Flow is computed at the recipe's working size, so that a pixel of displacement means the same whatever the file's
resolution. Each pair is a sampled frame and its successor in the video; choosing them is up to `media`.

Knows nothing of files and times.
"""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Float32, UInt8
from PIL import Image
from torch import Tensor

from openmov.config.schema import FlowConfig, Recipe
from openmov.media.decode import FramePairs, GreyPairs
from openmov.media.sampling import Crop
from openmov.media.scaling import crop_box, resize_box, working_grey
from openmov.media.scaling import working_size as working_size
from openmov.modalities.dis import dis
from openmov.modalities.rgb import normalise

FLOW_VERSION = 2
"""Part of the key of stored flow; raised when the output of `compute_flow` or `encode_flow` changes."""

_ZERO_CODE = 128
_CODES_A_SIDE = 127


def flow_parameters(config: FlowConfig) -> dict[str, object]:
    """What decides the codes of a pair, for their cache key.

    Not the flip, which is applied when read; not the engine, whose answers differ as those of two processors do; and
    of the two methods, what the one taken looks at.
    """
    told = config.model_dump(mode="json", exclude={"flip", "engine", "method", "tvl1"})
    return told | ({"tvl1": config.tvl1.model_dump(mode="json")} if config.method == "tvl1" else {"dis": "medium"})


def compute_flow(
    pairs: FramePairs | GreyPairs, config: FlowConfig, threads: int = 1
) -> Float32[np.ndarray, "time height width 2"]:
    """Displacement from each first frame to its second, in pixels at the working size: (horizontal, vertical).

    The grey frames are brought to `config.short_side` (bilinear, antialiased), unless they come in grey at that size;
    smaller video is enlarged to it, so that the clamp of `config.max_displacement_px` means the same there. Not
    clamped. Pairs are spread over `threads` threads, or go to torch's device together; the result does not depend on
    either number. Raises RecipeError where the method is not installed.
    """
    with ThreadPoolExecutor(threads) as pool:
        grey = pairs if isinstance(pairs, GreyPairs) else _grey_pairs(pairs, config.short_side, pool)
        if not len(grey.first):
            return np.zeros((*grey.first.shape, 2), np.float32)
        if config.method == "tvl1" and config.engine == "torch":
            return _in_batches(grey, config)
        return np.stack(list(pool.map(_solver(config), grey.first, grey.second)))


# TV-L1 is imported where it is asked for: numba takes a quarter of a second, for which frames alone need not wait.


def _in_batches(grey: GreyPairs, config: FlowConfig) -> Float32[np.ndarray, "time height width 2"]:
    """All pairs at once, by torch, on the best device there is."""
    from openmov.tvl1.flow import TVL1Parameters
    from openmov.tvl1.on_device import best_device, tvl1_batch

    return tvl1_batch(grey.first, grey.second, TVL1Parameters(**config.tvl1.model_dump()), best_device())


def _solver(config: FlowConfig) -> Callable[..., Float32[np.ndarray, "height width 2"]]:
    """What takes one pair of grey pictures on the CPU."""
    if config.method == "dis":
        return dis
    from openmov.tvl1.flow import TVL1Parameters, tvl1

    return partial(tvl1, parameters=TVL1Parameters(**config.tvl1.model_dump()))


def _grey_pairs(pairs: FramePairs, short_side: int, pool: ThreadPoolExecutor) -> GreyPairs:
    count, height, width, _ = pairs.first.images.shape
    images = (*pairs.first.images, *pairs.second.images)
    grey = np.empty((2 * count, *working_size(height, width, short_side)), np.uint8)
    for place, made in zip(grey, pool.map(lambda image: working_grey(image, short_side), images), strict=True):
        place[:] = made
    return GreyPairs(grey[:count], grey[count:])


def encode_flow(
    flow: Float32[np.ndarray, "time height width 2"], max_displacement_px: float
) -> UInt8[np.ndarray, "time height width 2"]:
    """8 bits a displacement: 128 is exactly 0, 1 and 255 are -max and +max, to which larger ones are clamped.

    127 steps a side; the error within the clamp is at most half a step, max / 254 (0.08 px at 20 px).
    """
    share = np.clip(flow / np.float32(max_displacement_px), -1, 1)
    return (np.rint(share * _CODES_A_SIDE) + _ZERO_CODE).astype(np.uint8)


def decode_flow(
    codes: UInt8[np.ndarray, "time height width 2"], max_displacement_px: float
) -> Float32[np.ndarray, "time height width 2"]:
    """Displacements in pixels from the codes of `encode_flow`."""
    return (codes.astype(np.float32) - _ZERO_CODE) * np.float32(max_displacement_px / _CODES_A_SIDE)


def flow_image(
    flow: Float32[np.ndarray, "time height width 2"],
    crop: Crop,
    size: int,
    config: FlowConfig,
    mean: tuple[float, float, float],
    std: tuple[float, float, float],
) -> Float[Tensor, "time 3 size size"]:
    """Displacements as pictures for the backbone, with the crop and flip of the frames of the same view.

    Clamp to +-max, append a channel of zeros, map [-max, max] to [0, 1] (so the third channel is 127.5 / 255), then
    the backbone's mean and std. Resizing changes where a displacement stands, not its value. A flip negates the
    horizontal displacement where `config.flip` is `physical`.
    """
    limit = config.max_displacement_px
    moved = _crop_planes(np.clip(flow, -limit, limit), crop, size).clamp_(-limit, limit)  # bicubic may overshoot
    if crop.flip:
        moved = moved.flip(-1)
        if config.flip == "physical":
            moved[:, 0].neg_()
    with_third = torch.cat([moved, torch.zeros_like(moved[:, :1])], dim=1)
    return normalise((with_third + limit) / (2 * limit), mean, std)


@dataclass(frozen=True)
class FlowPictures:
    """Optical flow as a `PictureModality`."""

    config: FlowConfig
    """The recipe's."""
    threads: int = 1
    """Over the pairs of a view."""
    reads: Literal["pairs", "frames"] = "pairs"
    version: int = FLOW_VERSION
    channels: int = 2

    @classmethod
    def of(cls, recipe: Recipe) -> "FlowPictures":
        """As a recipe has it."""
        return cls(recipe.flow)

    def parameters(self) -> Mapping[str, object]:
        return flow_parameters(self.config)

    def compute(self, read: FramePairs | GreyPairs) -> UInt8[np.ndarray, "time height width 2"]:
        return encode_flow(compute_flow(read, self.config, self.threads), self.config.max_displacement_px)

    def decode(self, stored: UInt8[np.ndarray, "time height width 2"]) -> Float32[np.ndarray, "time height width 2"]:
        return decode_flow(stored, self.config.max_displacement_px)

    def pictures(
        self,
        decoded: Float32[np.ndarray, "time height width 2"],
        crop: Crop,
        size: int,
        mean: tuple[float, float, float],
        std: tuple[float, float, float],
    ) -> Float[Tensor, "time 3 size size"]:
        return flow_image(decoded, crop, size, self.config, mean, std)


def _crop_planes(
    flow: Float32[np.ndarray, "time height width 2"], crop: Crop, size: int
) -> Float[Tensor, "time 2 size size"]:
    box = crop_box(crop, flow.shape[1], flow.shape[2])
    planes = np.empty((len(flow), 2, size, size), np.float32)
    for target, field in zip(planes, flow, strict=True):
        for channel in (0, 1):
            plane = Image.fromarray(np.ascontiguousarray(field[..., channel]))
            target[channel] = np.asarray(resize_box(plane, box, size, Image.Resampling.BICUBIC))
    return torch.from_numpy(planes)
