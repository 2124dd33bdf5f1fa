"""A stream gives what read_frames and read_frame_pairs give, in one walk."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from openmov.errors import DecodeError
from openmov.media.decode import FrameStream, read_frame_pairs, read_frames
from openmov.media.encode import write_clip

Any_ = Any


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory, numbered_images: Any_) -> Path:
    """200 pictures, 20 a second, a keyframe every 10."""
    path = tmp_path_factory.mktemp("stream") / "clip.mp4"
    write_clip(path, numbered_images(200), 20.0, None, keyframe_interval=10)
    return path


def streamed(path: Path, times: Any_, gap: float | None = None) -> tuple[list[Any_], FrameStream]:
    with FrameStream(path, times, min_gap_seconds=gap) as stream:
        return list(stream), stream


@pytest.mark.parametrize("step", [0.01, 0.05, 0.13, 0.9, 3.3])
def test_frames_are_those_of_read_frames(clip: Path, step: float) -> None:
    times = np.arange(0.02, 10.0, step)
    found, stream = streamed(clip, times.tolist())
    expected = read_frames(clip, times)
    np.testing.assert_array_equal(np.stack([frame.image for frame in found]), expected.images)
    np.testing.assert_array_equal([frame.time_seconds for frame in found], expected.times_seconds)
    assert stream.num_decoded <= 202


@pytest.mark.parametrize("step", [0.05, 0.31, 3.3])
def test_pairs_are_those_of_read_frame_pairs(clip: Path, step: float) -> None:
    times = np.arange(0.0, 10.0, step)
    found, _ = streamed(clip, times.tolist(), 0.02)
    expected = read_frame_pairs(clip, times, min_gap_seconds=0.02)
    for side, frames in ((0, expected.first), (1, expected.second)):
        np.testing.assert_array_equal(np.stack([frame.pair[side] for frame in found]), frames.images)


def test_times_far_apart_are_reached_by_keyframes(clip: Path) -> None:
    _, sparse = streamed(clip, [0.0, 4.0, 9.0])
    _, dense = streamed(clip, [0.0, 1.0, 2.0, 3.0, 4.0])
    assert sparse.num_decoded < 50
    assert dense.num_decoded >= 80  # close ones by decoding on, each picture once
    assert dense.num_decoded <= 90


def test_times_after_the_end_show_the_last_picture(clip: Path, numbers_of: Any_) -> None:
    found, stream = streamed(clip, [9.96, 12.0, 60.0])
    assert numbers_of(np.stack([frame.image for frame in found])) == [199, 199, 199]
    assert stream.missing_seconds == 0.0


def test_a_file_that_breaks_off_ends_the_stream_there(
    clip: Path, tmp_path: Path, moov_first: Any_, numbers_of: Any_
) -> None:
    moov_first(clip, tmp_path / "whole.mp4")
    data = (tmp_path / "whole.mp4").read_bytes()
    (tmp_path / "half.mp4").write_bytes(data[: len(data) * 6 // 10])
    found, stream = streamed(tmp_path / "half.mp4", np.arange(0.0, 10.0, 0.5).tolist())
    held = stream.held_seconds
    assert held is not None
    assert 2.0 < held < 8.0
    assert stream.missing_seconds == pytest.approx(10.0 - held, abs=0.01)
    assert numbers_of(np.stack([frame.image for frame in found])) == [10 * i for i in range(len(found))]
    assert len(found) == int(np.ceil(held / 0.5))


def test_one_picture(tmp_path: Path, numbered_images: Any_) -> None:
    write_clip(tmp_path / "one.mp4", numbered_images(1), 10.0, None)
    ((frame,), _) = streamed(tmp_path / "one.mp4", [0.0], 0.02)
    np.testing.assert_array_equal(*frame.pair)


def test_a_file_without_pictures_is_refused(tmp_path: Path, sine: Any_) -> None:
    write_clip(tmp_path / "sound.mp4", None, 10.0, sine(440, 1.0))
    with pytest.raises(DecodeError, match="no video stream"):
        FrameStream(tmp_path / "sound.mp4", [0.0])


def test_no_more_pictures_are_held_for_a_longer_video(clip: Path) -> None:
    with FrameStream(clip, np.arange(0.0, 10.0, 0.05).tolist(), min_gap_seconds=0.02) as stream:
        waiting = [len(stream._waiting) for _ in stream]
    assert max(waiting) <= 2
