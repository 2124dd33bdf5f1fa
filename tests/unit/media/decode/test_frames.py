"""Pictures at times, from files whose frame n carries the number n."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from openmov.errors import DecodeError
from openmov.media.decode import probe, read_frame_pairs, read_frames
from openmov.media.decode.reader import VideoReader
from openmov.media.encode import write_clip

Any_ = Callable[..., Any]


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory, numbered_images: Any_) -> Path:
    """100 frames, 25 a second, a keyframe at least every 10."""
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    write_clip(path, numbered_images(100), 25.0, None, keyframe_interval=10)
    return path


@pytest.fixture
def num_decoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Gets the number of pictures decoded, once for each reader that was closed."""
    counts: list[int] = []
    leave = VideoReader.__exit__

    def counted(self: VideoReader, *arguments: Any) -> None:
        counts.append(self.num_decoded)
        leave(self, *arguments)

    monkeypatch.setattr(VideoReader, "__exit__", counted)
    return counts


def test_the_picture_on_screen_is_the_last_not_after_the_time(clip: Path, numbers_of: Any_) -> None:
    frames = read_frames(clip, [0.0, 0.039, 0.04, 0.06, 1.0, 3.96])
    assert numbers_of(frames.images) == [0, 0, 1, 1, 25, 99]
    np.testing.assert_allclose(frames.times_seconds, [0, 0, 0.04, 0.04, 1.0, 3.96], atol=1e-6)
    assert (frames.missing_seconds, frames.num_damaged_packets) == (0.0, 0)


def test_times_come_in_any_order_and_repeat(clip: Path, numbers_of: Any_) -> None:
    assert numbers_of(read_frames(clip, [3.0, 0.2, 3.0, 1.0, 0.2]).images) == [75, 5, 75, 25, 5]


def test_outside_the_video_its_first_and_last_pictures_stand(clip: Path, numbers_of: Any_) -> None:
    frames = read_frames(clip, [-5.0, 4.5, 100.0])
    assert numbers_of(frames.images) == [0, 99, 99]
    np.testing.assert_allclose(frames.times_seconds, [0, 3.96, 3.96], atol=1e-6)
    assert frames.missing_seconds == 0.0


def test_every_frame_of_the_file_can_be_had_alone(clip: Path, numbers_of: Any_) -> None:
    for number in range(0, 100, 7):
        assert numbers_of(read_frames(clip, [number / 25]).images) == [number]


def test_only_what_is_needed_is_decoded(clip: Path, num_decoded: list[int]) -> None:
    read_frames(clip, [3.0])
    read_frames(clip, [0.1, 3.0])
    read_frames(clip, np.arange(100) / 25)
    alone, two, everything = num_decoded
    # at most a group of 10, and the decoder's delay
    assert alone <= 15
    assert two <= 30
    assert everything == 100  # each picture once


def test_times_that_are_none_are_refused(clip: Path) -> None:
    for times in ([], [float("nan")], [0.0, float("inf")]):
        with pytest.raises(ValueError, match="times_seconds"):
            read_frames(clip, times)


def test_the_repr_shows_no_data(clip: Path) -> None:
    assert "array" not in repr(read_frames(clip, [0.0]))


def test_variable_frame_rate(tmp_path: Path, numbered_images: Any_, numbers_of: Any_) -> None:
    times = [0.0, 0.1, 0.15, 0.9, 1.0, 2.0, 2.01]
    write_clip(tmp_path / "clip.mp4", numbered_images(7), 25.0, None, times_seconds=times)
    frames = read_frames(tmp_path / "clip.mp4", [0.05, 0.12, 0.5, 0.95, 1.9, 2.005, 2.01])
    assert numbers_of(frames.images) == [0, 1, 2, 3, 4, 5, 6]
    np.testing.assert_allclose(frames.times_seconds, times, atol=1e-4)


def test_a_late_video_keeps_its_distance_from_the_sound(
    tmp_path: Path, numbered_images: Any_, numbers_of: Any_, sine: Any_
) -> None:
    times = 0.5 + np.arange(10) / 10
    write_clip(tmp_path / "clip.mp4", numbered_images(10), 10.0, sine(500, 2.0), times_seconds=times)
    frames = read_frames(tmp_path / "clip.mp4", [0.0, 0.5, 1.0])
    assert numbers_of(frames.images) == [0, 0, 5]
    np.testing.assert_allclose(frames.times_seconds, [0.5, 0.5, 1.0], atol=1e-3)


