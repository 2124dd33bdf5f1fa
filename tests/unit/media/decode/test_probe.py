"""What a file is said to hold, and what is refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from openmov.errors import DecodeError
from openmov.media.decode import probe, read_frames, read_waveform
from openmov.media.encode import write_clip

Any_ = Callable[..., Any]


def test_streams_sizes_and_spans(tmp_path: Path, numbered_images: Any_, sine: Any_) -> None:
    write_clip(tmp_path / "a.mp4", numbered_images(50, 64, 48), 25.0, sine(500, 3.0))
    info = probe(tmp_path / "a.mp4")
    assert info.video is not None
    assert info.audio is not None
    assert (info.video.width, info.video.height, info.video.codec) == (64, 48, "h264")
    assert info.video.rate_fps == pytest.approx(25)
    assert (info.video.start_seconds, info.video.rotation_degrees) == (0, 0)
    assert info.video.end_seconds == pytest.approx(2.0, abs=0.01)
    assert (info.audio.rate_hz, info.audio.channels, info.audio.codec) == (16_000, 1, "aac")
    assert info.audio.end_seconds == pytest.approx(3.0, abs=0.1)
    assert info.duration_seconds == pytest.approx(3.0, abs=0.1)


def test_a_lacking_stream_is_none(tmp_path: Path, numbered_images: Any_, sine: Any_) -> None:
    write_clip(tmp_path / "sound.mp4", None, 25.0, sine(500, 1.0))
    write_clip(tmp_path / "silent.mp4", numbered_images(5), 25.0, None)
    assert probe(tmp_path / "sound.mp4").video is None
    assert probe(tmp_path / "silent.mp4").audio is None


def test_late_starts_are_on_one_clock(tmp_path: Path, numbered_images: Any_, sine: Any_) -> None:
    times = 1.5 + np.arange(10) / 10
    write_clip(tmp_path / "a.mp4", numbered_images(10), 10.0, sine(500, 2.0), times_seconds=times)
    late_video = probe(tmp_path / "a.mp4")
    write_clip(tmp_path / "b.mp4", numbered_images(10), 10.0, sine(500, 2.0), samples_start_seconds=1.5)
    late_sound = probe(tmp_path / "b.mp4")
    assert late_video.video is not None
    assert late_video.audio is not None
    assert late_sound.video is not None
    assert late_sound.audio is not None
    assert (late_video.video.start_seconds, late_video.audio.start_seconds) == pytest.approx((1.5, 0.0), abs=1e-3)
    # the coder's first 1024 samples, silent, come before
    assert (late_sound.video.start_seconds, late_sound.audio.start_seconds) == pytest.approx((0.0, 1.436), abs=1e-3)


@pytest.mark.parametrize("name", ["a.mkv", "a.ts", "a.avi"])
def test_spans_in_formats_whose_streams_do_not_say(
    tmp_path: Path, numbered_images: Any_, write_video: Any_, name: str
) -> None:
    write_video(tmp_path / name, numbered_images(60), 30, "mpeg4", "yuv420p")
    info = probe(tmp_path / name)
    assert info.video is not None
    assert (info.video.start_seconds, info.video.end_seconds) == pytest.approx((0.0, 2.0), abs=0.05)


def test_sizes_are_those_after_turning(tmp_path: Path, numbered_images: Any_, turn: Any_) -> None:
    write_clip(tmp_path / "a.mp4", numbered_images(5, 64, 48), 25.0, None)
    turn(tmp_path / "a.mp4", 1)
    video = probe(tmp_path / "a.mp4").video
    assert video is not None
    assert (video.width, video.height, video.rotation_degrees) == (48, 64, 90)
    assert read_frames(tmp_path / "a.mp4", [0.0]).images.shape == (1, 64, 48, 3)


SUBTITLES = b"1\n00:00:00,000 --> 00:00:02,000\nhello\n\n2\n00:00:03,000 --> 00:00:04,000\nyou\n"


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("text.mp4", b"this is not a video\n" * 100, "no media file"),
        ("text.txt", b"this is not a video\n" * 100, "no media file"),
        ("empty.mp4", b"", "empty file"),
        ("random.mp4", np.random.default_rng(0).bytes(20_000), "no media file"),
        ("subtitles.mp4", SUBTITLES, "neither pictures nor sound"),
    ],
)
def test_what_is_no_media_file_is_refused_everywhere(tmp_path: Path, name: str, content: bytes, complaint: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DecodeError, match=complaint):
        probe(path)
    with pytest.raises(DecodeError):
        read_frames(path, [0.0])
    if name != "subtitles.mp4":  # a file, if one without sound
        with pytest.raises(DecodeError):
            read_waveform(path, 0.0, 1.0)


def test_missing_files_and_folders(tmp_path: Path) -> None:
    with pytest.raises(DecodeError, match="no such file"):
        probe(tmp_path / "missing.mp4")
    with pytest.raises(DecodeError, match="a folder"):
        probe(tmp_path)


def test_a_file_cut_off_before_its_index_is_refused(tmp_path: Path, numbered_images: Any_) -> None:
    write_clip(tmp_path / "a.mp4", numbered_images(50), 25.0, None)
    data = (tmp_path / "a.mp4").read_bytes()
    (tmp_path / "cut.mp4").write_bytes(data[: len(data) // 2])
    with pytest.raises(DecodeError, match="cut off"):
        probe(tmp_path / "cut.mp4")


@pytest.mark.parametrize(
    "play_list",
    [
        "ffconcat version 1.0\nfile secret.mp4\n",
        "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nsecret.mp4\n#EXT-X-ENDLIST\n",
    ],
    ids=["concat", "hls"],
)
def test_a_play_list_does_not_open_other_files(tmp_path: Path, numbered_images: Any_, play_list: str) -> None:
    write_clip(tmp_path / "secret.mp4", numbered_images(5), 25.0, None)
    for name in ("list.mp4", "list.m3u8", "list.ffconcat"):
        (tmp_path / name).write_text(play_list)
        with pytest.raises(DecodeError):
            probe(tmp_path / name)


def test_a_name_that_looks_like_an_address_or_a_pattern_is_a_file(tmp_path: Path, numbered_images: Any_) -> None:
    for name in ("http:clip.mp4", "100%d.mp4", "clip [1] é.mp4"):
        write_clip(tmp_path / name, numbered_images(5), 25.0, None)
        assert probe(tmp_path / name).video is not None


def test_real_clips_open(media_dir: Path) -> None:
    infos = [probe(path) for path in sorted(media_dir.iterdir()) if path.suffix in (".mp4", ".avi")]
    assert len(infos) >= 6
    assert all(info.video is not None and info.video.end_seconds > 5 for info in infos)
    assert {info.audio is None for info in infos} == {True, False}
