"""Sound: sizes, tones whose rows are known by hand, statistics, windows and masks."""

import numpy as np
import pytest
import torch

from openmov.config.schema import AudioConfig
from openmov.media.sampling import audio_window_positions
from openmov.modalities import audio
from openmov.modalities.audio import (
    audio_image,
    audio_parameters,
    crop_columns,
    log_mel,
    mel_filters,
    normalise_spectrogram,
    pad_columns,
    spec_augment,
    spectrogram,
)

CONFIG = AudioConfig()
RATE_HZ = CONFIG.rate_hz


def tone(hertz: float, seconds: float = 1.0, amplitude: float = 0.5) -> torch.Tensor:
    return (amplitude * torch.sin(2 * torch.pi * hertz * torch.arange(round(seconds * RATE_HZ)) / RATE_HZ)).float()


def noise(seconds: float = 1.0, seed: int = 0) -> torch.Tensor:
    samples = np.random.default_rng(seed).normal(0, 0.1, round(seconds * RATE_HZ))
    return torch.from_numpy(samples.astype(np.float32))


@pytest.mark.parametrize(("samples", "columns"), [(160_000, 998), (16_000, 98), (400, 1), (559, 1), (560, 2), (399, 0)])
def test_only_whole_windows_give_columns(samples: int, columns: int) -> None:
    assert log_mel(torch.zeros(samples), CONFIG).shape == (128, columns)


def test_no_samples_give_no_columns_and_a_picture_of_zeros() -> None:
    assert log_mel(torch.zeros(0), CONFIG).shape == (128, 0)
    assert torch.equal(spectrogram(torch.zeros(0), CONFIG), torch.zeros(128, 1000))


@pytest.mark.parametrize("hertz", [500.0, 1000.0, 4000.0, 7000.0])  # on the FFT's own 31.25 Hz grid
def test_a_tone_is_loudest_in_its_own_filter(hertz: float) -> None:
    loudest = log_mel(tone(hertz), CONFIG).mean(dim=1).argmax().item()
    spacing = (1127 * np.log1p(8000 / 700) - 1127 * np.log1p(20 / 700)) / 129
    expected = (1127 * np.log1p(hertz / 700) - 1127 * np.log1p(20 / 700)) / spacing - 1  # centres at 1, 2, ... spacings
    assert abs(loudest - expected) <= 1


def test_twice_as_loud_is_four_times_the_power() -> None:
    difference = log_mel(2 * noise(), CONFIG) - log_mel(noise(), CONFIG)
    assert torch.allclose(difference, torch.full_like(difference, float(np.log(4))), atol=1e-3)


def test_a_constant_offset_changes_nothing() -> None:
    assert torch.allclose(log_mel(noise() + 0.3, CONFIG), log_mel(noise(), CONFIG), atol=2e-2)


def test_silence_is_at_kaldis_floor() -> None:
    assert log_mel(torch.zeros(1600), CONFIG).unique().tolist() == [pytest.approx(float(np.log(2.0**-23)))]


def test_the_block_size_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = log_mel(noise(3), CONFIG)
    monkeypatch.setattr(audio, "_BLOCK_COLUMNS", 7)
    assert torch.allclose(log_mel(noise(3), CONFIG), whole, atol=1e-5)


def test_filter_3_of_128_is_empty_and_no_other() -> None:
    assert (mel_filters(CONFIG).sum(dim=1) == 0).nonzero().flatten().tolist() == [3]
    assert (mel_filters(AudioConfig(mel_bins=64)).sum(dim=1) > 0).all()


def test_the_empty_row_is_the_mean_of_its_neighbours() -> None:
    mel = log_mel(noise(), CONFIG)
    assert torch.allclose(mel[3], (mel[2] + mel[4]) / 2, atol=1e-5)


def test_runs_of_empty_rows_are_interpolated() -> None:
    config = AudioConfig(mel_bins=256)
    empty = (mel_filters(config).sum(dim=1) == 0).nonzero().flatten().tolist()
    assert empty[:5] == [2, 3, 6, 7, 8]
    mel = log_mel(noise(), config)
    assert torch.allclose(mel[6], mel[5] + (mel[9] - mel[5]) / 4, atol=1e-5)
    assert torch.allclose(mel[8], mel[5] + (mel[9] - mel[5]) * 3 / 4, atol=1e-5)


def test_left_at_the_floor_the_empty_row_would_widen_the_spread(monkeypatch: pytest.MonkeyPatch) -> None:
    samples = torch.cumsum(noise(10), dim=0)  # falling by 6 dB an octave, as real sound roughly does
    filled = log_mel(samples / samples.abs().max(), CONFIG).std()
    monkeypatch.setattr(audio, "_fill_empty_rows", lambda mel, _: mel)
    assert log_mel(samples / samples.abs().max(), CONFIG).std() > 1.2 * filled