def test_the_clock_starts_with_the_earliest_stream(tmp_path: Path, numbered_images: Any_, numbers_of: Any_) -> None:
    write_clip(tmp_path / "clip.mp4", numbered_images(10), 10.0, None, times_seconds=2.0 + np.arange(10) / 10)
    frames = read_frames(tmp_path / "clip.mp4", [0.0, 0.5])
    assert numbers_of(frames.images) == [0, 5]


@pytest.mark.parametrize(
    ("name", "codec", "pix_fmt", "options"),
    [
        ("index.avi", "mpeg4", "yuv420p", {"g": "12"}),
        ("b_frames.avi", "mpeg4", "yuv420p", {"g": "12", "bf": "2"}),
        ("milliseconds.mkv", "libx264", "yuv420p", {"g": "12"}),
        ("no_index.ts", "libx264", "yuv420p", {"g": "12"}),
        ("ten_bit.mp4", "libx264", "yuv420p10le", {"g": "12"}),
        ("full_chroma.mp4", "libx264", "yuv444p", {"g": "12"}),
        ("full_range.avi", "mjpeg", "yuvj420p", {}),
        ("grey.mkv", "ffv1", "gray", {}),
        ("rgb.mkv", "ffv1", "bgr0", {}),
    ],
)
def test_containers_and_pixel_formats(
    tmp_path: Path,
    numbered_images: Any_,
    numbers_of: Any_,
    write_video: Any_,
    name: str,
    codec: str,
    pix_fmt: str,
    options: dict[str, str],
) -> None:
    write_video(tmp_path / name, numbered_images(60), 30, codec, pix_fmt, options)
    asked = [0, 2, 7, 29, 30, 31, 47, 58]
    alone = [numbers_of(read_frames(tmp_path / name, [number / 30]).images)[0] for number in asked]
    together = read_frames(tmp_path / name, [number / 30 for number in asked])
    # an AVI does not say when B-frames are shown: FFmpeg is a frame late there
    late = 1 if name == "b_frames.avi" else 0
    assert alone == numbers_of(together.images)
    assert [number + late for number in alone[1:]] == asked[1:]
    assert (np.abs(together.times_seconds - np.array(asked) / 30)[1:] < 1.1e-3).all()


def test_the_matrix_and_range_a_picture_names_are_used(tmp_path: Path) -> None:
    # Y 120, Cb 90, Cr 180 under BT.709 limited and under BT.601 full, worked out by hand from the standards
    for space, colour_range, expected in ((1, 1, (214, 101, 41)), (5, 2, (193, 96, 53))):
        path = tmp_path / f"{space}.mkv"
        with av.open(str(path), "w") as container:
            stream: Any = container.add_stream("ffv1", rate=25)
            stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
            stream.codec_context.colorspace, stream.codec_context.color_range = space, colour_range
            frame = av.VideoFrame(32, 32, "yuv420p")
            for plane, level in zip(frame.planes, (120, 90, 180), strict=True):
                plane.update(bytes([level]) * plane.buffer_size)
            frame.colorspace, frame.color_range, frame.pts, frame.time_base = space, colour_range, 0, Fraction(1, 25)
            container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        pixel = read_frames(path, [0.0]).images[0, 16, 16].astype(int)
        assert np.abs(pixel - expected).max() <= 2


