"""Log-mel against two independent implementations: transformers' numpy one, and Kaldi's definition sum by sum."""

import numpy as np
import pytest
import torch
from transformers.audio_utils import mel_filter_bank, window_function
from transformers.audio_utils import spectrogram as transformers_spectrogram

from openmov.config.schema import AudioConfig
from openmov.modalities.audio import log_mel, mel_filters

FLOOR = 2.0**-23


def sound(seconds: float) -> np.ndarray:
    """A rising tone over noise over a constant offset."""
    times = np.arange(round(seconds * 16_000)) / 16_000
    hiss = np.random.default_rng(0).normal(0, 0.02, len(times))
    return (0.3 * np.sin(2 * np.pi * (200 + 900 * times) * times) + hiss + 0.05).astype(np.float32)


@pytest.mark.parametrize("bins", [64, 80, 128])
@pytest.mark.filterwarnings("ignore:At least one mel filter")
def test_equals_transformers(bins: int) -> None:
    samples = sound(3)
    filters = mel_filter_bank(
        257, bins, 20, 8000, 16_000, norm=None, mel_scale="kaldi", triangularize_in_mel_space=True
    )
    expected = transformers_spectrogram(
        samples - samples.mean(),
        window_function(400, "hamming", periodic=False),
        frame_length=400,
        hop_length=160,
        fft_length=512,
        power=2.0,
        center=False,
        preemphasis=0.97,
        remove_dc_offset=True,
        mel_filters=filters,
        log_mel="log",
        mel_floor=FLOOR,
    )
    config = AudioConfig(mel_bins=bins)
    ours = log_mel(torch.from_numpy(samples), config).numpy()
    full = filters.sum(axis=0) > 0
    assert full.sum() == (127 if bins == 128 else bins)
    assert np.abs(mel_filters(config).numpy() - filters.T).max() < 1e-6
    assert ours.shape == expected.shape
    assert np.abs(ours - expected)[full].max() < 2e-3


@pytest.mark.parametrize("window", ["hann", "povey"])
@pytest.mark.filterwarnings("ignore:At least one mel filter")
def test_another_window_is_not_equal(window: str) -> None:
    samples = sound(1)
    filters = mel_filter_bank(257, 64, 20, 8000, 16_000, norm=None, mel_scale="kaldi", triangularize_in_mel_space=True)
    other = transformers_spectrogram(
        samples - samples.mean(),
        window_function(400, window, periodic=False),
        frame_length=400,
        hop_length=160,
        fft_length=512,
        power=2.0,
        center=False,
        preemphasis=0.97,
        remove_dc_offset=True,
        mel_filters=filters,
        log_mel="log",
        mel_floor=FLOOR,
    )
    assert np.abs(log_mel(torch.from_numpy(samples), AudioConfig(mel_bins=64)).numpy() - other).max() > 0.1


def test_equals_the_definition_sum_by_sum() -> None:
    samples = sound(0.06).astype(np.float64)
    samples -= samples.mean()
    ours = log_mel(torch.from_numpy(sound(0.06)), AudioConfig(mel_bins=64)).numpy()
    assert ours.shape == (64, 4)
    for column in range(4):
        expected = _column_by_definition(samples[160 * column : 160 * column + 400], bins=64)
        assert np.abs(ours[:, column] - expected).max() < 2e-3


def _column_by_definition(frame: np.ndarray, bins: int) -> np.ndarray:
    """Kaldi's feature-fbank in plain sums: a cosine and a sine a frequency, a triangle a filter."""
    frame = frame - frame.mean()
    emphasised = [sample - 0.97 * frame[max(0, n - 1)] for n, sample in enumerate(frame)]
    windowed = [x * (0.54 - 0.46 * np.cos(2 * np.pi * n / 399)) for n, x in enumerate(emphasised)]
    angles = 2 * np.pi * np.arange(400) / 512
    power = [
        np.sum(windowed * np.cos(k * angles)) ** 2 + np.sum(windowed * np.sin(k * angles)) ** 2 for k in range(256)
    ]

    def mel(hertz: float) -> float:
        return float(1127 * np.log(1 + hertz / 700))

    step = (mel(8000) - mel(20)) / (bins + 1)
    energies = []
    for index in range(bins):
        centre = mel(20) + (index + 1) * step
        energies.append(sum(power[k] * max(0.0, 1 - abs(mel(k * 31.25) - centre) / step) for k in range(256)))
    return np.log(np.maximum(energies, FLOOR))
