"""The median of 3 x 3 or 5 x 5 neighbours, sixteen pixels at once, in place, edges repeated.

For 5 x 5: the five neighbours along a row are sorted once and serve the five windows that hold them; sorted rows are
merged two by two, each pair serving four windows; two output rows share four of their five rows, that is the middle
six of twenty, and add one row each. About 70 minimum or maximum instructions for sixteen medians.
Every function takes the image as offsets into a flat float32 array: row `y` starts at `start + y * stride`, and there
are two numbers of spare room on either side of a row, which are overwritten.
"""

from typing import no_type_check

from openmov.tvl1.lanes import NUM_LANES, compiled, load, maximum, minimum, store

RING_ROWS = 35
"""Rows of work space that `median` needs: two merged pairs of rows (10 each) and three sorted rows (5 each)."""
_SORTED = 20


@compiled
@no_type_check
def _sort5(a, b, c, d, e):
    a, b = minimum(a, b), maximum(a, b)
    d, e = minimum(d, e), maximum(d, e)
    c, e = minimum(c, e), maximum(c, e)
    c, d = minimum(c, d), maximum(c, d)
    a, d = minimum(a, d), maximum(a, d)
    b, e = minimum(b, e), maximum(b, e)
    a, c = minimum(a, c), maximum(a, c)
    b, d = minimum(b, d), maximum(b, d)
    b, c = minimum(b, c), maximum(b, c)
    return a, b, c, d, e


@compiled
@no_type_check
def _merge22(a, b, c, d):
    """Batcher's odd-even merge of sorted (a, b) and (c, d)."""
    low, third = minimum(a, c), maximum(a, c)
    second, high = minimum(b, d), maximum(b, d)
    return low, minimum(second, third), maximum(second, third), high


@compiled
@no_type_check
def _merge33(a, b):
    e = _merge22(a[0], a[2], b[0], b[2])
    low, high = minimum(a[1], b[1]), maximum(a[1], b[1])
    return e[0], minimum(low, e[1]), maximum(low, e[1]), minimum(high, e[2]), maximum(high, e[2]), e[3]


@compiled
@no_type_check
def _merge55(a, b):
    e = _merge33((a[0], a[2], a[4]), (b[0], b[2], b[4]))
    o = _merge22(a[1], a[3], b[1], b[3])
    return (
        e[0],
        minimum(o[0], e[1]),
        maximum(o[0], e[1]),
        minimum(o[1], e[2]),
        maximum(o[1], e[2]),
        minimum(o[2], e[3]),
        maximum(o[2], e[3]),
        minimum(o[3], e[4]),
        maximum(o[3], e[4]),
        e[5],
    )


@compiled
@no_type_check
def _middle6(a, b):
    """Ranks 7 to 12 of the twenty in two sorted tens: the top 3 of the lower half, the bottom 3 of the upper half."""
    low = _sort5(
        maximum(minimum(a[0], b[9]), minimum(a[5], b[4])),
        maximum(minimum(a[1], b[8]), minimum(a[6], b[3])),
        maximum(minimum(a[2], b[7]), minimum(a[7], b[2])),
        maximum(minimum(a[3], b[6]), minimum(a[8], b[1])),
        maximum(minimum(a[4], b[5]), minimum(a[9], b[0])),
    )
    high = _sort5(
        minimum(maximum(a[0], b[9]), maximum(a[5], b[4])),
        minimum(maximum(a[1], b[8]), maximum(a[6], b[3])),
        minimum(maximum(a[2], b[7]), maximum(a[7], b[2])),
        minimum(maximum(a[3], b[6]), maximum(a[8], b[1])),
        minimum(maximum(a[4], b[5]), maximum(a[9], b[0])),
    )
    return low[2], low[3], low[4], high[0], high[1], high[2]


@compiled
@no_type_check
def _median11(m, s):
    """The median of a sorted six and a sorted five."""
    best = minimum(m[5], maximum(m[0], s[4]))
    best = minimum(best, maximum(m[4], s[0]))
    best = minimum(best, maximum(m[3], s[1]))
    best = minimum(best, maximum(m[2], s[2]))
    return minimum(best, maximum(m[1], s[3]))


@compiled
@no_type_check
def _sorted_row(data, i):
    return _sort5(load(data, i - 2), load(data, i - 1), load(data, i), load(data, i + 1), load(data, i + 2))


