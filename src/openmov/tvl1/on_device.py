"""TV-L1 optical flow of many pairs at once in plain PyTorch: the algorithm of `tvl1`, on any device.

    grey pairs --shrink--> pyramids --per level: warp, then median and iterations until still--> flow

The same steps in the same order as the compiled version, whole batches at a time; nothing is compiled or built. Where
the compiled loops leave an iteration as soon as a pair stands still, here such a pair is *held*: its step length
becomes 0, and the others go on. So what a pair's answer is does not depend on its batch, and pairs that stand still
cost time until the last one does. Every 5 iterations the device is asked whether any pair still moves.
Knows nothing of videos, clamping, storage or the network's input.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, UInt8
from torch import Tensor
from torch.nn import functional

from openmov.tvl1.flow import OPENCV_DEFAULTS, TVL1Parameters, check_pictures, level_sizes

_Choice = Callable[[Tensor, Tensor], Tensor]
# Pairs of places to compare and exchange, which sort three and five numbers.
_NETWORKS = {
    3: ((0, 1), (1, 2), (0, 1)),
    5: ((0, 1), (3, 4), (2, 4), (2, 3), (0, 3), (1, 4), (0, 2), (1, 3), (1, 2)),
}


def median(
    planes: Float[Tensor, "pairs channels height width"], size: int
) -> Float[Tensor, "pairs channels height width"]:
    """Of the `size` x `size` neighbours, 3 or 5, of every number."""
    reach, height, width = size // 2, planes.shape[2], planes.shape[3]
    padded = functional.pad(planes, (reach,) * 4, mode="replicate")
    by_rank = _sorted([padded[..., x : x + width] for x in range(size)])
    columns = [_sorted([rank[:, :, y : y + height] for y in range(size)]) for rank in by_rank]
    half = size * size // 2
    # Sorted both ways, (x, y) has (x + 1)(y + 1) - 1 numbers that are no larger, and as many no smaller from the end.
    possible = [
        columns[x][y]
        for x, y in product(range(size), repeat=2)
        if (x + 1) * (y + 1) - 1 <= half and (size - x) * (size - y) - 1 <= half
    ]
    return _middle(possible)


def _sorted(values: list[Tensor]) -> list[Tensor]:
    values = list(values)
    for low, high in _NETWORKS[len(values)]:
        one, two = values[low], values[high]
        values[low], values[high] = torch.minimum(one, two), torch.maximum(one, two)
    return values


def _middle(values: list[Tensor]) -> Tensor:
    """The median of an odd number: among any more than half of them, neither the smallest nor the largest is it."""
    start = len(values) // 2 + 2
    held, waiting = values[:start], values[start:]
    while len(held) > 1:
        held = _without(_without(held, torch.maximum, torch.minimum), torch.minimum, torch.maximum)
        held, waiting = held + waiting[:1], waiting[1:]
    return held[0]


def _without(values: list[Tensor], taken: _Choice, left: _Choice) -> list[Tensor]:
    """All but the largest (or smallest) number of every place."""
    carried, rest = values[0], []
    for value in values[1:]:
        rest.append(left(carried, value))
        carried = taken(carried, value)
    return rest


MOST_PAIRS = 32
"""More go to the device in turn: at 256 x 341, 32 pairs take about 2 GB there."""
_BORDER = 4
_ASK_EVERY = 5
_FLATTEST = 1e-6
# OpenCV's bicubic weights (a = -0.75) of the four taps as polynomials of the fraction, highest power first.
_CUBIC = ((-0.75, 1.25, -1.25, 0.75), (1.5, -2.25, 1.5, -0.75), (-0.75, 0.0, 0.75, 0.0), (0.0, 1.0, 0.0, 0.0))

Planes = Float[Tensor, "pairs height width"]
Field = Float[Tensor, "pairs 2 height width"]


def tvl1_batch(
    first: UInt8[np.ndarray, "pairs height width"],
    second: UInt8[np.ndarray, "pairs height width"],
    parameters: TVL1Parameters = OPENCV_DEFAULTS,
    device: torch.device | str = "cpu",
) -> Float32[np.ndarray, "pairs height width 2"]:
    """Displacement in pixels, x then y, from each first picture to its second: `tvl1.tvl1` of every pair.

    Grey pictures of at least 16 x 16 pixels. Equal pictures give exactly zero. Raises ValueError where the pictures
    are smaller or differ in size.
    """
    check_pictures(first.shape[1:], second.shape[1:])
    with torch.no_grad():
        flow = np.empty((*first.shape, 2), np.float32)
        for start in range(0, len(first), MOST_PAIRS):
            rows = slice(start, start + MOST_PAIRS)
            one, two = (torch.from_numpy(p[rows].copy()).to(device, torch.float32) for p in (first, second))
            flow[rows] = _solve(one, two, parameters).permute(0, 2, 3, 1).cpu().numpy()
        return flow


def best_device() -> torch.device:
    """The accelerator torch finds, else the CPU."""
    found = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    return found or torch.device("cpu")  # what torch was built for need not be there


def _solve(first: Planes, second: Planes, parameters: TVL1Parameters) -> Field:
    step = parameters.scale_step
    sizes = [(int(height), int(width)) for height, width, _ in level_sizes(first.shape[1], first.shape[2], parameters)]
    pyramid = [torch.stack([first, second])]
    for size in sizes[1:]:
        pyramid.append(_resized(pyramid[-1], size, (1 / step, 1 / step)))
    flow = first.new_zeros(len(first), 2, *sizes[-1])
    for size, (one, two) in zip(reversed(sizes), reversed(pyramid), strict=True):
        ratio = (flow.shape[2] / size[0], flow.shape[3] / size[1])
        level = _Level.at(_resized(flow, size, ratio) * (1 / step), parameters)
        image = _with_gradients(two)
        for _ in range(parameters.num_warps):
            level.settle(*_linearised(one, image, level.flow))
        flow = level.flow
    return flow


def _resized(planes: Float[Tensor, "*batch h w"], size: tuple[int, int], step: tuple[float, float]) -> Tensor:
    """Bilinear with OpenCV's half-pixel centres and repeated edges; `step` = old pixels per new one, y then x."""
    for axis in (-2, -1):
        length = planes.shape[axis]
        places = (torch.arange(size[axis], dtype=torch.float64) + 0.5) * step[axis] - 0.5
        places = places.clamp(0, length - 1)
        lower = places.long()
        share = (places - lower).to(planes.device, torch.float32)
        lower = lower.to(planes.device)
        low, high = planes.index_select(axis, lower), planes.index_select(axis, (lower + 1).clamp(max=length - 1))
        planes = low + (share[:, None] if axis == -2 else share) * (high - low)
    return planes


