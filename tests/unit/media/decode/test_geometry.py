"""From stored pictures to upright ones of square pixels: all eight ways to turn and mirror, and what files say."""

from fractions import Fraction

import numpy as np
import pytest

from openmov.media.decode.geometry import geometry, usable_aspect

IMAGE = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
ONE = 1 << 16
TURNS = {0: (ONE, 0, 0, ONE), 90: (0, ONE, -ONE, 0), 180: (-ONE, 0, 0, -ONE), 270: (0, -ONE, ONE, 0)}
"""Degrees clockwise to a, b, c, d, by the formula x' = a x + c y, y' = b x + d y with y downwards."""


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
@pytest.mark.parametrize("mirrored", [False, True])
def test_turned_and_mirrored_in_every_way(degrees: int, mirrored: bool) -> None:
    a, b, c, d = TURNS[degrees]
    if mirrored:  # left and right are exchanged first: x is -x
        a, b = -a, -b
    found = geometry(3, 2, Fraction(1), [a, b, 0, c, d, 0, 0, 0, 1 << 30])
    assert (found.rotation_degrees, found.mirrored) == (degrees, mirrored)
    expected = np.rot90(IMAGE[:, ::-1] if mirrored else IMAGE, k=-degrees // 90)
    np.testing.assert_array_equal(found.upright(IMAGE), expected)
    assert found.size == expected.shape[1::-1]


def test_a_matrix_that_is_a_little_off_is_taken_to_the_nearest_quarter() -> None:
    tilted = [6000, ONE, 0, -ONE, 6000, 0, 0, 0, 1 << 30]
    assert geometry(3, 2, Fraction(1), tilted).rotation_degrees == 90


@pytest.mark.parametrize("matrix", [[], [0] * 9])
def test_no_matrix_turns_nothing(matrix: list[int]) -> None:
    found = geometry(3, 2, Fraction(1), matrix)
    assert (found.size, found.rotation_degrees, found.mirrored) == ((3, 2), 0, False)


def test_the_short_side_of_a_pixel_is_stretched() -> None:
    assert geometry(720, 576, Fraction(16, 15), []).size == (768, 576)
    assert geometry(720, 480, Fraction(8, 9), []).size == (720, 540)
    assert geometry(720, 576, Fraction(16, 15), [0, ONE, 0, -ONE, 0, 0, 0, 0, 1 << 30]).size == (576, 768)


@pytest.mark.parametrize(
    ("said", "used"), [(None, 1), (Fraction(0), 1), (Fraction(16, 11), Fraction(16, 11)), (Fraction(200, 1), 1)]
)
def test_nonsense_about_pixels_is_not_believed(said: Fraction | None, used: Fraction) -> None:
    assert usable_aspect(said) == used
