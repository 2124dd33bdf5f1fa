"""Sound of files as people have them: many channels, rare samples, wrong lengths, hours of silence, several tracks."""

import tracemalloc
from pathlib import Path

import av
import numpy as np
import pytest

from odd_media import Sound, Video, later_ts, stairs, tone, write_media, write_wav
from openmov.media.decode import SoundStream, Waveform, check_media, probe, read_waveform


def heard(path: Path, start_seconds: float, end_seconds: float) -> Waveform:
    waveform = read_waveform(path, start_seconds, end_seconds)
    assert waveform is not None
    return waveform


def loudness(path: Path, start_seconds: float, end_seconds: float) -> float:
    return float(np.sqrt(np.mean(heard(path, start_seconds, end_seconds).samples ** 2)))


def end_of(path: Path) -> float:
    audio = probe(path).audio
    assert audio is not None
    return audio.end_seconds


@pytest.mark.parametrize(
    ("name", "codec", "layout", "rate_hz"),
    [
        ("a.mp4", "aac", "7.1", 48_000),
        ("a.mka", "libopus", "7.1", 48_000),
        ("a.flac", "flac", "7.1", 16_000),
        ("a.wv", "wavpack", "5.1.4", 16_000),
        ("a.mka", "pcm_s16le", "7.1.4", 16_000),
        ("a.mka", "aac", "5.1", 48_000),
    ],
)
def test_channels_are_averaged_however_many(tmp_path: Path, name: str, codec: str, layout: str, rate_hz: int) -> None:
    channels = av.AudioLayout(layout).nb_channels
    one, many = (
        tone(1, rate_hz, hz=300),
        np.stack([tone(1, rate_hz, hz=300 if k == 0 else 900) for k in range(channels)]),
    )
    same = write_media(tmp_path / name, Sound(np.stack([one] * channels), rate_hz, codec, layout))
    # the channel for low tones alone loses some of it in AAC and Opus
    assert loudness(same, 0.2, 0.8) == pytest.approx(0.5 / np.sqrt(2), rel=0.2)
    mixed = write_media(tmp_path / f"b{name}", Sound(many, rate_hz, codec, layout))
    spectrum = np.abs(np.fft.rfft(heard(mixed, 0.0, 1.0).samples))
    assert spectrum[300] / spectrum[900] == pytest.approx(1 / (channels - 1), rel=0.25)


@pytest.mark.parametrize("channels", [1, 2, 9, 16, 64])
def test_integers_of_64_bits(tmp_path: Path, channels: int) -> None:
    samples = np.repeat((tone(1).astype(np.float64) * 2**62).astype("<i8")[:, None], channels, 1)
    path = write_wav(tmp_path / "a.wav", samples.tobytes(), rate_hz=16_000, channels=channels, bits=64)
    np.testing.assert_allclose(heard(path, 0.0, 1.0).samples, tone(1) / 2, atol=1e-4)


def test_hours_of_nothing_take_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "a.mka"
    with av.open(str(path), "w", format="matroska") as out:
        stream = out.add_stream("aac", rate=16_000, layout="mono")
        frames = [tone(4)[start : start + 1024] for start in range(0, 63_488, 1024)]
        for number, samples in enumerate(frames):
            frame = av.AudioFrame.from_ndarray(samples[None], format="fltp", layout="mono")
            frame.sample_rate, frame.pts = 16_000, number * 1024
            for packet in stream.encode(frame):
                if packet.pts > 32_000:
                    packet.pts = packet.dts = packet.pts + 16_000 * 36_000
                out.mux(packet)
    tracemalloc.start()
    with SoundStream(path, 0.0, 16_000) as stream:
        spans = [stream.span(float(second), second + 1.0) for second in range(6)]
        late = stream.span(36_002.2, 36_003.0)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20e6
    assert all(span is not None for span in spans)
    assert np.abs(spans[0].samples).max() > 0.4  # type: ignore[union-attr]
    assert not spans[4].samples.any()  # type: ignore[union-attr]
    assert late is not None
    assert np.sqrt(np.mean(late.samples**2)) > 0.3