def _with_gradients(second: Planes) -> Float[Tensor, "pairs padded_height padded_width 3"]:
    """The picture and its centred gradient in x and in y, pixel by pixel, within a border of zeros."""
    wide = functional.pad(second[:, None], (1, 1, 1, 1), mode="replicate")[:, 0]
    x = (wide[:, 1:-1, 2:] - wide[:, 1:-1, :-2]) * 0.5
    y = (wide[:, 2:, 1:-1] - wide[:, :-2, 1:-1]) * 0.5
    return functional.pad(torch.stack([second, x, y], dim=-1), (0, 0, *(_BORDER,) * 4))


def _linearised(first: Planes, image: Tensor, flow: Field) -> tuple[Field, Planes, Planes]:
    """Around the present flow: gradient, 1 / |gradient|^2 and the constant part of rho."""
    value, gradient = _sampled(image, flow)
    moved = gradient[:, 0] * flow[:, 0] + gradient[:, 1] * flow[:, 1]
    square = gradient[:, 0].square() + gradient[:, 1].square()
    return gradient, 1 / square.clamp(min=_FLATTEST), value - moved - first


def _sampled(image: Float[Tensor, "pairs hp wp 3"], flow: Field) -> tuple[Planes, Field]:
    """Image and gradients where every pixel looks, bicubic, zeros outside."""
    pairs, _, height, width = flow.shape
    x, whole_x = _split(torch.arange(width, device=flow.device) + flow[:, 0], width)
    y, whole_y = _split(torch.arange(height, device=flow.device)[:, None] + flow[:, 1], height)
    weights_x, weights_y = _weights(x), _weights(y)
    pixels, stride = image.flatten(0, 2), image.shape[2]
    corner = torch.arange(pairs, device=flow.device)[:, None, None] * (image.shape[1] * stride)
    corner = corner + (whole_y + _BORDER - 1) * stride + (whole_x + _BORDER - 1)
    total = flow.new_zeros(pairs, height, width, 3)
    for column in range(4):
        taps = [pixels[corner + (row * stride + column)] * weights_y[row][..., None] for row in range(4)]
        total += (taps[0] + taps[1] + taps[2] + taps[3]) * weights_x[column][..., None]
    return total[..., 0], total[..., 1:].permute(0, 3, 1, 2).contiguous()


