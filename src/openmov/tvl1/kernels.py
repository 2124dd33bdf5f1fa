"""The inner loops of TV-L1: the warp and the sweeps over the flow `u` and its dual variable `p`.

What is kept of one pyramid level is one flat array of *records*, one a row of pixels, so that all that a row needs lies
together: ten fields of `plane` numbers, each sixteen spare ones and then the row, filled up to a multiple of sixteen
with pixels that never move. Record 0 is a row above the image, whose `p` stays zero and whose first field holds theta
over real pixels and 0 over spare ones; record `height + 1` is a row below it, a copy of the last.
Knows nothing of files, colours or parameters' defaults.
"""

from typing import NamedTuple, no_type_check

import numpy as np

from openmov.tvl1.lanes import (
    NUM_LANES,
    compiled,
    floor,
    left_of,
    load,
    maximum,
    minimum,
    quads,
    right_of,
    splat,
    sqrt,
    store,
    total,
)
from openmov.tvl1.median import median3, median5
from openmov.tvl1.pyramid import BORDER, interleave, resize, shrink

NUM_FIELDS = 10
_IX, _IY, _INVERSE, _RHO, _U1, _U2, _P11, _P12, _P21, _P22 = range(NUM_FIELDS)
"""Gradient of the warped second image, 1 / |gradient|^2, the constant part of rho, the flow, the dual variables."""

_ONE, _ZERO, _TINY = np.float32(1), np.float32(0), np.float32(1e-30)
_FLATTEST = np.float32(1e-6)
_COLUMNS = np.arange(NUM_LANES, dtype=np.float32)
# OpenCV's bicubic weights (a = -0.75) of the four taps as polynomials of the fraction, each for four channels.
_CUBIC = np.repeat(
    np.array([[-0.75, 1.25, -1.25, 0.75], [1.5, -2.25, 1.5, -0.75], [-0.75, 0, 0.75, 0], [0, 1, 0, 0]], np.float32), 4
)


class Grid(NamedTuple):
    """The layout of one level's records, in numbers."""

    height: int
    width: int
    padded: int
    plane: int
    record: int


@compiled
@no_type_check
def _grid(height, width):
    padded = (width + NUM_LANES - 1) // NUM_LANES * NUM_LANES
    plane = padded + NUM_LANES
    return Grid(height, width, padded, plane, NUM_FIELDS * plane)


@compiled
@no_type_check
def _aim(state, i, x, y, grid, plan):
    """To `plan`: where sixteen pixels look, whole part in x and y, fraction in x, four weights in y."""
    low = splat(np.float32(-3))
    right, bottom = splat(np.float32(grid.width + 1)), splat(np.float32(grid.height + 1))
    to_x = splat(np.float32(x)) + load(_COLUMNS, 0) + load(state, i + _U1 * grid.plane)
    to_y = splat(np.float32(y)) + load(state, i + _U2 * grid.plane)
    to_x, to_y = minimum(maximum(to_x, low), right), minimum(maximum(to_y, low), bottom)
    whole_x, whole_y = floor(to_x), floor(to_y)
    t = to_y - whole_y
    store(plan, 0, whole_x)
    store(plan, NUM_LANES, whole_y)
    store(plan, 2 * NUM_LANES, to_x - whole_x)
    for k in range(4):
        weight = splat(_CUBIC[4 * k]) * t + splat(_CUBIC[16 + 4 * k])
        weight = (weight * t + splat(_CUBIC[32 + 4 * k])) * t + splat(_CUBIC[48 + 4 * k])
        store(plan, (3 + k) * NUM_LANES, weight)


@compiled
@no_type_check
def _sample(image, stride, plan, k):
    """Image and gradients where pixel `k` of the plan looks: four taps of four channels are one load."""
    i = (int(plan[NUM_LANES + k]) + BORDER - 1) * stride + (int(plan[k]) + BORDER - 1) * 4
    value = splat(plan[3 * NUM_LANES + k]) * load(image, i)
    value = value + splat(plan[4 * NUM_LANES + k]) * load(image, i + stride)
    value = value + splat(plan[5 * NUM_LANES + k]) * load(image, i + 2 * stride)
    value = value + splat(plan[6 * NUM_LANES + k]) * load(image, i + 3 * stride)
    t = splat(plan[2 * NUM_LANES + k])
    weight = (load(_CUBIC, 0) * t + load(_CUBIC, 16)) * t + load(_CUBIC, 32)
    return quads(value * (weight * t + load(_CUBIC, 48)))


