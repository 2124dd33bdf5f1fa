"""The pictures of a scene: a two-toned shape over a still, textured background.

Shapes are signed distance tables, so that one lookup a pixel gives clean edges at any size and angle. An off-centre
dark stripe makes rotation visible even on the circle and the ring, dapples let optical flow see the inside move, a dark
rim keeps the outline visible on every background. There is no motion blur: it would tell the direction in a still.
Knows nothing of sound or files.
"""

import typing
from functools import cache

import numpy as np
from jaxtyping import Float32, Float64, UInt8
from numba import njit

from openmov.shapesav.families import family_pattern
from openmov.shapesav.scene import SIZE_PX, Scene, frame_times, poses

_RGB = {
    "red": (235, 70, 60),
    "green": (90, 215, 90),
    "blue": (80, 140, 255),
    "yellow": (250, 230, 70),
    "purple": (200, 110, 240),
    "orange": (255, 160, 50),
}
_REACH = 1.4
"""Half the side of a distance table, in radii; every shape lies within 1.15."""
_CELLS = 112
_RIM, _STRIPE = 0.38, 0.62
"""Brightness of the outline and of the stripe, relative to the shape."""
_DAPPLES = 9.0
"""Spatial frequency of the dapples, in radians a radius."""


def render_frames(scene: Scene) -> UInt8[np.ndarray, "time height width 3"]:
    """The 50 frames of a scene, RGB, 64 x 64 px; the same scene gives the same bytes."""
    return render_at(scene, frame_times())


def render_at(scene: Scene, seconds: Float64[np.ndarray, " time"]) -> UInt8[np.ndarray, "time height width 3"]:
    """The frames of a scene at any instants, RGB, 64 x 64 px."""
    colour = np.array(_RGB[scene.colour], dtype=np.float32)
    frames: UInt8[np.ndarray, "time height width 3"]
    phases = np.random.default_rng([scene.seed, 4]).uniform(0, 2 * np.pi, 2)
    backdrop = background(scene.seed, scene.family)
    frames = _paint(backdrop, distance_table(scene.shape), colour, phases, poses(scene, seconds))
    return frames


def background(seed: int, family: int | None = None) -> Float32[np.ndarray, "height width 3"]:
    """A mostly grey backdrop of smooth patches and fine grain, 10-170; in a family, with its tint and grating."""
    rng = np.random.default_rng([seed, 2])
    smooth, coarse = _enlarge(5), _enlarge(32)
    patches = rng.uniform(30, 135, (5, 5)) + rng.uniform(-18, 18, (3, 5, 5))
    grain = coarse @ rng.normal(0, 11, (32, 32)) @ coarse.T + rng.normal(0, 4, (SIZE_PX, SIZE_PX))
    picture = np.moveaxis(smooth @ patches @ smooth.T + grain, 0, -1)
    if family is not None:
        picture = picture + family_pattern(family, np.random.default_rng([seed, 7]))
    return np.ascontiguousarray(np.clip(picture, 10, 170), dtype=np.float32)


@cache
def distance_table(shape: str) -> Float32[np.ndarray, "cells cells"]:
    """Signed distance to the outline of a shape of radius 1, negative inside, over [-1.4, 1.4] both ways (y down)."""
    axis = np.linspace(-_REACH, _REACH, _CELLS)
    x, y = np.meshgrid(axis, axis)
    if shape == "circle":
        distance = np.hypot(x, y) - 1
    elif shape == "ring":
        distance = np.abs(np.hypot(x, y) - 0.74) - 0.26
    else:
        distance = _polygon_distance(np.stack([x, y], -1), _outline(shape))
    return distance.astype(np.float32)


