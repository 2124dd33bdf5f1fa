"""What happens in a scene: where the shape is, how large and how turned, at any instant.

The laws, tested: at a random instant the position, size and angle are distributed the same whatever the motion (a still
frame does not tell it); displacement between successive frames is 1-4 px; opposite motions are each other's time
reversal; the frequency of shaking is no multiple of half the sampling rate. A motion that would leave its range starts
again from the other end, so it never stops and its position stays uniform. Knows nothing of pixels.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

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
