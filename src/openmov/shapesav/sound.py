"""The sound of a scene: one of eight kinds, with its own pitch, level and noise floor.

Every kind repeats several times within the clip, or never changes, so that any window of a second or more tells it.
Knows nothing of pictures or files.
"""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from jaxtyping import Float32, Float64

from openmov.shapesav.scene import RATE_HZ, SECONDS, Scene

_SWEEP_HZ = (320.0, 2600.0)

_Samples: TypeAlias = Float64[np.ndarray, " samples"]


def render_waveform(scene: Scene) -> Float32[np.ndarray, " samples"]:
    """Two seconds of mono sound at 16 kHz within [-1, 1]; the same scene gives the same samples."""
    rng = np.random.default_rng([scene.seed, 3])
    pitch, level, floor = rng.uniform(0.85, 1.15), rng.uniform(0.15, 0.6), rng.uniform(0.003, 0.02)
    start = rng.uniform(0, 1)
    seconds = np.arange(round(SECONDS * RATE_HZ)) / RATE_HZ
    signal = _KINDS[scene.sound](seconds, pitch, start, rng)
    return np.clip(level * signal + floor * rng.standard_normal(len(seconds)), -1, 1).astype(np.float32)


def _tone(seconds: _Samples, hz: float) -> _Samples:
    wave: _Samples = np.sin(2 * np.pi * hz * seconds)
    return wave


def _sweep(seconds: _Samples, pitch: float, start: float, rising: bool) -> _Samples:
    """Tones gliding through three octaves in 0.75 s / pitch, again and again; falling is rising played backwards."""
    low, high = np.log(_SWEEP_HZ[0]), np.log(_SWEEP_HZ[1])
    along = np.mod(seconds * pitch / 0.75 + start, 1)
    hz = np.exp(low + (high - low) * (along if rising else 1 - along))
    wave: _Samples = np.sin(2 * np.pi * np.cumsum(hz) / RATE_HZ)
    return wave


def _clicks(seconds: _Samples, pitch: float, start: float, rng: np.random.Generator) -> _Samples:
    """6-8 bursts of noise a second, each gone after 15 ms."""
    since = np.mod(seconds * 7 * pitch + start, 1) / (7 * pitch)
    return np.exp(-since / 0.005) * rng.standard_normal(len(seconds))


_KINDS: dict[str, Callable[[_Samples, float, float, np.random.Generator], _Samples]] = {
    "a low tone": lambda t, pitch, start, rng: _tone(t, 260 * pitch),
    "a high tone": lambda t, pitch, start, rng: _tone(t, 2200 * pitch),
    "a rising tone": lambda t, pitch, start, rng: _sweep(t, pitch, start, rising=True),
    "a falling tone": lambda t, pitch, start, rng: _sweep(t, pitch, start, rising=False),
    "noise": lambda t, pitch, start, rng: 0.4 * rng.standard_normal(len(t)),
    "a beeping sound": lambda t, pitch, start, rng: _tone(t, 900 * pitch) * (np.mod(5 * pitch * t + start, 1) < 0.5),
    "a buzzing sound": lambda t, pitch, start, rng: np.mod(130 * pitch * t + start, 1) - 0.5,
    "a clicking sound": lambda t, pitch, start, rng: _clicks(t, pitch, start, rng),
}
