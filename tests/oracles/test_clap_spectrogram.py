"""CLAP's spectrograms and PE-AV's waveforms against transformers' own feature extractors."""

import numpy as np
import pytest
import torch
from transformers import ClapFeatureExtractor, PeAudioFeatureExtractor

from openmov.modalities.clap_spectrogram import ClapSound, clap_spectrogram
from openmov.model.backbones.pe_av import mirrored

RATE = 48_000


def sound(seconds: float, seed: int = 0) -> np.ndarray:
    """A chirp under noise, as loud as recordings are."""
    time = np.arange(round(seconds * RATE)) / RATE
    noise = np.random.default_rng(seed).normal(size=len(time))
    return (0.3 * np.sin(2 * np.pi * (200 + 900 * time) * time) + 0.05 * noise).astype(np.float32)


def extractor(**more: object) -> ClapFeatureExtractor:
    return ClapFeatureExtractor(frequency_min=50, frequency_max=14_000, **more)


def ours(samples: np.ndarray, form: ClapSound) -> np.ndarray:
    return clap_spectrogram(torch.from_numpy(samples)[None], form)[0].numpy()


@pytest.mark.parametrize("seconds", [0.02, 0.7, 3.0, 9.99, 10.0])
def test_without_fusion(seconds: float) -> None:
    theirs = extractor(truncation="rand_trunc")(sound(seconds), sampling_rate=RATE, return_tensors="np")
    found = ours(sound(seconds), ClapSound())
    assert found.shape == (1001, 64)
    np.testing.assert_allclose(found, theirs["input_features"][0, 0], atol=1e-4, rtol=1e-5)


@pytest.mark.parametrize("seconds", [0.7, 10.0])
def test_with_fusion_each_of_the_four_is_the_whole(seconds: float) -> None:
    theirs = extractor(truncation="fusion")(sound(seconds), sampling_rate=RATE, return_tensors="np")
    found = ours(sound(seconds), ClapSound(mel_scale="htk"))
    assert theirs["is_longer"].tolist() == [[True]]  # though it is not: the only one of its batch
    for one in theirs["input_features"][0]:
        np.testing.assert_allclose(found, one, atol=1e-4, rtol=1e-5)
    other = ours(sound(seconds), ClapSound())
    assert np.abs(found - other).max() > 1  # the two scales are far from each other


@pytest.mark.parametrize("padding", ["repeatpad", "repeat", "pad"])
def test_shorter_sounds(padding: str) -> None:
    theirs = extractor(truncation="rand_trunc", padding=padding)(sound(3.0), sampling_rate=RATE, return_tensors="np")
    found = ours(sound(3.0), ClapSound(padding=padding))  # type: ignore[arg-type]
    np.testing.assert_allclose(found, theirs["input_features"][0, 0], atol=1e-4, rtol=1e-5)


def test_a_window_of_a_longer_sound_is_one_of_those_that_are_drawn_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """The extractor cuts ten seconds out at random; at the place that it drew, ours are the same."""
    whole = sound(13.0)
    monkeypatch.setattr(np.random, "randint", lambda low, high: 96_000)
    theirs = extractor(truncation="rand_trunc")(whole, sampling_rate=RATE, return_tensors="np")
    found = ours(whole[96_000 : 96_000 + 480_000], ClapSound())
    np.testing.assert_allclose(found, theirs["input_features"][0, 0], atol=1e-4, rtol=1e-5)


def test_silence_is_the_floor_and_never_minus_infinity() -> None:
    assert set(ours(np.zeros(100, np.float32), ClapSound()).flatten().tolist()) == {-100.0}


def test_what_is_no_window_is_refused() -> None:
    for samples in (0, 480_001):
        with pytest.raises(ValueError, match=f"a sound of {samples} samples is not between 1 and 480000"):
            clap_spectrogram(torch.zeros(1, samples), ClapSound())


@pytest.mark.parametrize("samples", [1, 2, 900, 1920, 1921, 50_000])
def test_pe_av_hears_sounds_mirrored_at_their_end(samples: int) -> None:
    wave = sound(2.0)[:samples]
    theirs = PeAudioFeatureExtractor()(wave, sampling_rate=RATE, return_tensors="np")["input_values"][0, 0]
    np.testing.assert_array_equal(mirrored(torch.from_numpy(wave)[None])[0].numpy(), theirs)
