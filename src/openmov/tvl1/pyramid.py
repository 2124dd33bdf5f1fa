"""Pyramids of pictures and flow, and the second picture with its gradients laid out for the warp.

Everything is a flat float32 array. Knows nothing of what is computed on a level.
"""

from typing import no_type_check

import numpy as np

from openmov.tvl1.lanes import compiled

BORDER = 4
"""Zeros around the second picture: a bicubic window that touches none of it reads zeros."""

_ONE, _ZERO = np.float32(1), np.float32(0)


@compiled
@no_type_check
def resize(source, height, width, target, step, gain, row, columns, fractions):
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
def shrink(pyramid, sizes, scale_step, row, columns, fractions):
    """Fill levels 1 and up of a pyramid, each from the one before."""
    step = (1 / scale_step, 1 / scale_step)
    for level in range(1, len(sizes)):
        height, width, start = sizes[level]
        old_height, old_width, i = sizes[level - 1]
        old = pyramid[i : i + old_height * old_width]
        target = (pyramid, start, width, height, width)
        resize(old, old_height, old_width, target, step, _ONE, row, columns, fractions)


@compiled
@no_type_check
def interleave(second, height, width, image):
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
