"""Optical flow as a picture (section 4.1 of the paper; working size, successor and storage are ours).

    frame pairs -> compute_flow -> encode_flow     (stored: two channels of 8 bits)
                -> decode_flow -> flow_image       (per view)

Flow is computed at the recipe's working size, so that a pixel of displacement means the same whatever the file's
resolution. Each pair is a sampled frame and its successor in the video; choosing them is the media room's business.

Knows nothing of files and times.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import torch
from jaxtyping import Float, Float32, UInt8
from PIL import Image
from torch import Tensor

from openmov.config.schema import FlowConfig
from openmov.media.decode import FramePairs
from openmov.media.sampling import Crop
from openmov.modalities.dis import dis
from openmov.modalities.rgb import crop_box, normalise
from openmov.modalities.tvl1 import TVL1Parameters, grey, tvl1
from openmov.modalities.tvl1_torch import best_device, tvl1_batch

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


def working_size(height: int, width: int, short_side: int) -> tuple[int, int]:
    """(height, width) with the short side brought to `short_side`, up or down, and the aspect kept."""
    scale = short_side / min(height, width)
    return max(1, round(height * scale)), max(1, round(width * scale))


def compute_flow(pairs: FramePairs, config: FlowConfig, threads: int = 1) -> Float32[np.ndarray, "time height width 2"]:
    """Displacement from each first frame to its second, in pixels at the working size: (horizontal, vertical).

    The grey frames are brought to `config.short_side` (bilinear, antialiased); smaller video is enlarged to it, so
    that the clamp of `config.max_displacement_px` means the same there. Not clamped. Pairs are spread over `threads`
    threads, or go to torch's device together; the result does not depend on either number.
    Raises RecipeError where the method is not installed.
    """
    images = (*pairs.first.images, *pairs.second.images)
    _, height, width, _ = pairs.first.images.shape
    size = working_size(height, width, config.short_side)
    if not images:
        return np.zeros((0, *size, 2), np.float32)
    with ThreadPoolExecutor(threads) as pool:
        greys = np.stack(list(pool.map(lambda image: _working_grey(image, size), images)))
        first, second = greys[: len(greys) // 2], greys[len(greys) // 2 :]
        if config.method == "tvl1" and config.engine == "torch":
            return tvl1_batch(first, second, _parameters(config), best_device())
        return np.stack(list(pool.map(_solver(config), first, second)))


def _parameters(config: FlowConfig) -> TVL1Parameters:
    return TVL1Parameters(**config.tvl1.model_dump())


def _solver(config: FlowConfig) -> Callable[..., Float32[np.ndarray, "height width 2"]]:
    """What takes one pair of grey pictures on the CPU."""
    return dis if config.method == "dis" else partial(tvl1, parameters=_parameters(config))


def _working_grey(image: UInt8[np.ndarray, "h w 3"], size: tuple[int, int]) -> UInt8[np.ndarray, "height width"]:
    height, width = size
    return np.array(Image.fromarray(grey(image)).resize((width, height), Image.Resampling.BILINEAR))


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


def _crop_planes(
    flow: Float32[np.ndarray, "time height width 2"], crop: Crop, size: int
) -> Float[Tensor, "time 2 size size"]:
    box = crop_box(crop, flow.shape[1], flow.shape[2])
    planes = np.empty((len(flow), 2, size, size), np.float32)
    for target, field in zip(planes, flow, strict=True):
        for channel in (0, 1):
            plane = np.ascontiguousarray(field[..., channel])
            target[channel] = np.asarray(Image.fromarray(plane).resize((size, size), Image.Resampling.BICUBIC, box=box))
    return torch.from_numpy(planes)
