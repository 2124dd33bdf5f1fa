"""What write_clip writes, read back with PyAV itself so that these tests do not lean on our decoder."""

import errno
import os
from pathlib import Path

import av
import numpy as np
import pytest
from jaxtyping import Float32, UInt8

from openmov.errors import StorageError
from openmov.media.encode import write_clip


def grey_images(num_frames: int, size: int = 32) -> UInt8[np.ndarray, "time height width 3"]:
    """Frame n is one flat grey of level 5 n."""
    levels = (np.arange(num_frames) * 5).astype(np.uint8)
    return np.broadcast_to(levels[:, None, None, None], (num_frames, size, size, 3)).copy()


def sine(frequency_hz: float, seconds: float, rate_hz: int = 16_000) -> Float32[np.ndarray, "samples"]:
    return (0.5 * np.sin(2 * np.pi * frequency_hz * np.arange(round(seconds * rate_hz)) / rate_hz)).astype(np.float32)


def decoded_frames(path: Path) -> list[tuple[float, float]]:
    """The time and the mean level of every frame."""
    with av.open(str(path)) as container:
        return [(frame.time, frame.to_ndarray(format="rgb24").mean()) for frame in container.decode(video=0)]


def test_pictures_sound_and_times_survive(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    write_clip(path, grey_images(20), 10.0, sine(500, 2.0))
    frames = decoded_frames(path)
    np.testing.assert_allclose([time for time, _ in frames], np.arange(20) / 10, atol=1e-4)
    np.testing.assert_allclose([level for _, level in frames], np.arange(20) * 5, atol=1.6)
    with av.open(str(path)) as container:
        assert {stream.codec_context.name for stream in container.streams} == {"h264", "aac"}
        samples = np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])[:32_000]
    spectrum = np.abs(np.fft.rfft(samples))
    assert np.argmax(spectrum) / 2.0 == 500
    assert spectrum.max() / len(samples) * 2 == pytest.approx(0.5, abs=0.02)


def test_colours_are_not_swapped(tmp_path: Path) -> None:
    images = np.zeros((3, 32, 32, 3), np.uint8)
    images[...] = (200, 60, 30)
    write_clip(tmp_path / "clip.mp4", images, 10.0, None)
    with av.open(str(tmp_path / "clip.mp4")) as container:
        image = next(container.decode(video=0)).to_ndarray(format="rgb24")
    np.testing.assert_allclose(image.reshape(-1, 3).mean(axis=0), (200, 60, 30), atol=4)


def test_frames_stand_at_the_times_asked_for(tmp_path: Path) -> None:
    times = [0.0, 0.1, 0.15, 0.9, 1.0]
    write_clip(tmp_path / "clip.mp4", grey_images(5), 25.0, sine(500, 1.0), times_seconds=times)
    np.testing.assert_allclose([time for time, _ in decoded_frames(tmp_path / "clip.mp4")], times, atol=1e-4)


def test_sound_only_and_pictures_only(tmp_path: Path) -> None:
    write_clip(tmp_path / "sound.mp4", None, 25.0, sine(500, 0.5))
    write_clip(tmp_path / "pictures.mp4", grey_images(3), 25.0, None)
    with av.open(str(tmp_path / "sound.mp4")) as sound, av.open(str(tmp_path / "pictures.mp4")) as pictures:
        assert [stream.type for stream in sound.streams] == ["audio"]
        assert [stream.type for stream in pictures.streams] == ["video"]


def test_the_same_arrays_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a.mp4", "b.mp4"):
        write_clip(tmp_path / name, grey_images(5), 25.0, sine(500, 0.5))
    write_clip(tmp_path / "other.mp4", grey_images(6), 25.0, sine(500, 0.5))
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()
    assert (tmp_path / "a.mp4").read_bytes() != (tmp_path / "other.mp4").read_bytes()


def test_keyframes_come_as_often_as_asked(tmp_path: Path) -> None:
    write_clip(tmp_path / "clip.mp4", grey_images(20), 25.0, None, keyframe_interval=5)
    with av.open(str(tmp_path / "clip.mp4")) as container:
        keys = [frame.pts for frame in container.decode(video=0) if frame.key_frame]
    steps = np.diff([*keys, 20 * 3600]) / 3600
    assert len(keys) >= 4
    assert steps.max() <= 5


@pytest.mark.parametrize(
    ("images", "times"),
    [
        (np.zeros((0, 32, 32, 3), np.uint8), None),
        (np.zeros((2, 31, 32, 3), np.uint8), None),
        (np.zeros((2, 32, 32, 3), np.uint8), [0.1, 0.1]),
        (np.zeros((2, 32, 32, 3), np.uint8), [-0.1, 0.1]),
        (np.zeros((2, 32, 32, 3), np.uint8), [0.1]),
        (None, None),
    ],
    ids=["no frame", "odd height", "equal times", "negative time", "too few times", "nothing"],
)
def test_refuses_what_no_file_can_hold(
    tmp_path: Path, images: UInt8[np.ndarray, "time height width 3"] | None, times: list[float] | None
) -> None:
    with pytest.raises(ValueError, match=r"images|times_seconds|nothing"):
        write_clip(tmp_path / "clip.mp4", images, 25.0, None, times_seconds=times)
    assert list(tmp_path.iterdir()) == []


def test_a_refused_disk_is_a_storage_error_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(source: Path, target: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(StorageError, match="no space"):
        write_clip(tmp_path / "clip.mp4", grey_images(3), 25.0, None)
    assert list(tmp_path.iterdir()) == []
