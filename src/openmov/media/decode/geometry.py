"""How stored pictures become upright ones of square pixels: arithmetic on what the file says.

A file may say that its pixels are wider than high (DVDs, camcorders: the sample aspect ratio), and that its pictures
are to be turned or mirrored (telephones: the display matrix). A player does all of it, so it is done here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from jaxtyping import UInt8

_WIDEST_PIXEL = 8
"""More than any format has: what says more is taken for square, as FFmpeg's own player does with nonsense."""


@dataclass(frozen=True)
class Geometry:
    """From the pictures as stored to those on screen: scaled to square pixels, transposed, mirrored."""

    width: int
    """Pixels once they are square, before turning."""
    height: int
    """Pixels once they are square, before turning."""
    transposed: bool = False
    """Rows become columns."""
    flipped_x: bool = False
    """Then left and right are exchanged."""
    flipped_y: bool = False
    """Then top and bottom are exchanged."""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height on screen."""
        return (self.height, self.width) if self.transposed else (self.width, self.height)

    @property
    def mirrored(self) -> bool:
        """Whether the pictures on screen are mirror images of those stored."""
        return self.transposed ^ self.flipped_x ^ self.flipped_y

    @property
    def rotation_degrees(self) -> int:
        """How far clockwise stored pictures are turned, after exchanging left and right if they are mirrored."""
        if self.transposed:
            return 90 if self.flipped_x else 270
        return 180 if self.flipped_y else 0

    def upright(self, image: UInt8[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "h2 w2 3"]:
        """An image of square pixels, turned as it is meant to be seen."""
        image = image.transpose(1, 0, 2) if self.transposed else image
        return image[:: -1 if self.flipped_y else 1, :: -1 if self.flipped_x else 1]


def geometry_of(frame: Any, pixel_aspect: Fraction | None) -> Geometry:
    """Of one of PyAV's frames in a stream whose pixels are `pixel_aspect` times as wide as high."""
    entry = frame.side_data.get("DISPLAYMATRIX")
    matrix = [] if entry is None else np.frombuffer(bytes(entry), np.int32).tolist()
    return geometry(frame.width, frame.height, usable_aspect(pixel_aspect), matrix)


def usable_aspect(pixel_aspect: Fraction | None) -> Fraction:
    """Width over height of a pixel; 1 where the file does not say, or says nonsense."""
    if not pixel_aspect or not Fraction(1, _WIDEST_PIXEL) <= pixel_aspect <= _WIDEST_PIXEL:
        return Fraction(1)
    return Fraction(pixel_aspect)


def geometry(width: int, height: int, pixel_aspect: Fraction, matrix: Sequence[int]) -> Geometry:
    """Of stored pictures of that size; `matrix` is FFmpeg's display matrix row by row, empty for none.

    The side of a pixel that is too short is stretched, so that nothing of the picture is lost. A point (x, y) comes to
    (a x + c y, b x + d y) with [[a, b], [c, d]] the upper left of the matrix, which is taken to the nearest quarter.
    """
    if pixel_aspect >= 1:
        width = max(round(width * pixel_aspect), 1)
    else:
        height = max(round(height / pixel_aspect), 1)
    if len(matrix) < 5 or not any(matrix[:5]):
        return Geometry(width, height)
    a, b, _, c, d = matrix[:5]
    if abs(a) + abs(d) >= abs(b) + abs(c):
        return Geometry(width, height, False, a < 0, d < 0)
    return Geometry(width, height, True, c < 0, b < 0)
