"""Spans of sound, against sines whose answer is known."""

import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from jaxtyping import Float32

from openmov.errors import DecodeError
from openmov.media.decode import read_waveform
from openmov.media.encode import write_clip

Any_ = Callable[..., Any]


def noise(seconds: float, rate_hz: int) -> Float32[np.ndarray, "samples"]:
    """Band-limited to a fifth of the rate, so that every resampler keeps it."""
    generator = np.random.default_rng(3)
    spectrum = np.fft.rfft(generator.standard_normal(round(seconds * rate_hz)))
    spectrum[len(spectrum) * 2 // 5 :] = 0
    samples = np.fft.irfft(spectrum, round(seconds * rate_hz))
    return (0.5 * samples / np.abs(samples).max()).astype(np.float32)


@pytest.mark.parametrize("source_rate_hz", [8_000, 16_000, 22_050, 44_100, 48_000])
def test_resampling_keeps_frequency_and_amplitude(
    tmp_path: Path, write_sound: Any_, sine: Any_, source_rate_hz: int
) -> None:
    write_sound(tmp_path / "a.wav", sine(440, 3.0, source_rate_hz)[None], source_rate_hz, "pcm_s16le", "s16")
    waveform = read_waveform(tmp_path / "a.wav", 1.0, 2.0)
    assert waveform is not None
    assert (waveform.rate_hz, waveform.start_seconds, waveform.samples.shape) == (16_000, 1.0, (16_000,))
    # frequency, amplitude and phase at once
    np.testing.assert_allclose(waveform.samples, sine(440, 3.0)[16_000:32_000], atol=2e-3)


def test_channels_are_averaged(tmp_path: Path, write_sound: Any_, sine: Any_) -> None:
    left = sine(440, 1.0)
    for name, right, expected in (("same", left, left), ("silent", 0 * left, left / 2), ("opposite", -left, 0 * left)):
        write_sound(tmp_path / f"{name}.wav", np.stack([left, right]), 16_000, "pcm_s16le", "s16")
        waveform = read_waveform(tmp_path / f"{name}.wav", 0.0, 1.0)
        assert waveform is not None
        np.testing.assert_allclose(waveform.samples, expected, atol=1e-4)


@pytest.mark.parametrize(
    ("codec", "sample_format"),
    [("pcm_u8", "u8"), ("pcm_s16le", "s16"), ("pcm_s32le", "s32"), ("pcm_f32le", "flt"), ("pcm_f64le", "dbl")],
)
def test_every_sample_format_has_full_scale_one(
    tmp_path: Path, write_sound: Any_, sine: Any_, codec: str, sample_format: str
) -> None:
    write_sound(tmp_path / "a.wav", sine(440, 1.0)[None], 16_000, codec, sample_format)
    waveform = read_waveform(tmp_path / "a.wav", 0.0, 1.0)
    assert waveform is not None
    np.testing.assert_allclose(waveform.samples, sine(440, 1.0), atol=1e-2 if sample_format == "u8" else 1e-4)


@pytest.mark.parametrize(
    ("name", "rate_hz", "codec", "sample_format", "channels"),
    [
        ("a.mp4", 44_100, "aac", "fltp", 2),
        ("a.mp4", 16_000, "aac", "fltp", 1),
        ("a.mkv", 44_100, "aac", "fltp", 1),
        ("a.avi", 44_100, "libmp3lame", "fltp", 2),
        ("a.mp3", 44_100, "libmp3lame", "fltp", 1),
        ("a.wav", 44_100, "pcm_s16le", "s16", 1),
        ("a.flac", 48_000, "flac", "s16", 1),
        ("a.ts", 48_000, "aac", "fltp", 1),
    ],
)
def test_a_span_equals_the_same_span_of_everything(
    tmp_path: Path, write_sound: Any_, name: str, rate_hz: int, codec: str, sample_format: str, channels: int
) -> None:
    samples = np.stack([noise(6.0, rate_hz)] * channels)
    write_sound(tmp_path / name, samples, rate_hz, codec, sample_format)
    everything = read_waveform(tmp_path / name, 0.0, 6.0)
    assert everything is not None
    assert np.abs(everything.samples[16_000:80_000]).max() > 0.3
    for start, end in ((0.25, 1.0), (0.75, 2.0), (2.5, 3.0), (4.125, 5.75)):
        part = read_waveform(tmp_path / name, start, end)
        assert part is not None
        whole = everything.samples[round(start * 16_000) : round(end * 16_000)]
        np.testing.assert_allclose(part.samples, whole, atol=1e-3)


def test_only_the_span_is_decoded(
    tmp_path: Path, write_sound: Any_, sine: Any_, monkeypatch: pytest.MonkeyPatch
) -> None:
    from openmov.media.decode import blocks

    seen = []
    mono = blocks._mono
    monkeypatch.setattr(blocks, "_mono", lambda frame: seen.append(frame.samples) or mono(frame))
    write_sound(tmp_path / "a.mp4", sine(440, 60.0)[None], 16_000, "aac", "fltp")
    read_waveform(tmp_path / "a.mp4", 30.0, 31.0)
    assert 16_000 < sum(seen) < 3 * 16_000


def test_outside_the_sound_there_is_silence(tmp_path: Path, numbered_images: Any_, sine: Any_) -> None:
    path = tmp_path / "late.mp4"
    write_clip(path, numbered_images(40), 10.0, sine(500, 1.0), samples_start_seconds=1.0)
    waveform = read_waveform(path, -0.5, 4.5)
    assert waveform is not None
    assert waveform.samples.shape == (80_000,)
    loud = np.sqrt(np.mean(waveform.samples.reshape(-1, 800) ** 2, axis=1)) > 0.1
    starts_at, ends_at = np.flatnonzero(loud)[[0, -1]]
    assert (starts_at, ends_at) == (30, 49)  # in twentieths from -0.5 s: 1.0 to 2.0 s
    assert (waveform.samples[: 16_000 + 6_000] == 0).all()
    assert (waveform.samples[45_000:] == 0).all()
    beyond = read_waveform(path, 100.0, 101.0)
    assert beyond is not None
    assert (beyond.samples == 0).all()


def test_the_length_is_exact(tmp_path: Path, sine: Any_) -> None:
    write_clip(tmp_path / "a.mp4", None, 25.0, sine(500, 1.0))
    for start, end, rate_hz in ((0.1, 0.7, 16_000), (1 / 3, 2 / 3, 16_000), (0.0, 1.0, 11_025), (0.9, 1.2, 48_000)):
        waveform = read_waveform(tmp_path / "a.mp4", start, end, rate_hz)
        assert waveform is not None
        assert waveform.samples.shape == (round((end - start) * rate_hz),)


def test_samples_stay_within_one(tmp_path: Path, write_sound: Any_, sine: Any_) -> None:
    loud = 4 * sine(440, 1.0)
    loud[100] = np.nan
    write_sound(tmp_path / "a.wav", loud[None], 16_000, "pcm_f32le", "flt")
    waveform = read_waveform(tmp_path / "a.wav", 0.0, 1.0)
    assert waveform is not None
    assert waveform.samples.max() == 1.0
    assert waveform.samples.min() == -1.0


def test_a_file_without_sound_has_none(tmp_path: Path, numbered_images: Any_) -> None:
    write_clip(tmp_path / "a.mp4", numbered_images(3), 25.0, None)
    assert read_waveform(tmp_path / "a.mp4", 0.0, 1.0) is None


def test_a_stream_that_yields_nothing_counts_as_absent(tmp_path: Path) -> None:
    with wave.open(str(tmp_path / "a.wav"), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
    assert read_waveform(tmp_path / "a.wav", 0.0, 1.0) is None


def test_spans_that_are_none_are_refused(tmp_path: Path, sine: Any_) -> None:
    write_clip(tmp_path / "a.mp4", None, 25.0, sine(500, 1.0))
    for start, end in ((1.0, 1.0), (2.0, 1.0), (float("nan"), 1.0), (0.0, float("inf"))):
        with pytest.raises(ValueError, match="span"):
            read_waveform(tmp_path / "a.mp4", start, end)
    with pytest.raises(DecodeError, match="no such file"):
        read_waveform(tmp_path / "b.mp4", 0.0, 1.0)


def test_real_clips_give_the_same_span_as_everything(media_dir: Path) -> None:
    heard = 0
    for path in sorted(media_dir.glob("*.avi")) + sorted(media_dir.glob("*.mp4")):
        everything = read_waveform(path, 0.0, 10.0)
        if everything is None:
            continue
        heard += 1
        assert np.abs(everything.samples).max() > 0.05
        for start in (0.5, 2.25, 3.3125):
            part = read_waveform(path, start, start + 1.0)
            assert part is not None
            whole = everything.samples[round(start * 16_000) :][:16_000]
            np.testing.assert_allclose(part.samples, whole, atol=1e-3)
    assert heard >= 3


def test_a_sound_cut_off_says_how_much_is_missing(tmp_path: Path, sine: Any_, moov_first: Any_) -> None:
    write_clip(tmp_path / "a.mp4", None, 25.0, sine(500, 6.0))
    moov_first(tmp_path / "a.mp4", tmp_path / "whole.mp4")
    data = (tmp_path / "whole.mp4").read_bytes()
    start = data.index(b"mdat")
    (tmp_path / "cut.mp4").write_bytes(data[: start + (len(data) - start) // 2])
    whole = read_waveform(tmp_path / "whole.mp4", 0.0, 6.0)
    cut = read_waveform(tmp_path / "cut.mp4", 0.0, 6.0)
    early = read_waveform(tmp_path / "cut.mp4", 0.0, 2.0)
    late = read_waveform(tmp_path / "cut.mp4", 4.0, 6.0)
    assert whole is not None
    assert cut is not None
    assert early is not None
    assert late is not None
    assert (whole.missing_seconds, early.missing_seconds) == (0.0, 0.0)
    assert cut.missing_seconds == pytest.approx(3.0, abs=0.3)
    assert late.missing_seconds == pytest.approx(2.0, abs=0.3)
    assert np.abs(cut.samples[-16_000:]).max() == 0
    beyond = read_waveform(tmp_path / "whole.mp4", 4.0, 60.0)
    assert beyond is not None
    assert beyond.missing_seconds == 0.0  # nobody promised that


def test_damaged_sound_is_counted(tmp_path: Path, sine: Any_) -> None:
    write_clip(tmp_path / "a.mp4", None, 25.0, sine(500, 4.0))
    with av.open(str(tmp_path / "a.mp4")) as container:
        packets = [packet for packet in container.demux(audio=0) if packet.size]
    data = bytearray((tmp_path / "a.mp4").read_bytes())
    for packet in packets[20:24]:
        data[packet.pos : packet.pos + packet.size] = b"\xff" * packet.size
    (tmp_path / "b.mp4").write_bytes(bytes(data))
    whole, damaged = (read_waveform(tmp_path / name, 0.0, 4.0) for name in ("a.mp4", "b.mp4"))
    assert whole is not None
    assert damaged is not None
    assert whole.num_damaged_packets == 0
    assert 1 <= damaged.num_damaged_packets <= 4
    assert damaged.missing_seconds == 0.0