def _outline(shape: str) -> Float64[np.ndarray, "corners 2"]:
    if shape == "star":
        turn, radius = np.arange(10) * np.pi / 5, np.where(np.arange(10) % 2 == 0, 1.15, 0.48)
        return np.stack([radius * np.sin(turn), -radius * np.cos(turn)], 1)
    if shape == "heart":
        t = np.linspace(0, 2 * np.pi, 48, endpoint=False)
        y = 13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t)
        return np.stack([16 * np.sin(t) ** 3, -y - 2], 1) / 15.5
    corners = {
        "square": [(-0.8, -0.8), (0.8, -0.8), (0.8, 0.8), (-0.8, 0.8)],
        "triangle": [(0, -1.15), (1.0, 0.6), (-1.0, 0.6)],
        "diamond": [(0, -1.15), (0.62, 0), (0, 1.15), (-0.62, 0)],
    }
    if shape in corners:
        return np.array(corners[shape], dtype=np.float64)
    arm = np.array([(-0.34, -0.34), (-0.34, -1.05), (0.34, -1.05)])
    quarter = np.array([[0.0, -1.0], [1.0, 0.0]])
    return np.concatenate([arm @ np.linalg.matrix_power(quarter, k).T for k in range(4)])


def _polygon_distance(
    points: Float64[np.ndarray, "height width 2"], corners: Float64[np.ndarray, "corners 2"]
) -> Float64[np.ndarray, "height width"]:
    """Distance to the nearest edge, signed by the even-odd rule."""
    nearest = np.full(points.shape[:2], np.inf)
    inside = np.zeros(points.shape[:2], dtype=bool)
    for start, end in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        edge, offset = end - start, points - start
        along = np.clip(offset @ edge / (edge @ edge), 0, 1)
        nearest = np.minimum(nearest, np.linalg.norm(offset - along[..., None] * edge, axis=-1))
        crosses = (start[1] <= points[..., 1]) != (end[1] <= points[..., 1])
        if edge[1] != 0:
            inside ^= crosses & (points[..., 0] < start[0] + edge[0] * (points[..., 1] - start[1]) / edge[1])
    return np.where(inside, -nearest, nearest)


@cache
def _enlarge(cells: int) -> Float64[np.ndarray, "size cells"]:
    """The matrix that interpolates `cells` values linearly to the picture's side."""
    places = np.linspace(0, cells - 1, SIZE_PX)
    weights: Float64[np.ndarray, "size cells"] = np.maximum(0, 1 - np.abs(places[:, None] - np.arange(cells)))
    return weights


@njit(cache=True)
@typing.no_type_check
def _paint(backdrop, table, colour, phases, pose):
    """Draws one shape at each pose over copies of the backdrop."""
    height, width = backdrop.shape[:2]
    out = np.empty((len(pose), height, width, 3), dtype=np.uint8)
    cells = table.shape[0]
    for k in range(len(pose)):
        cx, cy, radius, angle = pose[k]
        cos, sin = np.cos(angle) / radius, np.sin(angle) / radius
        for row in range(height):
            for column in range(width):
                dx, dy = column + 0.5 - cx, row + 0.5 - cy
                u, v = cos * dx + sin * dy, cos * dy - sin * dx
                opaque, shade = np.float32(0), np.float32(1)
                if abs(u) < _REACH and abs(v) < _REACH:
                    i, j = (v / _REACH + 1) * (cells - 1) / 2, (u / _REACH + 1) * (cells - 1) / 2
                    i0, j0 = min(int(i), cells - 2), min(int(j), cells - 2)
                    p, q = i - i0, j - j0
                    above = table[i0, j0] * (1 - q) + table[i0, j0 + 1] * q
                    below = table[i0 + 1, j0] * (1 - q) + table[i0 + 1, j0 + 1] * q
                    inside_px = -(above * (1 - p) + below * p) * radius
                    opaque = min(max(inside_px + 0.5, 0.0), 1.0)
                    rim = min(max(1.3 - inside_px, 0.0), 1.0)
                    stripe = min(max((0.15 - abs(u - 0.38)) * radius + 0.5, 0.0), 1.0)
                    dapple = 0.5 + 0.5 * np.sin(_DAPPLES * u + phases[0]) * np.sin(_DAPPLES * v + phases[1])
                    shade = min(1 - (1 - _RIM) * rim, 1 - (1 - _STRIPE) * stripe) * (1 - 0.25 * dapple)
                for c in range(3):
                    value = backdrop[row, column, c] * (1 - opaque) + colour[c] * shade * opaque
                    out[k, row, column, c] = np.uint8(value + 0.5)
    return out
