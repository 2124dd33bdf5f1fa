"""TV-L1 optical flow: the displacement of every pixel of one picture in another.

Minimises the sum over pixels of |grad u1| + |grad u2| + lambda |second(x + u) - first(x)| by the duality-based scheme
of Zach, Pock and Bischof ("A duality based approach for realtime TV-L1 optical flow", DAGM 2007), coarse to fine, with
the schedule and the defaults of OpenCV's `DualTVL1OpticalFlow`: at every level of the pyramid a few warps, at every
warp rounds of a median filter and of inner iterations, which end as soon as the flow hardly changes.

The loops are in `tvl1_kernels`, compiled at the first call and kept on disk (`tvl1_solve`); they release the
interpreter's lock, so that threads scale. Equal calls give equal bits, in however many threads. `tvl1_torch` is the
same for batches on an accelerator.
Tried and left out: starting from the flow of the pair before, which was no faster (1.0 times over 30 real pairs, five
scales) and 0.2 pixels away; with fewer scales it was slower, as the finest ones then run to their last iteration.
Running several iterations down the image at once gained 5 % and, as each end is known only afterwards, overshot.
Knows nothing of videos, clamping, storage or the network's input.
"""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, no_type_check

import numba
import numpy as np
from jaxtyping import Float32, Int64, UInt8
from numba.core import event

from openmov.errors import RecipeError
from openmov.media.scaling import grey as grey
from openmov.runtime.progress import remark
from openmov.tvl1.kernels import NUM_FIELDS, levels
from openmov.tvl1.lanes import NUM_LANES
from openmov.tvl1.median import RING_ROWS
from openmov.tvl1.pyramid import BORDER

SOURCES = tuple(sorted(Path(__file__).parent.glob("*.py")))
"""All files whose code may end up in the compiled function."""


def stamp_of(sources: Iterable[Path]) -> int:
    """A number that changes with the bytes of any of the files."""
    digest = hashlib.sha256()
    for path in sources:
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return int.from_bytes(digest.digest()[:7], "big")


def kept(stamp: int) -> Callable[..., None]:
    """`levels`, kept on disk under a stamp."""

    @numba.njit(nogil=True, fastmath=True, error_model="numpy", cache=True)
    @no_type_check
    def solve(first, second, sizes, numbers, counts, scale_step, flow, state, image, ring, row, columns):
        if stamp:  # read, so that it is enclosed
            levels(first, second, sizes, numbers, counts, scale_step, flow, state, image, ring, row, columns)

    made: Callable[..., None] = solve
    return made


class _Announcement(event.Listener):  # type: ignore[misc]
    """Says that `solve` is being compiled; nothing where it comes from the disk."""

    def on_start(self, event: Any) -> None:
        if event.data["dispatcher"] is solve:
            remark("compiling optical flow, once on this machine (a few seconds)")

    def on_end(self, event: Any) -> None:
        pass


solve = kept(stamp_of(SOURCES))
event.register("numba:compile", _Announcement())


SMALLEST_SIDE_PX = 16
"""No picture, and no level of the pyramid, may be smaller than this."""


def _demand(fine: bool, name: str, rule: str) -> None:
    if not fine:
        raise RecipeError(f"TVL1Parameters.{name}", rule)


@dataclass(frozen=True)
class TVL1Parameters:
    """How smooth, how fine and for how long; the defaults are OpenCV's."""

    tau: float = 0.25
    """Time step of the dual variable; stable up to 0.25."""
    lambda_: float = 0.15
    """Weight of the data term, for grey values from 0 to 255: the smaller, the smoother the flow."""
    theta: float = 0.3
    """Tightness of the coupling between the data term's flow and the smooth one."""
    num_scales: int = 5
    """Most levels of the pyramid; fewer where a side would become smaller than 16 pixels."""
    scale_step: float = 0.8
    """Side of a level relative to the next finer one, between 0 and 1."""
    num_warps: int = 5
    """How often the second picture is warped by the flow and linearised, at every level."""
    epsilon: float = 0.01
    """Iterations end when the root mean square change of the flow, in pixels, is below this."""
    inner_iterations: int = 30
    """Most iterations between two median filters."""
    outer_iterations: int = 10
    """Most rounds of median filter and inner iterations for a warp."""
    median_size: int = 5
    """Side of the median filter's window: 5, 3, or 1 for none."""

    def __post_init__(self) -> None:
        for name in ("tau", "lambda_", "theta"):
            _demand(getattr(self, name) > 0, name, "must be positive")
        for name in ("num_scales", "num_warps", "inner_iterations", "outer_iterations"):
            _demand(getattr(self, name) >= 1, name, "must be at least 1")
        _demand(0 < self.scale_step < 1, "scale_step", "must be between 0 and 1")
        _demand(self.epsilon >= 0, "epsilon", "must not be negative")
        _demand(self.median_size in (1, 3, 5), "median_size", "must be 1, 3 or 5")


