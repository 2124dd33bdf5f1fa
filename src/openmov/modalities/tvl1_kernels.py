"""The inner loops of TV-L1: pyramid, warp, and the sweeps over the flow `u` and its dual variable `p`.

What is kept of one pyramid level is one flat array of *records*, one a row of pixels, so that all that a row needs lies
together: ten fields of `plane` numbers, each sixteen spare ones and then the row, filled up to a multiple of sixteen
with pixels that never move. Record 0 is a row above the image, whose `p` stays zero and whose first field holds theta
over real pixels and 0 over spare ones; record `height + 1` is a row below it, a copy of the last.
Knows nothing of files, colours or parameters' defaults.
"""

from typing import NamedTuple, no_type_check

import numba
import numpy as np

from openmov.modalities.tvl1_lanes import (
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
from openmov.modalities.tvl1_median import median3, median5

NUM_FIELDS = 10
_IX, _IY, _INVERSE, _RHO, _U1, _U2, _P11, _P12, _P21, _P22 = range(NUM_FIELDS)
"""Gradient of the warped second image, 1 / |gradient|^2, the constant part of rho, the flow, the dual variables."""
BORDER = 4
"""Zeros around the second image: a bicubic window that touches none of it reads zeros."""
BLOCK = 8
"""Most iterations that follow each other down the image while its rows are in the processor's cache."""

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
def _resize(source, height, width, target, step, gain, row, columns, fractions):
    """Bilinear with OpenCV's half-pixel centres and repeated edges; `step` = old pixels per new one, y then x."""
    array, start, stride, new_height, new_width = target
    for x in range(new_width):
        place = min(max((x + 0.5) * step[1] - 0.5, 0.0), width - 1.0)
        columns[x] = int(place)
        fractions[x] = place - int(place)
    row[width] = _ZERO
    for y in range(new_height):
        place = min(max((y + 0.5) * step[0] - 0.5, 0.0), height - 1.0)
        upper = int(place)
        lower, share = min(upper + 1, height - 1), np.float32(place - upper)
        one, two = source[upper * width : (upper + 1) * width], source[lower * width : (lower + 1) * width]
        for x in range(width):
            row[x] = one[x] + share * (two[x] - one[x])
        out = array[start + y * stride : start + y * stride + new_width]
        for x in range(new_width):
            left = columns[x]
            out[x] = gain * (row[left] + fractions[x] * (row[left + 1] - row[left]))


@compiled
@no_type_check
def _interleave(second, height, width, image):
    """The second image, its centred gradient in x and in y, and a zero, pixel by pixel, within a border of zeros."""
    stride = (width + 2 * BORDER) * 4
    image[: (height + 2 * BORDER) * stride] = _ZERO
    half = np.float32(0.5)
    for y in range(height):
        above, below = max(y - 1, 0) * width, min(y + 1, height - 1) * width
        for x in range(width):
            left, right = max(x - 1, 0), min(x + 1, width - 1)
            i = (y + BORDER) * stride + (x + BORDER) * 4
            image[i] = second[y * width + x]
            image[i + 1] = half * (second[y * width + right] - second[y * width + left])
            image[i + 2] = half * (second[below + x] - second[above + x])


@compiled
@no_type_check
def _aim(state, i, x, y, grid, plan):
    """Where sixteen pixels look: whole part and fraction in x, whole part in y, four weights in y, written to `plan`."""
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

    `u` takes the old `p` of both rows, `p` of row q the new `u` of both: equations 12 to 15 of Zach, Pock and Bischof.
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
def _iterate(s, grid, bound, speed, count, changes):
    """`count` iterations, each a row behind the one before; the sum of squared changes of each goes to `changes`."""
    u1, u2 = _U1 * grid.plane + NUM_LANES, _U2 * grid.plane + NUM_LANES
    changes[:count] = _ZERO
    for step in range(grid.height + count):
        for k in range(max(step - grid.height, 0), min(count, step + 1)):
            y = step - k
            r, mask = (y + 1) * grid.record, 0
            q = r - grid.record
            if y == grid.height:
                mask = r
                for x in range(0, grid.padded, NUM_LANES):
                    store(s, r + u1 + x, load(s, q + u1 + x))
                    store(s, r + u2 + x, load(s, q + u2 + x))
            pace = speed if y else _ZERO
            changes[k] += _sweep_row(s, r, q, mask, grid.plane, bound, pace)
            s[r + u1 + grid.width] = s[r + u1 + grid.width - 1]
            s[r + u2 + grid.width] = s[r + u2 + grid.width - 1]


@compiled
@no_type_check
def _safe_count(change, limit, done):
    """How many iterations surely do not bring the change below `limit`, given that it falls about as 1 / `done`.

    Where it falls faster it does so from the start, so the first ones go singly; the square root is caution.
    """
    if done < BLOCK:
        return 1
    if limit <= 0:
        return BLOCK
    return int(min(max(done * (np.sqrt(change / limit) - 1.0), 1.0), BLOCK))


@compiled
@no_type_check
def _relax(state, grid, bound, speed, limit, iterations, changes):
    """Iterate until the sum of squared changes is at most `limit`, or `iterations` times; whether that was reached."""
    done, change = 0, np.float32(0)
    while done < iterations and (done == 0 or change > limit):
        count = min(_safe_count(change, limit, done), iterations - done)
        _iterate(state, grid, bound, speed, count, changes)
        done, change = done + count, changes[count - 1]
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
def _shrink(pyramid, sizes, scale_step, row, columns, fractions):
    step = (1 / scale_step, 1 / scale_step)
    for level in range(1, len(sizes)):
        height, width, start = sizes[level]
        old_height, old_width, i = sizes[level - 1]
        old = pyramid[i : i + old_height * old_width]
        target = (pyramid, start, width, height, width)
        _resize(old, old_height, old_width, target, step, _ONE, row, columns, fractions)


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
        _resize(flow[k], old_height, old_width, target, step, gain, row, columns, fractions)


@compiled
@no_type_check
def _take_down(state, grid, flow):
    for y in range(grid.height):
        i = (y + 1) * grid.record + NUM_LANES
        for k in range(2):
            j = i + (_U1 + k) * grid.plane
            flow[k, y * grid.width : (y + 1) * grid.width] = state[j : j + grid.width]


@numba.njit(nogil=True, fastmath=True, error_model="numpy", cache=True)
@no_type_check
def solve(first, second, sizes, numbers, counts, scale_step, flow, state, image, ring, row, columns):
    """Replace the first guess in `flow` (2 rows: x, y; pixels of level 0) by the displacement of `first` to `second`.

    first, second: flat float32 pyramids whose level 0 is filled in, with `NUM_LANES` numbers to spare at the end.
    sizes: (levels, 3), height, width and start in the pyramids of every level, fine to coarse.
    numbers: theta, lambda * theta, tau / theta, epsilon^2. counts: warps, inner and outer iterations, median size.
    The other arrays are work space: see `openmov.modalities.tvl1`.
    """
    theta, bound, speed, tolerance = numbers
    num_warps, inner, outer, median_size = counts
    plan, changes = np.empty(7 * NUM_LANES, np.float32), np.empty(BLOCK, np.float32)
    fractions = np.empty(len(columns), np.float32)
    _shrink(first, sizes, scale_step, row, columns, fractions)
    _shrink(second, sizes, scale_step, row, columns, fractions)
    old_height, old_width, gain = sizes[0, 0], sizes[0, 1], scale_step ** (len(sizes) - 1)
    for level in range(len(sizes) - 1, -1, -1):
        height, width, start = sizes[level]
        grid = _grid(height, width)
        limit = tolerance * np.float32(height * width)
        _set_up(state, grid, theta, flow, old_height, old_width, np.float32(gain), row, columns, fractions)
        _interleave(second[start:], height, width, image)
        for _ in range(num_warps):
            _warp(first[start:], image, state, grid, plan, row)
            for _ in range(outer):
                _smooth(state, grid, median_size, ring)
                if _relax(state, grid, bound, speed, limit, inner, changes):
                    break
        _take_down(state, grid, flow)
        old_height, old_width, gain = height, width, 1 / scale_step