@compiled
@no_type_check
def _warp(first, image, state, grid, plan, row):
    """Linearise around the present flow: gradient, 1 / |gradient|^2 and rho_c of every pixel."""
    stride = (grid.width + 2 * BORDER) * 4
    for y in range(grid.height):
        start = (y + 1) * grid.record + NUM_LANES
        for x in range(0, grid.width, NUM_LANES):
            _aim(state, start + x, x, y, grid, plan)
            for k in range(min(NUM_LANES, grid.width - x)):
                value, value_x, value_y, _ = _sample(image, stride, plan, k)
                row[x + k], state[start + x + k], state[start + grid.plane + x + k] = value, value_x, value_y
        for x in range(0, grid.padded, NUM_LANES):
            i = start + x
            ix, iy = load(state, i), load(state, i + grid.plane)
            moved = ix * load(state, i + _U1 * grid.plane) + iy * load(state, i + _U2 * grid.plane)
            store(state, i + _RHO * grid.plane, load(row, x) - moved - load(first, y * grid.width + x))
            square = maximum(ix * ix + iy * iy, splat(_FLATTEST))
            store(state, i + _INVERSE * grid.plane, splat(_ONE) / square)


@compiled
@no_type_check
def _steepness(x, y):
    """|(x, y)|, exactly 0 at 0."""
    square = x * x + y * y
    return square * (splat(_ONE) / sqrt(square + splat(_TINY)))


@compiled
@no_type_check
def _sweep_row(s, r, q, mask, plane, bound, speed):
    """One iteration of `u` in the record at `r`, then of `p` in the record above at `q`; the sum of squared changes.

    The thresholding step, then the dual step: `u` takes the old `p` of both rows, `p` of row q the new `u` of both, so
    that one pass through memory serves both where the textbook has two.
    """
    u1, u2, p11, p12, p21, p22 = _U1 * plane, _U2 * plane, _P11 * plane, _P12 * plane, _P21 * plane, _P22 * plane
    upper, lower, one, pace = splat(bound), splat(-bound), splat(_ONE), splat(speed)
    change, left1, left2 = splat(_ZERO), splat(_ZERO), splat(_ZERO)
    above1, above2 = load(s, q + NUM_LANES + u1), load(s, q + NUM_LANES + u2)
    for x in range(NUM_LANES, plane, NUM_LANES):
        i, j = r + x, q + x
        theta = load(s, mask + x)
        ix, iy, a, b = load(s, i), load(s, i + plane), load(s, i + u1), load(s, i + u2)
        d = (load(s, i + _RHO * plane) + ix * a + iy * b) * load(s, i + _INVERSE * plane)
        d = minimum(maximum(d, lower), upper)
        here1, here2, old1, old2 = load(s, i + p11), load(s, i + p21), load(s, j + p12), load(s, j + p22)
        da = theta * (here1 - left_of(left1, here1) + load(s, i + p12) - old1) - d * ix
        db = theta * (here2 - left_of(left2, here2) + load(s, i + p22) - old2) - d * iy
        left1, left2 = here1, here2
        change = change + (da * da + db * db)
        a, b = a + da, b + db
        store(s, i + u1, a)
        store(s, i + u2, b)
        next1, next2 = load(s, j + u1 + NUM_LANES), load(s, j + u2 + NUM_LANES)
        ax, ay = right_of(above1, next1) - above1, a - above1
        bx, by = right_of(above2, next2) - above2, b - above2
        above1, above2 = next1, next2
        shrink1, shrink2 = one / (one + pace * _steepness(ax, ay)), one / (one + pace * _steepness(bx, by))
        store(s, j + p11, (load(s, j + p11) + pace * ax) * shrink1)
        store(s, j + p12, (old1 + pace * ay) * shrink1)
        store(s, j + p21, (load(s, j + p21) + pace * bx) * shrink2)
        store(s, j + p22, (old2 + pace * by) * shrink2)
    return total(change)