def test_normalised_has_mean_0_and_deviation_1() -> None:
    mel = normalise_spectrogram(log_mel(noise(), CONFIG))
    assert mel.mean().item() == pytest.approx(0, abs=1e-5)
    assert mel.std(correction=0).item() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("mel", [torch.zeros(4, 5), torch.full((4, 5), -15.942385), torch.zeros(4, 0)])
def test_a_constant_spectrogram_becomes_zeros(mel: torch.Tensor) -> None:
    assert torch.equal(normalise_spectrogram(mel), torch.zeros_like(mel))


def test_a_nearly_constant_one_does_not() -> None:
    mel = torch.zeros(4, 5)
    mel[0, 0] = 0.01
    assert normalise_spectrogram(mel)[0, 0] == pytest.approx(19**0.5, rel=1e-4)


def test_statistics_are_of_the_real_columns_and_padding_is_0() -> None:
    whole = spectrogram(noise(2), CONFIG)
    assert whole.shape == (128, 1000)
    assert torch.equal(whole[:, 198:], torch.zeros(128, 802))
    assert whole[:, :198].std(correction=0).item() == pytest.approx(1, abs=1e-5)


def test_a_longer_sound_is_kept_whole() -> None:
    whole = spectrogram(noise(12), CONFIG)
    assert whole.shape == (128, 1198)
    assert whole.mean().item() == pytest.approx(0, abs=1e-5)


def test_pad_columns_keeps_what_is_there() -> None:
    mel = torch.ones(2, 3)
    assert pad_columns(mel, 5).tolist() == [[1, 1, 1, 0, 0]] * 2
    assert torch.equal(pad_columns(mel, 2), mel)


def test_crops_reach_both_ends() -> None:
    mel = torch.arange(10.0).repeat(2, 1)
    assert crop_columns(mel, 0.0, 4)[0].tolist() == [0, 1, 2, 3]
    assert crop_columns(mel, 0.5, 4)[0].tolist() == [3, 4, 5, 6]
    assert crop_columns(mel, 1.0, 4)[0].tolist() == [6, 7, 8, 9]
    assert crop_columns(mel, 0.7, 12)[0].tolist() == [*range(10), 0, 0]


def test_the_places_of_twelve_windows_are_spread_over_the_whole_sound() -> None:
    mel = torch.arange(1000.0)[None]
    starts = [crop_columns(mel, position, 800)[0, 0].item() for position in audio_window_positions(12)]
    assert starts == [round(200 * index / 11) for index in range(12)]
    assert crop_columns(mel, audio_window_positions(1)[0], 800)[0, 0] == 100


def test_spec_augment_sets_one_run_of_columns_and_one_of_bins_to_0() -> None:
    mel = torch.ones(128, 800)
    generator = np.random.default_rng(0)
    widths = []
    for _ in range(200):
        masked = spec_augment(mel, generator, 192, 48)
        columns = (masked == 0).all(dim=0)
        bins = (masked == 0).all(dim=1)
        assert torch.equal(masked == 0, columns[None] | bins[:, None])
        for mask in (columns, bins):
            assert mask.int().diff().abs().sum() <= 2  # one run
        widths.append((int(columns.sum()), int(bins.sum())))
    time_widths, bin_widths = zip(*widths, strict=True)
    assert max(time_widths) <= 192
    assert max(bin_widths) <= 48
    assert np.mean(time_widths) == pytest.approx(96, abs=15)
    assert np.mean(bin_widths) == pytest.approx(24, abs=4)


def test_spec_augment_leaves_its_input_and_repeats_with_its_seed() -> None:
    mel = torch.ones(16, 20)
    first, again = (spec_augment(mel, np.random.default_rng(3), 8, 8) for _ in range(2))
    assert torch.equal(first, again)
    assert torch.equal(mel, torch.ones(16, 20))
    assert torch.equal(spec_augment(mel, np.random.default_rng(3), 0, 0), mel)


def test_masks_wider_than_the_picture_are_cut_to_it() -> None:
    generator = np.random.default_rng(0)
    widest = max(int((spec_augment(torch.ones(4, 5), generator, 99, 0) == 0).all(dim=0).sum()) for _ in range(50))
    assert widest == 5


def test_the_picture_is_one_channel_three_times() -> None:
    mel = torch.randn(4, 5, generator=torch.Generator().manual_seed(0))
    image = audio_image(mel)
    assert image.shape == (3, 4, 5)
    assert all(torch.equal(channel, mel) for channel in image)


def test_the_key_covers_what_is_stored_and_no_more() -> None:
    stored = audio_parameters(CONFIG)
    assert audio_parameters(AudioConfig(crop_columns=700, time_mask=0, frequency_mask=0)) == stored
    assert audio_parameters(AudioConfig(mel_bins=64)) != stored
    assert audio_parameters(AudioConfig(total_columns=900)) != stored