@compiled
@no_type_check
def _put5(ring, i, width, a):
    store(ring, i, a[0])
    store(ring, i + width, a[1])
    store(ring, i + 2 * width, a[2])
    store(ring, i + 3 * width, a[3])
    store(ring, i + 4 * width, a[4])


@compiled
@no_type_check
def _five(ring, i, width):
    return (
        load(ring, i),
        load(ring, i + width),
        load(ring, i + 2 * width),
        load(ring, i + 3 * width),
        load(ring, i + 4 * width),
    )


@compiled
@no_type_check
def _ten(ring, i, width):
    a, b = _five(ring, i, width), _five(ring, i + 5 * width, width)
    return a[0], a[1], a[2], a[3], a[4], b[0], b[1], b[2], b[3], b[4]


@compiled
@no_type_check
def repeat_edges(data, start, stride, height, width):
    """Continue every row by two pixels on either side."""
    for y in range(height):
        i = start + y * stride
        data[i - 2] = data[i - 1] = data[i]
        data[i + width] = data[i + width + 1] = data[i + width - 1]


@compiled
@no_type_check
def median5(data, start, stride, height, width, padded, ring):
    """Step q reads rows 2q - 1 and 2q and writes rows 2q - 4 and 2q - 3, so the image can be changed in place."""
    repeat_edges(data, start, stride, height, width)
    last = height - 1
    for q in range(-1, (height + 3) // 2 + 1):
        one = start + min(max(2 * q - 1, 0), last) * stride
        two = start + min(max(2 * q, 0), last) * stride
        out = start + (2 * q - 4) * stride
        pair = (q & 1) * 10 * padded
        oldest, newest = (_SORTED + (q + 3) % 3 * 5) * padded, (_SORTED + (q + 2) % 3 * 5) * padded
        for x in range(0, padded, NUM_LANES):
            if 2 * q - 1 <= last:
                upper, lower = _sorted_row(data, one + x), _sorted_row(data, two + x)
            else:  # the last row again: its numbers are being overwritten, its sorted neighbours are at hand
                upper = lower = _five(ring, newest + x, padded)
            if q >= 2:
                middle = _middle6(_ten(ring, pair + x, padded), _ten(ring, 10 * padded - pair + x, padded))
                store(data, out + x, _median11(middle, _five(ring, oldest + x, padded)))
                if 2 * q - 3 <= last:
                    store(data, out + stride + x, _median11(middle, upper))
            tens = _merge55(upper, lower)
            _put5(ring, pair + x, padded, tens[:5])
            _put5(ring, pair + 5 * padded + x, padded, tens[5:])
            _put5(ring, oldest + x, padded, lower)


@compiled
@no_type_check
def _median_of_3(a, b, c):
    return maximum(minimum(a, b), minimum(maximum(a, b), c))


@compiled
@no_type_check
def _sort3(a, b, c):
    return minimum(minimum(a, b), c), _median_of_3(a, b, c), maximum(maximum(a, b), c)


@compiled
@no_type_check
def _three(ring, i, width):
    return load(ring, i), load(ring, i + width), load(ring, i + 2 * width)


@compiled
@no_type_check
def median3(data, start, stride, height, width, padded, ring):
    """Rows of three sorted; then the median of the largest low, the median middle and the smallest high."""
    repeat_edges(data, start, stride, height, width)
    for q in range(-1, height + 1):
        row = start + min(max(q, 0), height - 1) * stride
        row_out = start + (q - 1) * stride
        before, newest = q % 2 * 3 * padded, (q + 1) % 2 * 3 * padded
        for x in range(0, padded, NUM_LANES):
            low2, mid2, high2 = _three(ring, before + x, padded)
            low1, mid1, high1 = _three(ring, newest + x, padded)
            low0, mid0, high0 = low1, mid1, high1
            if q < height:
                low0, mid0, high0 = _sort3(load(data, row + x - 1), load(data, row + x), load(data, row + x + 1))
            if q >= 1:
                low = maximum(maximum(low2, low1), low0)
                high = minimum(minimum(high2, high1), high0)
                store(data, row_out + x, _median_of_3(low, _median_of_3(mid2, mid1, mid0), high))
            store(ring, before + x, low0)
            store(ring, before + padded + x, mid0)
            store(ring, before + 2 * padded + x, high0)
