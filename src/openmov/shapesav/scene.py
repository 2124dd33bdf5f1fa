"""What happens in a scene: where the shape is, how large and how turned, at any instant.

The laws, tested: at a random instant the position, size and angle are distributed the same whatever the motion (a still
frame does not tell it); displacement between successive frames is 1-4 px; opposite motions are each other's time
reversal; the frequency of shaking is not a multiple of half the sampling rate. A motion that would leave its range
starts again from the other end, so it never stops and its position stays uniform. Knows nothing of pixels.
"""

import typing
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from jaxtyping import Float64, UInt8
from numba import njit

WORLD_VERSION = 1
"""Goes up whenever the same scene would look or sound different."""

SIZE_PX = 64
RATE_FPS = 25.0
NUM_FRAMES = 50
RATE_HZ = 16_000
SECONDS = NUM_FRAMES / RATE_FPS

CENTRE_RANGE_PX = (22.0, 42.0)
"""Where the shape's centre may be, in x and in y: at its largest it still lies inside the picture."""

RADIUS_RANGE_PX = (9.0, 19.0)
ANGLE_RANGE_RAD = (-0.7, 0.7)
"""About upright: turned further, a square passes for a diamond."""
SHAKE_PX = 3.0
"""Amplitude of shaking."""

_MIDDLE = (NUM_FRAMES - 1) / 2
_AXES = {"moving left": (-1, 0, 0), "moving right": (1, 0, 0), "moving up": (0, -1, 0), "moving down": (0, 1, 0)}
_AXES |= {"growing": (0, 0, 1), "shrinking": (0, 0, -1)}


@dataclass(frozen=True)
class Scene:
    """One clip of the world; everything not named here (place, size, speed, background, pitch) is drawn by the seed."""

    shape: str
    """One of `vocabulary.SHAPES`."""
    colour: str
    """One of `vocabulary.COLOURS`."""
    motion: str
    """One of `vocabulary.MOTIONS`."""
    sound: str
    """One of `vocabulary.SOUNDS`."""
    seed: int
    """Decides the nuisances; the same seed gives the same ones whatever the motion and sound."""
    family: int | None = None
    """Background family (`families`); None for the plain world's backdrop, which says nothing."""


def frame_times() -> Float64[np.ndarray, " time"]:
    """Presentation times of a clip's frames, in seconds."""
    return np.arange(NUM_FRAMES) / RATE_FPS


def poses(scene: Scene, seconds: Float64[np.ndarray, " time"]) -> Float64[np.ndarray, "time 4"]:
    """Centre x, centre y, radius (pixels) and angle (radians, clockwise as seen) of the shape at the given times."""
    rng = np.random.default_rng([scene.seed, 1])
    x, y = rng.uniform(*CENTRE_RANGE_PX, 2)
    radius, angle = rng.uniform(*RADIUS_RANGE_PX), rng.uniform(*ANGLE_RANGE_RAD)
    shift_px, growth_px, rim_px = rng.uniform(1.2, 2.0), rng.uniform(1.2, 1.6), rng.uniform(1.2, 1.8)
    turn, shake_hz, phase = rng.choice([-1, 1]), rng.uniform(3.6, 4.5), rng.uniform(0, 2 * np.pi)

    frames = seconds * RATE_FPS - _MIDDLE  # symmetric about the middle, so that opposites are time reversals
    dx, dy, dr = _AXES.get(scene.motion, (0, 0, 0))
    spin = turn * rim_px / radius if scene.motion == "spinning" else 0.0
    pose = np.stack(
        [
            _again(x + dx * shift_px * frames, CENTRE_RANGE_PX),
            _again(y + dy * shift_px * frames, CENTRE_RANGE_PX),
            _again(radius + dr * growth_px * frames, RADIUS_RANGE_PX),
            _again(angle + spin * frames, ANGLE_RANGE_RAD),
        ],
        axis=1,
    )
    if scene.motion == "shaking":
        pose[:, 0] = _narrowed(x) + SHAKE_PX * np.sin(2 * np.pi * shake_hz * seconds + phase)
    return pose


def _again(values: Float64[np.ndarray, " time"], span: tuple[float, float]) -> Float64[np.ndarray, " time"]:
    """Values that leave the span re-enter it at the other end."""
    low, high = span
    return low + np.mod(values - low, high - low)


def _narrowed(x: float) -> float:
    """Draws the mean place towards the middle, so that a shaken place varies as much as an unshaken one."""
    low, high = CENTRE_RANGE_PX
    width, middle = high - low, (low + high) / 2
    shrink = np.sqrt(1 - 12 * (SHAKE_PX**2 / 2) / width**2)  # variances: width^2 / 12, amplitude^2 / 2
    return float(middle + (x - middle) * shrink)


_Lines: TypeAlias = Float64[np.ndarray, "lines 4"]
"""Segments from (x, y) to (x, y), in pixels."""

_DIRECTIONS = {"moving left": (-1, 0), "moving right": (1, 0), "moving up": (0, -1), "moving down": (0, 1)}
_PLATE_PX = (20, 13)
_WHITE, _INK = 250.0, 20.0


def draw_motion(
    picture: UInt8[np.ndarray, "height width 3"],
    motion: str,
    pose: Float64[np.ndarray, "4"],
    turn: int,
    rng: np.random.Generator,
) -> None:
    """Draws white marks around the shape at `pose` (x, y, radius, angle) in place; `turn` (1 or -1) is for spinning."""
    x, y, radius, _ = pose
    radius = radius * rng.uniform(0.95, 1.1)
    lines = _motion_lines(motion, turn, rng) * radius + np.array([x, y, x, y])
    _draw(picture, lines, rng.uniform(0.6, 0.9), _WHITE)


