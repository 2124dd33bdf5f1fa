"""Laws of the pictures, measured from the pixels."""

import numpy as np
import pytest

from openmov.shapesav.render import background, distance_table, render_at, render_frames
from openmov.shapesav.scene import NUM_FRAMES, SIZE_PX, Scene
from openmov.shapesav.vocabulary import COLOURS, MOTIONS, SHAPES

SEEDS = range(6)
SHAKEN_EDGE = 0.02 * SIZE_PX * SIZE_PX * NUM_FRAMES
"""Shaking may push a large shape's tip over the edge for an instant."""


def frames(motion: str, seed: int, shape: str = "star") -> np.ndarray:
    return render_frames(Scene(shape, "yellow", motion, "noise", seed))


def foreground(pictures: np.ndarray, seed: int) -> np.ndarray:
    """Where the shape is: what differs from the backdrop."""
    return np.abs(pictures.astype(float) - background(seed)).max(axis=-1) > 12


def centroids(masks: np.ndarray) -> np.ndarray:
    rows, columns = np.mgrid[:SIZE_PX, :SIZE_PX]
    area = masks.sum(axis=(1, 2))
    return np.stack([(masks * columns).sum(axis=(1, 2)) / area, (masks * rows).sum(axis=(1, 2)) / area], axis=1)


def test_frames_are_as_promised() -> None:
    pictures = frames("growing", 0)
    assert pictures.shape == (NUM_FRAMES, SIZE_PX, SIZE_PX, 3)
    assert pictures.dtype == np.uint8


def test_same_scene_same_bytes_other_seed_other_bytes() -> None:
    assert np.array_equal(frames("shaking", 3), frames("shaking", 3))
    assert not np.array_equal(frames("shaking", 3), frames("shaking", 4))


@pytest.mark.parametrize(
    ("motion", "way"),
    [("moving left", (-1, 0)), ("moving right", (1, 0)), ("moving up", (0, -1)), ("moving down", (0, 1))],
)
def test_the_shape_moves_1_to_4_px_a_frame(motion: str, way: tuple[int, int]) -> None:
    for seed in SEEDS:
        moved = np.diff(centroids(foreground(frames(motion, seed), seed)), axis=0)
        along = np.median(moved @ np.array(way))
        assert 0.9 <= along <= 4
        assert abs(np.median(moved @ np.array(way)[::-1])) < 0.2


@pytest.mark.parametrize(("motion", "sign"), [("growing", 1), ("shrinking", -1)])
def test_the_edges_move_1_to_4_px_a_frame(motion: str, sign: int) -> None:
    for seed in SEEDS:
        radius = np.sqrt(foreground(frames(motion, seed, "circle"), seed).sum(axis=(1, 2)) / np.pi)
        assert 0.9 <= sign * np.median(np.diff(radius)) <= 4


@pytest.mark.parametrize("shape", SHAPES)
def test_spinning_shows_on_every_shape(shape: str) -> None:
    """Even on the circle and the ring, whose outline does not change."""
    for seed in SEEDS:
        pictures = frames("spinning", seed, shape).astype(float)
        changed = np.abs(np.diff(pictures, axis=0)).max(axis=-1) > 40
        assert np.median(changed.sum(axis=(1, 2))) >= 4


@pytest.mark.parametrize(
    ("one", "other"), [("moving left", "moving right"), ("moving up", "moving down"), ("growing", "shrinking")]
)
def test_opposite_motions_are_each_other_played_backwards(one: str, other: str) -> None:
    difference = np.abs(frames(one, 5).astype(int) - frames(other, 5)[::-1].astype(int))
    assert difference.max() <= 1
    assert np.abs(frames(one, 5).astype(int) - frames(other, 5).astype(int)).max() > 50


@pytest.mark.parametrize("motion", MOTIONS)
def test_the_backdrop_stands_still_and_the_shape_stays_inside(motion: str) -> None:
    for seed in SEEDS:
        for shape in ("star", "square"):
            masks = foreground(frames(motion, seed, shape), seed)
            assert masks.any(axis=(1, 2)).all()
            inner = masks[:, 1:-1, 1:-1].sum() + (SHAKEN_EDGE if motion == "shaking" else 0)
            assert masks.sum() <= inner + 8 * NUM_FRAMES


def test_every_colour_and_shape_stands_out() -> None:
    instant = np.array([0.5])
    for shape in SHAPES:
        for seed, colour in enumerate(COLOURS):
            picture = render_at(Scene(shape, colour, "spinning", "noise", seed), instant)
            assert foreground(picture, seed).sum() > 40


@pytest.mark.parametrize(("shape", "inside", "outside"), [("circle", (0, 0), (0.9, 0.9)), ("ring", (0, 0.74), (0, 0))])
def test_distances_are_signed(shape: str, inside: tuple[float, float], outside: tuple[float, float]) -> None:
    table = distance_table(shape)
    cell = [tuple(round((value / 1.4 + 1) * (len(table) - 1) / 2) for value in point) for point in (inside, outside)]
    assert table[cell[0]] < -0.2
    assert table[cell[1]] > 0.2


def test_polygon_distance_of_a_square_is_known() -> None:
    """At the centre the nearest edge is 0.8 away; at (1.2, 0) it is 0.4 outside."""
    table, middle = distance_table("square"), 55.5
    assert table[55:57, 55:57].mean() == pytest.approx(-0.8, abs=0.02)
    column = round((1.2 / 1.4) * middle + middle)
    assert table[55:57, column].mean() == pytest.approx(0.4, abs=0.02)