def test_a_length_guessed_from_the_bit_rate_is_not_believed(tmp_path: Path) -> None:
    path = tmp_path / "a.mp3"
    noise = (0.4 * np.random.default_rng(0).standard_normal(44_100 * 2)).clip(-1, 1).astype(np.float32)
    sound = np.concatenate([np.zeros(44_100 * 2, np.float32), noise])
    with av.open(str(path), "w", format="mp3", options={"write_xing": "0", "id3v2_version": "0"}) as out:
        stream = out.add_stream("libmp3lame", rate=44_100, layout="mono")
        stream.codec_context.options, stream.codec_context.qscale = {"compression_level": "9"}, True
        for start in range(0, len(sound) - 1152, 1152):
            frame = av.AudioFrame.from_ndarray(sound[None, start : start + 1152], format="fltp", layout="mono")
            frame.sample_rate, frame.pts = 44_100, start
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    with av.open(str(path)) as container:
        guess = container.duration / av.time_base
    assert guess > 6  # FFmpeg's
    assert end_of(path) == pytest.approx(4.0, abs=0.1)
    assert check_media(path).faults == ()
    assert heard(path, 0.0, 6.0).missing_seconds == 0


@pytest.mark.parametrize("said", [0xFFFFFFFF, 0xFFFFFF00, 0])
def test_a_size_that_a_stream_could_not_know(tmp_path: Path, said: int) -> None:
    body = (tone(2.01) * 32_767).astype("<i2").tobytes()
    path = write_wav(tmp_path / "a.wav", body, rate_hz=16_000, channels=1, bits=16, said_bytes=said)
    assert check_media(path).faults == ()
    assert loudness(path, 0.5, 1.9) == pytest.approx(0.354, abs=0.01)


def test_joined_ogg_is_heard_to_its_end(tmp_path: Path) -> None:
    parts = [
        write_media(tmp_path / "a.ogg", Sound(tone(0.8, 48_000, level=level), 48_000, "libopus")).read_bytes()
        for level in (0.2, 0.8)
    ]
    (tmp_path / "a.ogg").write_bytes(b"".join(parts))
    assert end_of(tmp_path / "a.ogg") == pytest.approx(1.6, abs=0.06)
    assert loudness(tmp_path / "a.ogg", 0.1, 0.7) == pytest.approx(0.2 / np.sqrt(2), rel=0.1)
    assert loudness(tmp_path / "a.ogg", 1.0, 1.5) == pytest.approx(0.8 / np.sqrt(2), rel=0.1)


def test_joined_pieces_of_sound_are_heard_in_order(tmp_path: Path) -> None:
    parts = [
        write_media(tmp_path / "a.ts", Sound(tone(2, 48_000, level=level), 48_000, "mp2")).read_bytes()
        for level in (0.2, 0.8)
    ]
    (tmp_path / "a.ts").write_bytes(parts[0] + later_ts(parts[1], 90_000 * 7200))
    assert end_of(tmp_path / "a.ts") == pytest.approx(4.0, abs=0.1)
    assert loudness(tmp_path / "a.ts", 2.5, 3.5) == pytest.approx(0.8 / np.sqrt(2), rel=0.1)


def test_the_default_track_is_heard(tmp_path: Path) -> None:
    flags = av.stream.Disposition
    quiet, main = Sound(0 * tone(2), disposition=0), Sound(tone(2, hz=2000), disposition=flags.default)
    assert loudness(write_media(tmp_path / "a.mkv", Video(stairs(50)), quiet, main), 0.0, 2.0) > 0.2
    described = Sound(tone(2, hz=200), disposition=flags.visual_impaired)
    path = write_media(tmp_path / "b.mkv", Video(stairs(50)), described, main)
    assert np.abs(np.fft.rfft(heard(path, 0.5, 1.5).samples)).argmax() == 2000
    only = write_media(tmp_path / "c.mkv", Video(stairs(50)), described)
    assert np.abs(np.fft.rfft(heard(only, 0.5, 1.5).samples)).argmax() == 200