OPENCV_DEFAULTS = TVL1Parameters()


def tvl1(
    first: UInt8[np.ndarray, "height width"],
    second: UInt8[np.ndarray, "height width"],
    parameters: TVL1Parameters = OPENCV_DEFAULTS,
) -> Float32[np.ndarray, "height width 2"]:
    """Displacement in pixels, x then y: what is at (x, y) in `first` is at (x + u, y + v) in `second`.

    Grey pictures of at least 16 x 16 pixels. Equal pictures give exactly zero. Raises ValueError where the pictures
    are smaller or differ in size.
    """
    check_pictures(first.shape, second.shape)
    height, width = first.shape
    sizes = level_sizes(height, width, parameters)
    flow = np.zeros((2, height * width), np.float32)
    pyramids = [_pyramid(picture, sizes) for picture in (first, second)]
    solve(*pyramids, sizes, *_numbers(parameters), parameters.scale_step, flow, *_workspace(height, width))
    return np.ascontiguousarray(flow.T).reshape(height, width, 2)


def check_pictures(first: tuple[int, ...], second: tuple[int, ...]) -> None:
    """Raises ValueError for two sizes (height, width) that are not one, or too small."""
    if first != second:
        raise ValueError(f"pictures of one size wanted, not {first} and {second}")
    if min(first) < SMALLEST_SIDE_PX:
        raise ValueError(f"pictures of at least {SMALLEST_SIDE_PX} pixels a side wanted, not {first[0]} x {first[1]}")


def level_sizes(height: int, width: int, parameters: TVL1Parameters) -> Int64[np.ndarray, "levels 3"]:
    """Height, width and first number in the flat pyramid of every level, fine to coarse."""
    rows, start = [(height, width, 0)], 0
    for _ in range(1, parameters.num_scales):
        start += height * width
        height, width = round(height * parameters.scale_step), round(width * parameters.scale_step)
        if min(height, width) < SMALLEST_SIDE_PX:
            break
        rows.append((height, width, start))
    return np.array(rows, np.int64)


def _pyramid(
    picture: UInt8[np.ndarray, "height width"], sizes: Int64[np.ndarray, "levels 3"]
) -> Float32[np.ndarray, " size"]:
    pyramid = np.zeros(int(sizes[-1, 2] + sizes[-1, 0] * sizes[-1, 1]) + NUM_LANES, np.float32)
    pyramid[: picture.size] = picture.reshape(-1)
    return pyramid


def _numbers(parameters: TVL1Parameters) -> tuple[tuple[np.float32, ...], tuple[int, ...]]:
    theta, tolerance = parameters.theta, parameters.epsilon**2
    numbers = (theta, parameters.lambda_ * theta, parameters.tau / theta, tolerance)
    counts = (parameters.num_warps, parameters.inner_iterations, parameters.outer_iterations, parameters.median_size)
    return tuple(np.float32(number) for number in numbers), counts


def _workspace(height: int, width: int) -> tuple[np.ndarray, ...]:
    """The scratch memory of `solve`: records, second image with its gradients, ring of the median, row, columns."""
    padded = -(-width // NUM_LANES) * NUM_LANES
    records = (height + 2) * NUM_FIELDS * (padded + NUM_LANES)
    image = (height + 2 * BORDER) * (width + 2 * BORDER) * 4
    arrays = [_aligned_zeros(size) for size in (records, image, RING_ROWS * padded, padded + NUM_LANES)]
    return (*arrays, np.zeros(width, np.int32))


def _aligned_zeros(size: int) -> Float32[np.ndarray, " size"]:
    """Zeros that start on a 64-byte boundary: a vector across two cache lines takes twice as long to fetch."""
    array = np.zeros(size + 16, np.float32)
    start = -array.ctypes.data % 64 // 4
    return array[start : start + size]
