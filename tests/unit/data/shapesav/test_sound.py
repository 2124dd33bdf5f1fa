"""Laws of the sounds, measured from their spectra."""

import numpy as np
import pytest

from openmov.shapesav.scene import RATE_HZ, Scene
from openmov.shapesav.sound import render_waveform
from openmov.shapesav.vocabulary import SOUNDS

SEEDS = range(12)


def wave(sound: str, seed: int) -> np.ndarray:
    return render_waveform(Scene("star", "red", "growing", sound, seed))


def peaks_hz(samples: np.ndarray) -> np.ndarray:
    """The strongest frequency in successive windows of 32 ms."""
    windows = samples[: len(samples) // 512 * 512].reshape(-1, 512) * np.hanning(512)
    return np.abs(np.fft.rfft(windows, axis=1)).argmax(axis=1) * RATE_HZ / 512


def loudness(samples: np.ndarray) -> np.ndarray:
    """Root mean square in successive windows of 10 ms."""
    return np.sqrt((samples.reshape(-1, 160) ** 2).mean(axis=1))


@pytest.mark.parametrize("sound", SOUNDS)
def test_two_seconds_within_one_the_same_every_time(sound: str) -> None:
    samples = wave(sound, 1)
    assert samples.shape == (2 * RATE_HZ,)
    assert samples.dtype == np.float32
    assert np.abs(samples).max() <= 1
    assert np.array_equal(samples, wave(sound, 1))
    assert not np.array_equal(samples, wave(sound, 2))


def test_low_is_lower_than_high_whatever_the_seed() -> None:
    low = [np.median(peaks_hz(wave("a low tone", seed))) for seed in SEEDS]
    high = [np.median(peaks_hz(wave("a high tone", seed))) for seed in SEEDS]
    assert max(low) < 400
    assert min(high) > 1500


@pytest.mark.parametrize(("sound", "sign"), [("a rising tone", 1), ("a falling tone", -1), ("a low tone", 0)])
def test_any_window_of_1_2_s_tells_rising_from_falling(sound: str, sign: int) -> None:
    for seed in SEEDS:
        for start in (0, 4000, 12800):
            steps = np.diff(peaks_hz(wave(sound, seed)[start : start + 19200]))
            up, down = np.mean(steps > 0), np.mean(steps < 0)
            assert (up - down > 0.5) if sign == 1 else (down - up > 0.5) if sign == -1 else abs(up - down) < 0.2


def test_beeping_pauses_and_tones_do_not() -> None:
    for seed in SEEDS:
        beeps, tone = loudness(wave("a beeping sound", seed)), loudness(wave("a high tone", seed))
        assert np.mean(beeps < beeps.max() / 4) > 0.3
        assert np.mean(tone < tone.max() / 4) == 0


def test_clicks_are_short_and_noise_is_steady() -> None:
    for seed in SEEDS:
        clicks, noise = loudness(wave("a clicking sound", seed)), loudness(wave("noise", seed))
        assert np.mean(clicks > clicks.max() / 3) < 0.3
        assert noise.min() > noise.max() / 2


def test_buzzing_has_overtones() -> None:
    for seed in SEEDS:
        spectrum = np.abs(np.fft.rfft(wave("a buzzing sound", seed)))
        base = spectrum[200:310].argmax() + 200  # half-hertz bins: 100-155 Hz
        assert spectrum[2 * base - 3 : 2 * base + 4].max() > 0.3 * spectrum[base]