def _split(places: Planes, length: int) -> tuple[Planes, Tensor]:
    """Fraction and whole part of coordinates; beyond the border all is zero, however far."""
    places = places.clamp(-3, length + 1)
    whole = places.floor()
    return places - whole, whole.long()


def _weights(fraction: Planes) -> list[Planes]:
    return [((a * fraction + b) * fraction + c) * fraction + d for a, b, c, d in zip(*_CUBIC, strict=True)]


@dataclass
class _Level:
    """Flow and dual variables of one pyramid level, and the buffers of an iteration."""

    parameters: TVL1Parameters
    flow: Field
    """u."""
    dual_x: Float[Tensor, "pairs 2 height columns"]
    """p in x of both components, after a column of zeros."""
    dual_y: Float[Tensor, "pairs 2 rows width"]
    """p in y, below a row of zeros."""
    slope_x: Field
    """Forward differences of u; the last column stays zero."""
    slope_y: Field
    """The same in y; the last row stays zero."""

    @classmethod
    def at(cls, flow: Field, parameters: TVL1Parameters) -> "_Level":
        """Dual variables zero."""
        right, down = functional.pad(flow, (1, 0)), functional.pad(flow, (0, 0, 1, 0))
        return cls(parameters, flow, *(torch.zeros_like(like) for like in (right, down, flow, flow)))

    def settle(self, gradient: Field, inverse: Planes, rho: Planes) -> None:
        """Rounds of a median and inner iterations, for every pair until its flow hardly changes."""
        moving = torch.ones(len(self.flow), dtype=torch.bool, device=self.flow.device)
        for _ in range(self.parameters.outer_iterations):
            if self.parameters.median_size > 1:
                smooth = median(self.flow, self.parameters.median_size)
                self.flow = torch.where(moving[:, None, None, None], smooth, self.flow)
            moving = self._relax(gradient, inverse, rho, moving)
            if not moving.any():
                break

    def _relax(
        self, gradient: Field, inverse: Planes, rho: Planes, moving: Bool[Tensor, " pairs"]
    ) -> Bool[Tensor, " pairs"]:
        """At most `inner_iterations` of the pairs in `moving`; those that move still."""
        limit = self.parameters.epsilon**2 * self.flow.shape[2] * self.flow.shape[3]
        for iteration in range(self.parameters.inner_iterations):
            if iteration % _ASK_EVERY == _ASK_EVERY - 1 and not moving.any():
                break
            share = moving.to(self.flow.dtype)[:, None, None, None]
            change = self._step_flow(gradient, inverse, rho, share)
            self._step_dual(share)
            moving = moving & (change > limit)
        return moving

    def _step_flow(self, gradient: Field, inverse: Planes, rho: Planes, share: Tensor) -> Float[Tensor, " pairs"]:
        """The thresholding step, then the primal one, for pairs whose share is 1; the sum of squared changes."""
        theta, bound = self.parameters.theta, self.parameters.lambda_ * self.parameters.theta
        descent = torch.addcmul(rho, gradient[:, 0], self.flow[:, 0]).addcmul_(gradient[:, 1], self.flow[:, 1])
        descent = descent.mul_(inverse).clamp_(-bound, bound)
        change = self.dual_x[..., 1:] - self.dual_x[..., :-1]
        change += self.dual_y[:, :, 1:]
        change -= self.dual_y[:, :, :-1]
        change = change.mul_(theta).addcmul_(gradient, descent[:, None], value=-1).mul_(share)
        self.flow += change
        # Along rows first: sums of one length each, whose order on a CPU does not depend on the number of pairs.
        return change.square_().sum(-1).flatten(1).sum(-1)

    def _step_dual(self, share: Tensor) -> None:
        pace = (self.parameters.tau / self.parameters.theta) * share
        torch.sub(self.flow[..., 1:], self.flow[..., :-1], out=self.slope_x[..., :-1])
        torch.sub(self.flow[:, :, 1:], self.flow[:, :, :-1], out=self.slope_y[:, :, :-1])
        slower = torch.hypot(self.slope_x, self.slope_y).mul_(pace).add_(1)
        self.dual_x[..., 1:].addcmul_(self.slope_x, pace).div_(slower)
        self.dual_y[:, :, 1:].addcmul_(self.slope_y, pace).div_(slower)