@pytest.mark.parametrize(("aspect", "size"), [(Fraction(4, 3), (64, 64)), (Fraction(3, 4), (64, 48))])
def test_pixels_become_square(tmp_path: Path, write_video: Any_, aspect: Fraction, size: tuple[int, int]) -> None:
    """A disc that is stored as an ellipse of the pixels' shape is round on screen."""
    height, width = 64, 48
    scale_x, scale_y = max(aspect, 1), max(1 / aspect, 1)
    if aspect < 1:
        height, width = 36, 64
    y, x = np.mgrid[:height, :width]
    on_screen = np.hypot((x - width / 2 + 0.5) * float(scale_x), (y - height / 2 + 0.5) * float(scale_y))
    images = np.repeat(np.where(on_screen < 15, 230, 20).astype(np.uint8)[None, ..., None], 3, axis=3)
    write_video(tmp_path / "a.mp4", images, 25, "libx264", "yuv420p", sample_aspect_ratio=aspect)
    image = read_frames(tmp_path / "a.mp4", [0.0]).images[0]
    assert image.shape == (size[1], size[0], 3)
    rows, columns = np.nonzero(image[..., 0] > 125)
    assert np.ptp(rows) + 1 == pytest.approx(30, abs=2)
    assert np.ptp(columns) + 1 == pytest.approx(30, abs=2)
    video = probe(tmp_path / "a.mp4").video
    assert video is not None
    assert (video.width, video.height, video.pixel_aspect) == (*size, pytest.approx(float(aspect)))


@pytest.mark.parametrize("quarters", [0, 1, 2, 3])
@pytest.mark.parametrize("mirror", [False, True])
def test_pictures_stand_upright(tmp_path: Path, turn: Any_, quarters: int, mirror: bool) -> None:
    images = np.full((3, 32, 64, 3), 20, np.uint8)
    images[:, :16, :32] = 230  # bright at the upper left, as stored
    write_clip(tmp_path / "clip.mp4", images, 25.0, None)
    turn(tmp_path / "clip.mp4", quarters, mirror)
    image = read_frames(tmp_path / "clip.mp4", [0.0]).images[0]
    stored = images[0, :, ::-1] if mirror else images[0]
    assert image.shape == ((64, 32, 3) if quarters % 2 else (32, 64, 3))
    assert np.abs(image.astype(int) - np.rot90(stored.astype(int), k=-quarters)).mean() < 3


def test_a_picture_file_is_a_video_of_one_frame(tmp_path: Path, numbered_images: Any_, write_video: Any_) -> None:
    write_video(tmp_path / "one.png", numbered_images(1), 1, "png", "rgb24")
    frames = read_frames(tmp_path / "one.png", [0.0, 3.0])
    np.testing.assert_array_equal(frames.images, numbered_images(1)[[0, 0]])
    pairs = read_frame_pairs(tmp_path / "one.png", [0.0])
    np.testing.assert_array_equal(pairs.first.images, pairs.second.images)


