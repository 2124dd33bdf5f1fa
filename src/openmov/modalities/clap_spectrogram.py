"""Sound as CLAP hears it: mel power in decibels of ten seconds, shorter sounds repeated and then padded with silence.

    samples -> repeat, pad -> Hann windows -> |FFT|^2 -> mel triangles -> 10 log10

The numbers are those of transformers' ClapFeatureExtractor: `slaney` triangles of unit area (librosa's) for models
without feature fusion, `htk` ones as high as they are (torchaudio's) for models with it. What that extractor draws at
random in a sound longer than ten seconds is not drawn here: such a sound comes in windows, each no longer than that.
Knows nothing of files and networks.
"""

from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Float64
from torch import Tensor

Padding = Literal["repeatpad", "repeat", "pad"]
MelScale = Literal["slaney", "htk"]

_FLOOR = 1e-10
_BREAK_HZ, _HZ_PER_MEL = 1000.0, 200.0 / 3  # Slaney's scale is straight up to 1 kHz, a logarithm above it
_LOG_STEP = 27.0 / np.log(6.4)


@dataclass(frozen=True)
class ClapSound:
    """How one CLAP hears; the defaults are those of every released one."""

    rate_hz: int = 48_000
    """Samples a second."""
    longest_samples: int = 480_000
    """Samples of every spectrogram: ten seconds."""
    hop_samples: int = 480
    """Between two columns."""
    fft_samples: int = 1024
    """Length of the Hann window."""
    mel_bins: int = 64
    """Triangles."""
    lowest_hz: float = 50.0
    """Where the first triangle begins."""
    highest_hz: float = 14_000.0
    """Where the last triangle ends."""
    padding: Padding = "repeatpad"
    """What becomes of a shorter sound: repeated as often as it fits and padded with silence (repeatpad), repeated and
    cut (repeat), or padded alone (pad)."""
    mel_scale: MelScale = "slaney"
    """Whose triangles: librosa's, or torchaudio's."""

    @property
    def columns(self) -> int:
        """Of every spectrogram: 1001 for ten seconds."""
        return 1 + self.longest_samples // self.hop_samples


def clap_spectrogram(samples: Float[Tensor, "batch samples"], sound: ClapSound) -> Float[Tensor, "batch columns bins"]:
    """Decibels of mono samples in [-1, 1] at `sound.rate_hz`, no longer than `sound.longest_samples`.

    Computed in double precision, given in single. Raises ValueError for a sound that is empty or longer.
    """
    if not 0 < samples.shape[1] <= sound.longest_samples:
        what = f"a sound of {samples.shape[1]} samples is not between 1 and {sound.longest_samples}"
        raise ValueError(what)
    window = torch.hann_window(sound.fft_samples, dtype=torch.float64, device=samples.device)
    spectrum = torch.stft(
        padded(samples, sound).double(),
        sound.fft_samples,
        sound.hop_samples,
        window=window,
        center=True,
        pad_mode="reflect",
        return_complex=True,
    )
    power = spectrum.real.square() + spectrum.imag.square()
    mel = _filters(sound).to(samples.device) @ power
    decibels: Tensor = 10.0 * mel.clamp_min(_FLOOR).log10()
    return decibels.transpose(1, 2).float()


def padded(samples: Float[Tensor, "batch samples"], sound: ClapSound) -> Float[Tensor, "batch longest"]:
    """A sound as long as every other, by `sound.padding`."""
    length = samples.shape[1]
    if sound.padding == "repeat":
        times = sound.longest_samples // length + 1
        return samples.repeat(1, times)[:, : sound.longest_samples]
    if sound.padding == "repeatpad":
        samples = samples.repeat(1, sound.longest_samples // length)
    return torch.nn.functional.pad(samples, (0, sound.longest_samples - samples.shape[1]))


@cache
def _filters(sound: ClapSound) -> Float[Tensor, "bins frequencies"]:
    frequencies = np.linspace(0.0, sound.rate_hz // 2, sound.fft_samples // 2 + 1)
    to_mel, to_hz = (_slaney_mel, _slaney_hz) if sound.mel_scale == "slaney" else (_htk_mel, _htk_hz)
    lowest, highest = to_mel(np.array([sound.lowest_hz, sound.highest_hz]))
    edges = to_hz(np.linspace(lowest, highest, sound.mel_bins + 2))
    left, centre, right = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    rising = (frequencies - left) / (centre - left)
    falling = (right - frequencies) / (right - centre)
    triangles = np.minimum(rising, falling).clip(min=0.0)
    if sound.mel_scale == "slaney":
        triangles *= 2.0 / (right - left)  # each of the same area
    return torch.from_numpy(triangles)


def _htk_mel(hertz: Float64[np.ndarray, "n"]) -> Float64[np.ndarray, "n"]:
    return 2595.0 * np.log10(1.0 + hertz / 700.0)


def _htk_hz(mels: Float64[np.ndarray, "n"]) -> Float64[np.ndarray, "n"]:
    return 700.0 * (10.0 ** (mels / 2595.0) - 1.0)


def _slaney_mel(hertz: Float64[np.ndarray, "n"]) -> Float64[np.ndarray, "n"]:
    above = _BREAK_HZ / _HZ_PER_MEL + np.log(np.maximum(hertz, 1e-9) / _BREAK_HZ) * _LOG_STEP
    return np.where(hertz >= _BREAK_HZ, above, hertz / _HZ_PER_MEL)


def _slaney_hz(mels: Float64[np.ndarray, "n"]) -> Float64[np.ndarray, "n"]:
    first = _BREAK_HZ / _HZ_PER_MEL
    return np.where(mels >= first, _BREAK_HZ * np.exp((mels - first) / _LOG_STEP), mels * _HZ_PER_MEL)