def draw_sound(picture: UInt8[np.ndarray, "height width 3"], sound: str, rng: np.random.Generator) -> None:
    """Draws a white plate with the sound's wave on it near one of the corners, in place."""
    width, height = _PLATE_PX
    left = int(rng.choice([1, SIZE_PX - width - 3])) + int(rng.integers(0, 3))
    top = int(rng.choice([1, SIZE_PX - height - 3])) + int(rng.integers(0, 3))
    picture[top : top + height, left : left + width] = 245
    along = np.linspace(0, 1, 37)
    up = _wave(sound, along, rng)
    x, y = left + 1.5 + along * (width - 3), top + 2 + (1 - up) * (height - 4)
    _draw(picture, np.stack([x[:-1], y[:-1], x[1:], y[1:]], 1), 0.55, _INK)


def _motion_lines(motion: str, turn: int, rng: np.random.Generator) -> _Lines:
    """Marks around a shape of radius 1 at the origin."""
    if motion in _DIRECTIONS:
        return _towards(np.array(_DIRECTIONS[motion], dtype=np.float64), rng)
    if motion in ("growing", "shrinking"):
        corners = np.array([(1, 1), (1, -1), (-1, 1), (-1, -1)]) / np.sqrt(2)
        inner, outer = rng.uniform(0.65, 0.8), rng.uniform(1.35, 1.55)
        ends = (inner, outer) if motion == "growing" else (outer, inner)
        return np.concatenate([_arrow(corner * ends[0], corner * ends[1]) for corner in corners])
    if motion == "spinning":
        start = rng.uniform(0, 2 * np.pi)
        return np.concatenate([_round_arrow(start + k * np.pi, turn) for k in range(2)])
    sway = np.array([0.9, 0.0]) * rng.uniform(0.9, 1.1)
    bars = [_line(x, -0.6, x, 0.6) for x in (-1.35, -1.1, 1.1, 1.35)]
    return np.concatenate([_arrow(-sway, sway), _arrow(sway, -sway), *bars])


def _towards(way: Float64[np.ndarray, "2"], rng: np.random.Generator) -> _Lines:
    """An arrow across the shape, three speed lines behind it, or both."""
    aside, parts = np.array([-way[1], way[0]]), []
    style = rng.choice(["arrow", "speed lines", "both"])
    if style != "arrow":
        for offset in (-0.6, 0.0, 0.6):
            ends = [aside * offset - way * back for back in (0.95, rng.uniform(1.6, 2.0))]
            parts.append(_line(*ends[0], *ends[1]))
    if style != "speed lines" or rng.random() < 0.5:
        parts.append(_arrow(-0.7 * way, 0.9 * way))
    return np.concatenate(parts)


def _line(x0: float, y0: float, x1: float, y1: float) -> _Lines:
    return np.array([[x0, y0, x1, y1]], dtype=np.float64)


def _arrow(tail: Float64[np.ndarray, "2"], tip: Float64[np.ndarray, "2"]) -> _Lines:
    way = (tip - tail) / np.linalg.norm(tip - tail)
    aside = np.array([-way[1], way[0]])
    barbs = [_line(*tip, *(tip - 0.38 * way + side * 0.34 * aside)) for side in (-1, 1)]
    return np.concatenate([_line(*tail, *tip), *barbs])


def _round_arrow(start: float, turn: int) -> _Lines:
    """A third of a circle just outside the shape, ending in barbs."""
    angles = start + turn * np.linspace(0, 2 * np.pi / 3, 9)
    points = 1.18 * np.stack([np.cos(angles), np.sin(angles)], 1)
    arc = np.concatenate([points[:-1], points[1:]], 1)
    return np.concatenate([arc, _arrow(points[-2], points[-1])[1:]])


def _wave(sound: str, along: Float64[np.ndarray, " n"], rng: np.random.Generator) -> Float64[np.ndarray, " n"]:
    """The wave on the plate, from 0 to 1."""
    waves: dict[str, Callable[[], Float64[np.ndarray, " n"]]] = {
        "a low tone": lambda: 0.5 + 0.5 * np.sin(2 * np.pi * along),
        "a high tone": lambda: 0.5 + 0.5 * np.sin(2 * np.pi * 4 * along),
        "a rising tone": lambda: along,
        "a falling tone": lambda: 1 - along,
        "noise": lambda: rng.random(len(along)),
        "a beeping sound": lambda: (np.mod(along * 3, 1) < 0.5).astype(np.float64),
        "a buzzing sound": lambda: np.mod(along * 4, 1),
        "a clicking sound": lambda: (np.mod(np.arange(len(along)), 9) == 4).astype(np.float64),
    }
    return waves[sound]()


@njit(cache=True)
@typing.no_type_check
def _draw(picture, lines, half_width, value):
    """Draws smooth-edged segments of one brightness in place."""
    height, width = picture.shape[:2]
    for x0, y0, x1, y1 in lines:
        dx, dy = x1 - x0, y1 - y0
        length2 = max(dx * dx + dy * dy, 1e-9)
        for row in range(max(int(min(y0, y1) - 2), 0), min(int(max(y0, y1) + 3), height)):
            for column in range(max(int(min(x0, x1) - 2), 0), min(int(max(x0, x1) + 3), width)):
                px, py = column + 0.5 - x0, row + 0.5 - y0
                along = min(max((px * dx + py * dy) / length2, 0.0), 1.0)
                away = np.sqrt((px - along * dx) ** 2 + (py - along * dy) ** 2)
                opaque = min(max(half_width + 0.5 - away, 0.0), 1.0)
                for c in range(3):
                    old = picture[row, column, c]
                    picture[row, column, c] = np.uint8(old + (value - old) * opaque + 0.5)