def test_a_file_cut_off_gives_what_it_holds_and_says_so(
    tmp_path: Path, clip: Path, numbers_of: Any_, moov_first: Any_
) -> None:
    whole, cut = tmp_path / "whole.mp4", tmp_path / "cut.mp4"
    moov_first(clip, whole)
    data = whole.read_bytes()
    start = data.index(b"mdat")
    cut.write_bytes(data[: start + (len(data) - start) // 2])
    assert read_frames(whole, [0.2, 1.0, 3.9]).missing_seconds == 0.0
    frames = read_frames(cut, [0.2, 1.0, 3.9])
    numbers = numbers_of(frames.images)
    assert numbers[:2] == [5, 25]
    assert 30 < numbers[2] < 75
    assert frames.missing_seconds == pytest.approx(3.9 - (numbers[2] + 1) / 25, abs=0.05)
    assert numbers_of(read_frame_pairs(cut, [3.9]).second.images)[0] == numbers[2]


def test_a_damaged_stretch_is_counted(tmp_path: Path, clip: Path, numbers_of: Any_) -> None:
    with av.open(str(clip)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
    data = bytearray(clip.read_bytes())
    for packet in packets[30:34]:
        data[packet.pos : packet.pos + packet.size] = b"\xff" * packet.size
    (tmp_path / "damaged.mp4").write_bytes(bytes(data))
    frames = read_frames(tmp_path / "damaged.mp4", [0.2, 1.3, 3.0])
    assert frames.num_damaged_packets > 0
    assert [numbers_of(frames.images)[index] for index in (0, 2)] == [5, 75]


def test_no_video_is_an_error(tmp_path: Path, sine: Any_) -> None:
    write_clip(tmp_path / "sound.mp4", None, 25.0, sine(500, 0.5))
    with pytest.raises(DecodeError, match="no video stream"):
        read_frames(tmp_path / "sound.mp4", [0.0])


def test_the_successor_is_the_next_frame(clip: Path, numbers_of: Any_, num_decoded: list[int]) -> None:
    pairs = read_frame_pairs(clip, [3.0, 0.0, 0.58])
    assert numbers_of(pairs.first.images) == [75, 0, 14]
    assert numbers_of(pairs.second.images) == [76, 1, 15]
    assert num_decoded[0] < 60


def test_the_last_frame_is_paired_with_the_one_before(clip: Path, numbers_of: Any_) -> None:
    pairs = read_frame_pairs(clip, [3.92, 3.96, 100.0])
    assert numbers_of(pairs.first.images) == [98, 98, 98]
    assert numbers_of(pairs.second.images) == [99, 99, 99]
    np.testing.assert_allclose(pairs.second.times_seconds, 3.96, atol=1e-6)


def test_the_last_frame_may_be_a_keyframe(tmp_path: Path, numbered_images: Any_, numbers_of: Any_) -> None:
    write_clip(tmp_path / "clip.mp4", numbered_images(20), 25.0, None, keyframe_interval=1)
    pairs = read_frame_pairs(tmp_path / "clip.mp4", [5.0])
    assert numbers_of(pairs.first.images) + numbers_of(pairs.second.images) == [18, 19]


def test_a_successor_is_a_fiftieth_of_a_second_away(tmp_path: Path, numbered_images: Any_, numbers_of: Any_) -> None:
    write_clip(tmp_path / "fast.mp4", numbered_images(60), 120.0, None)
    write_clip(tmp_path / "fifty.mp4", numbered_images(60), 50.0, None)
    assert numbers_of(read_frame_pairs(tmp_path / "fast.mp4", [10 / 120, 58 / 120]).first.images) == [10, 55]
    assert numbers_of(read_frame_pairs(tmp_path / "fast.mp4", [10 / 120, 58 / 120]).second.images) == [13, 58]
    assert numbers_of(read_frame_pairs(tmp_path / "fifty.mp4", [10 / 50]).second.images) == [11]
    assert numbers_of(read_frame_pairs(tmp_path / "fifty.mp4", [0.2], min_gap_seconds=0.1).second.images) == [15]


def test_repeats_are_passed_over(tmp_path: Path, numbered_images: Any_, numbers_of: Any_, write_video: Any_) -> None:
    images = np.repeat(numbered_images(10), 3, axis=0)
    write_video(tmp_path / "clip.mkv", images, 30, "ffv1", "bgr0")
    pairs = read_frame_pairs(tmp_path / "clip.mkv", [0.0, 0.04, 0.51, 0.97])
    assert numbers_of(pairs.first.images) == [0, 0, 5, 8]
    assert numbers_of(pairs.second.images) == [1, 1, 6, 9]


def test_a_still_video_moves_nowhere(
    tmp_path: Path, numbered_images: Any_, write_video: Any_, num_decoded: list[int]
) -> None:
    write_video(tmp_path / "still.mkv", np.repeat(numbered_images(2)[1:], 300, axis=0), 30, "ffv1", "bgr0")
    pairs = read_frame_pairs(tmp_path / "still.mkv", [1.0, 9.99])
    np.testing.assert_array_equal(pairs.first.images, pairs.second.images)
    assert (pairs.second.times_seconds > pairs.first.times_seconds).all()
    read_frame_pairs(tmp_path / "still.mkv", [1.0])
    assert num_decoded[1] < 40  # a second ahead, not ten


def test_real_clips_give_the_same_however_asked(media_dir: Path) -> None:
    for path in sorted(media_dir.glob("*.avi")) + sorted(media_dir.glob("*_arm_*.mp4")):
        times = np.random.default_rng(1).uniform(0, 6, 6)
        together = read_frames(path, times)
        everything = read_frames(path, np.arange(0, 6.5, 1 / 60))
        for index, time in enumerate(times):
            np.testing.assert_array_equal(read_frames(path, [time]).images[0], together.images[index])
            place = np.searchsorted(everything.times_seconds, time + 5e-4, side="right") - 1
            np.testing.assert_array_equal(everything.images[place], together.images[index])