@compiled
@no_type_check
def _iterate(s, grid, bound, speed):
    """One iteration; the sum of squared changes of the flow."""
    u1, u2 = _U1 * grid.plane + NUM_LANES, _U2 * grid.plane + NUM_LANES
    top = 0 * grid.record  # record 0; a plain 0 would be a type of its own, and three more versions of the sweep
    change, q = _ZERO, top
    for y in range(grid.height):
        r = q + grid.record
        change += _sweep_row(s, r, q, top, grid.plane, bound, speed if y else _ZERO)
        # The pixel right of the last repeats it: no gradient across the edge.
        s[r + u1 + grid.width] = s[r + u1 + grid.width - 1]
        s[r + u2 + grid.width] = s[r + u2 + grid.width - 1]
        q = r
    r = q + grid.record
    for x in range(0, grid.padded, NUM_LANES):
        store(s, r + u1 + x, load(s, q + u1 + x))
        store(s, r + u2 + x, load(s, q + u2 + x))
    _sweep_row(s, r, q, r, grid.plane, bound, speed)
    return change


@compiled
@no_type_check
def _relax(state, grid, bound, speed, limit, iterations):
    """Iterate until the sum of squared changes is at most `limit`, or `iterations` times; whether that was reached."""
    change = _ZERO
    for _ in range(iterations):
        change = _iterate(state, grid, bound, speed)
        if change <= limit:
            break
    return change <= limit


@compiled
@no_type_check
def _smooth(state, grid, size, ring):
    for field in (_U1, _U2):
        start = grid.record + field * grid.plane + NUM_LANES
        if size == 3:
            median3(state, start, grid.record, grid.height, grid.width, grid.padded, ring)
        elif size == 5:
            median5(state, start, grid.record, grid.height, grid.width, grid.padded, ring)


@compiled
@no_type_check
def _set_up(state, grid, theta, flow, old_height, old_width, gain, row, columns, fractions):
    """Fresh records: `p` zero, `u` from the flow of another level."""
    state[: (grid.height + 2) * grid.record] = _ZERO
    state[NUM_LANES : NUM_LANES + grid.width] = theta
    step = (old_height / grid.height, old_width / grid.width)
    for k in range(2):
        start = grid.record + (_U1 + k) * grid.plane + NUM_LANES
        target = (state, start, grid.record, grid.height, grid.width)
        resize(flow[k], old_height, old_width, target, step, gain, row, columns, fractions)


@compiled
@no_type_check
def _take_down(state, grid, flow):
    for y in range(grid.height):
        i = (y + 1) * grid.record + NUM_LANES
        for x in range(grid.width):
            flow[0, y * grid.width + x] = state[i + _U1 * grid.plane + x]
            flow[1, y * grid.width + x] = state[i + _U2 * grid.plane + x]


@compiled
@no_type_check
def levels(first, second, sizes, numbers, counts, scale_step, flow, state, image, ring, row, columns):
    """Replace the zeros in `flow` (2 rows: x, y; pixels of level 0) by the displacement of `first` to `second`.

    first, second: flat float32 pyramids whose level 0 is filled in, with `NUM_LANES` numbers to spare at the end.
    sizes: (levels, 3), height, width and start in the pyramids of every level, fine to coarse.
    numbers: theta, lambda * theta, tau / theta, epsilon^2. counts: warps, inner and outer iterations, median size.
    The other arrays are work space: see `openmov.tvl1.flow`.
    """
    theta, bound, speed, tolerance = numbers
    num_warps, inner, outer, median_size = counts
    plan, fractions = np.empty(7 * NUM_LANES, np.float32), np.empty(len(columns), np.float32)
    shrink(first, sizes, scale_step, row, columns, fractions)
    shrink(second, sizes, scale_step, row, columns, fractions)
    old_height, old_width, gain = sizes[0, 0], sizes[0, 1], scale_step ** (len(sizes) - 1)
    for level in range(len(sizes) - 1, -1, -1):
        height, width, start = sizes[level]
        grid = _grid(height, width)
        limit = tolerance * np.float32(height * width)
        _set_up(state, grid, theta, flow, old_height, old_width, np.float32(gain), row, columns, fractions)
        interleave(second[start:], height, width, image)
        for _ in range(num_warps):
            _warp(first[start:], image, state, grid, plan, row)
            for _ in range(outer):
                _smooth(state, grid, median_size, ring)
                if _relax(state, grid, bound, speed, limit, inner):
                    break
        _take_down(state, grid, flow)
        old_height, old_width, gain = height, width, 1 / scale_step
