"""Pictures of files as people have them: whatever headers, marks and stamps say, they are FFmpeg's own pictures."""

import os
from collections.abc import Callable
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from odd_media import (
    PALETTE,
    RATE_FPS,
    Sound,
    Video,
    corners,
    flv_tags,
    indexed,
    later_ts,
    replaced,
    stairs,
    straight,
    textured,
    tone,
    two_sizes,
    write_avi,
    write_media,
)
from openmov.errors import DecodeError
from openmov.media.decode import (
    FrameStream,
    VideoStream,
    check_media,
    cut_notes,
    picture_notes,
    probe,
    read_frame_pairs,
    read_frames,
    read_waveform,
)
from openmov.media.decode.picture import approximated_matrix
from openmov.media.decode.reader import VideoReader
from openmov.media.decode.source import Joiner

Any_ = Callable[..., Any]
SLOW_REFRESH = {"preset": "medium", "x264-params": "intra-refresh=1:keyint=25:bframes=0"}
OPEN_GROUPS = {"preset": "medium", "x264-params": "keyint=25:open-gop=1:bframes=3:scenecut=0"}
H265 = "pools=none:frame-threads=1:log-level=none"


def video_of(path: Path) -> VideoStream:
    video = probe(path).video
    assert video is not None
    return video


def apart(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.abs(one.astype(int) - other).mean())


def assert_is_straight(path: Path, *, every: int = 9) -> None:
    """Alone, together, as pairs and in a stream, pictures are those that FFmpeg gives from the first byte on."""
    images, times = straight(path)
    start = float(read_frames(path, [-1.0]).times_seconds[0])
    asked = np.array(times[::every]) + start + 0.001
    together = read_frames(path, asked)
    for number, image, time in zip(range(0, len(images), every), together.images, asked, strict=True):
        alone = read_frames(path, [time])
        assert apart(alone.images[0], images[number]) < 0.01, f"alone, picture {number} is another"
        assert apart(image, images[number]) < 0.01, f"together, picture {number} is another"
        assert alone.times_seconds[0] == pytest.approx(start + times[number], abs=2e-3)
    pairs = read_frame_pairs(path, asked[:-1])
    for number, second in zip(range(0, len(images), every), pairs.second.images, strict=False):
        assert apart(second, images[number + 1]) < 0.01
    with FrameStream(path, asked.tolist()) as stream:
        streamed = np.stack([frame.image for frame in stream])
    np.testing.assert_array_equal(streamed, together.images)


@pytest.mark.parametrize("name", ["a.ts", "a.mkv", "a.mp4", "a.avi", "a.flv"])
def test_intra_refresh_ends_and_is_right(tmp_path: Path, name: str) -> None:
    assert_is_straight(write_media(tmp_path / name, Video(textured(75), options=SLOW_REFRESH)))


@pytest.mark.parametrize("bframes", [0, 2])
def test_a_lost_table_of_keyframes_ends_and_is_right(tmp_path: Path, bframes: int) -> None:
    params = f"keyint=60:min-keyint=60:scenecut=0:bframes={bframes}:{H265}"
    path = write_media(tmp_path / "a.mp4", Video(textured(75), codec="libx265", options={"x265-params": params}))
    assert_is_straight(replaced(path, b"stss", b"free"))


def test_an_index_that_calls_every_picture_a_keyframe(tmp_path: Path) -> None:
    path = write_media(tmp_path / "a.avi", Video(textured(60), codec="mpeg4", gop=40))
    data = bytearray(path.read_bytes())
    for at in range(data.rindex(b"idx1") + 8, len(data) - 15, 16):
        data[at + 4] |= 16
    path.write_bytes(data)
    assert_is_straight(path)


@pytest.mark.parametrize(
    ("name", "track"),
    [
        ("a.ts", Video(textured(60), options=OPEN_GROUPS)),
        (
            "a.avi",
            Video(textured(60), options={"preset": "medium", "x264-params": "bframes=3:b-adapt=0:scenecut=0"}, gop=12),
        ),
        ("a.mpg", Video(textured(60), codec="mpeg2video", gop=12, max_b_frames=2)),
        ("a.m4v", Video(textured(40), codec="mpeg4", gop=12, max_b_frames=2)),
        ("a.h264", Video(textured(40), gop=12)),
        (
            "a.mkv",
            Video(textured(40), codec="libx265", options={"x265-params": f"keyint=15:open-gop=1:bframes=4:{H265}"}),
        ),
    ],
    ids=[
        "open groups",
        "h264 in avi",
        "program stream",
        "bare mpeg4",
        "bare h264",
        "open groups of h265",
    ],
)
def test_where_reading_begins_makes_no_difference(tmp_path: Path, name: str, track: Video) -> None:
    path = write_media(tmp_path / name, track)
    images, _ = straight(path)
    times = np.arange(len(images)) / RATE_FPS + 0.001
    together = read_frames(path, times)
    for number in range(0, len(images), 7):
        assert apart(together.images[number], images[number]) < 0.01
        np.testing.assert_array_equal(read_frames(path, times[number : number + 1]).images[0], together.images[number])
    assert video_of(path).end_seconds == pytest.approx(len(images) / RATE_FPS, abs=0.05)


def test_mpeg4_with_b_frames_in_avi(tmp_path: Path) -> None:
    assert_is_straight(write_media(tmp_path / "a.avi", Video(textured(60), "mpeg4", gop=12, max_b_frames=2)))


def test_every_search_goes_further_back_and_no_time_is_searched_for_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_media(tmp_path / "a.ts", Video(textured(100), options=SLOW_REFRESH))
    jumps: list[int] = []
    jump = VideoReader._jump
    monkeypatch.setattr(
        VideoReader,
        "_jump",
        lambda self, entry: (jumps.append(-1 if entry is None else entry.order), jump(self, entry)),
    )
    read_frames(path, [3.5])
    assert jumps == sorted(jumps, reverse=True)
    assert len(jumps) < 5


def test_a_recording_that_begins_in_the_middle_of_a_group(tmp_path: Path) -> None:
    params = {"x264-params": "scenecut=0:keyint=30:min-keyint=30:bframes=0"}
    path = write_media(tmp_path / "a.ts", Video(textured(60), options=params, gop=30))
    data = path.read_bytes()
    starts = [at for at in range(0, len(data), 188) if data[at + 1] & 0x5F == 0x41 and data[at + 2] == 0]
    path.write_bytes(data[: 3 * 188] + data[starts[3] :])
    video = video_of(path)
    shown = read_frames(path, [0.0])
    assert shown.times_seconds[0] == pytest.approx(video.start_seconds, abs=1e-3)
    assert video.start_seconds == pytest.approx(27 / RATE_FPS, abs=0.01)
    assert apart(shown.images[0], straight(path)[0][0]) < 0.01


# -- lengths


def test_a_bare_stream_is_as_long_as_its_pictures(tmp_path: Path) -> None:
    path = write_media(tmp_path / "a.h264", Video(stairs(75)))
    assert video_of(path).end_seconds == pytest.approx(3.0, abs=0.05)
    assert [round(float(image.mean()), -1) for image in read_frames(path, [0.0, 2.99]).images] == [20, 230]


@pytest.mark.parametrize("said", [b"00:00:01.000000000", b"00:00:00.000000000", b"00:00:09.000000000"])
def test_a_tag_kept_from_another_film_is_not_believed(tmp_path: Path, said: bytes) -> None:
    path = replaced(write_media(tmp_path / "a.mkv", Video(stairs(100))), b"00:00:04.000000000", said)
    check = check_media(path)
    assert check.faults == ()
    assert not any("single picture" in note for note in check.notes)
    assert video_of(path).end_seconds == pytest.approx(4.0, abs=0.05)
    assert read_frames(path, [3.9, 9.0]).missing_seconds == 0


def test_pictures_that_come_late_end_after_they_start(tmp_path: Path) -> None:
    times = [5 + n / 25 for n in range(50)]
    path = write_media(tmp_path / "a.mkv", Video(stairs(50), times=times), Sound(tone(8)))
    replaced(path, b"00:00:07.000000000", b"00:00:02.000000000")
    video = video_of(path)
    assert (video.start_seconds, video.end_seconds) == pytest.approx((5.0, 7.0), abs=0.05)


@pytest.mark.parametrize("name", ["a.mkv", "a.mp4"])
def test_slides_are_not_cut_off(tmp_path: Path, name: str) -> None:
    path = write_media(tmp_path / name, Video(stairs(4), times=[0, 3, 6, 9]))
    times = np.linspace(0, 8.9, 7)
    assert read_frames(path, times).missing_seconds == 0
    with FrameStream(path, times.tolist()) as stream:
        assert len(list(stream)) == 7
        assert stream.missing_seconds == 0
    assert check_media(path).faults == ()
    assert cut_notes(video_of(path)) == []


def test_a_picture_that_stands_while_the_sound_goes_on_is_not_cut_off(tmp_path: Path) -> None:
    path = write_media(tmp_path / "a.mkv", Video(stairs(10)), Sound(tone(12)))
    assert check_media(path).faults == ()
    assert read_frames(path, [11.0]).missing_seconds == 0


def test_a_matroska_file_without_its_end_is_cut_off(tmp_path: Path) -> None:
    path = write_media(tmp_path / "a.mkv", Video(textured(100), gop=25))
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    (fault,) = check_media(path).faults
    assert fault.startswith("cut off: its video promises 4.0 s, its data ends at ")
    assert read_frames(path, [3.9]).missing_seconds > 0.5


def test_an_mp4_whose_header_says_less_than_it_holds(tmp_path: Path) -> None:
    path = write_media(tmp_path / "a.mp4", Video(stairs(100)))
    data = bytearray(path.read_bytes())
    at = data.index(b"mdhd") + 4
    assert int.from_bytes(data[at + 16 : at + 20], "big") >= 51_200
    data[at + 16 : at + 20] = (12_800).to_bytes(4, "big")
    path.write_bytes(data)
    assert video_of(path).end_seconds == pytest.approx(4.0, abs=0.1)


@pytest.mark.parametrize("how", [{"movflags": "frag_keyframe+empty_moov"}, {"live": "1"}], ids=["fragments", "live"])
def test_recordings_that_could_not_know_their_length(tmp_path: Path, how: dict[str, str]) -> None:
    name = "a.mkv" if "live" in how else "a.mp4"
    path = write_media(tmp_path / name, Video(textured(75), gop=25), Sound(tone(3)), **how)
    video = video_of(path)
    assert video.end_seconds - video.start_seconds == pytest.approx(3.0, abs=0.1)
    assert check_media(path).faults == ()
    assert_is_straight(path, every=14)


# -- several recordings, several streams


def joined(path: Path, parts: list[bytes]) -> Path:
    path.write_bytes(b"".join(parts))
    return path


@pytest.mark.parametrize(("name", "codec"), [("a.ts", "libx264"), ("a.mpg", "mpeg2video"), ("a.mkv", "libx264")])
def test_recordings_joined_one_behind_the_other_are_one(tmp_path: Path, name: str, codec: str) -> None:
    parts = []
    for low, high in ((20, 100), (150, 230)):
        sound = Sound(tone(2, 48_000), 48_000, "mp2")
        parts.append(write_media(tmp_path / name, Video(stairs(50, low=low, high=high), codec), sound).read_bytes())
    path = joined(tmp_path / name, parts)
    info = probe(path)
    assert info.video is not None
    assert info.audio is not None
    assert info.video.end_seconds == pytest.approx(4.0, abs=0.35)
    assert info.audio.end_seconds == pytest.approx(4.0, abs=0.35)
    times = np.linspace(info.video.start_seconds, info.video.end_seconds, 9)
    levels = [float(image.mean()) for image in read_frames(path, times).images]
    assert levels[0] < 30
    assert levels[-1] > 220
    assert all(a <= b + 3 for a, b in pairwise(levels))
    alone = [float(read_frames(path, [time]).images.mean()) for time in times]
    assert alone == levels
    late = read_waveform(path, 2.5, 3.5)
    assert late is not None
    assert 0.3 < np.sqrt(np.mean(late.samples**2)) < 0.4
    assert check_media(path).faults == ()


def test_an_avi_written_to_a_pipe(tmp_path: Path) -> None:
    path = write_media(tmp_path / "a.avi", Video(textured(50), "mpeg4", gop=12), Sound(tone(2), codec="libmp3lame"))
    data = bytearray(path.read_bytes())
    for at in (data.index(b"strh") + 40, data.rindex(b"strh") + 40):
        data[at : at + 4] = (1 << 30).to_bytes(4, "little")
    data[4:8] = b"\xff" * 4
    path.write_bytes(data[: data.rindex(b"idx1")])
    assert video_of(path).end_seconds == pytest.approx(2.0, abs=0.1)
    assert check_media(path).faults == ()


def test_streams_go_over_to_another_clock_one_after_the_other() -> None:
    class Packet:
        def __init__(self, stream: int, dts: float) -> None:
            self.stream_index, self.dts, self.pts, self.duration, self.time_base = stream, dts, dts, 1, 0.1

    joiner = Joiner()
    first = [Packet(stream, dts) for dts in range(40) for stream in (0, 1)]
    assert {joiner.take(packet) for packet in first} == {0.0}
    assert joiner.take(Packet(0, 0)) == pytest.approx(4.0)
    assert joiner.take(Packet(1, 40)) == 0.0  # what was left of the first recording
    assert joiner.take(Packet(1, 0)) == pytest.approx(4.0)
    assert joiner.take(Packet(0, 1)) == pytest.approx(4.0)
    assert joiner.num_jumps == 1


def test_of_joined_mp4_files_the_first_is_seen_and_that_is_said(tmp_path: Path) -> None:
    part = write_media(tmp_path / "a.mp4", Video(stairs(10))).read_bytes()
    assert not any("joined" in note for note in check_media(tmp_path / "a.mp4").notes)
    check = check_media(joined(tmp_path / "b.mp4", [part, part]))
    assert any("another file is joined" in note for note in check.notes)


def test_clocks_hours_apart_and_clocks_that_wrap(tmp_path: Path) -> None:
    first = write_media(tmp_path / "a.ts", Video(stairs(25, low=20, high=100))).read_bytes()
    second = write_media(tmp_path / "b.ts", Video(stairs(25, low=150, high=230))).read_bytes()
    path = joined(tmp_path / "far.ts", [first, later_ts(second, 5 * 3600 * 90_000)])
    assert video_of(path).end_seconds == pytest.approx(2.0, abs=0.1)
    assert read_frames(path, [1.9]).images.mean() > 200
    path = joined(tmp_path / "wrap.ts", [later_ts(first, (1 << 33) - 45_000)])
    assert video_of(path).end_seconds == pytest.approx(1.0, abs=0.1)
    assert_is_straight(path, every=5)


def test_a_programme_that_begins_in_the_middle_is_said_and_harms_nothing(tmp_path: Path) -> None:
    first = write_media(tmp_path / "a.ts", Video(stairs(50))).read_bytes()
    pids = {"mpegts_start_pid": "0x200", "mpegts_pmt_start_pid": "0x1100"}
    other = write_media(
        tmp_path / "b.ts", Video(stairs(50), "mpeg2video"), Sound(tone(2, 48_000), 48_000, "mp2"), **pids
    )
    path = joined(tmp_path / "c.ts", [first, later_ts(other.read_bytes(), 180_000)])
    check = check_media(path)
    assert check.faults == ()
    assert any("further streams" in note for note in check.notes)
    assert_is_straight(path)


def test_sound_that_begins_unannounced_harms_nothing(tmp_path: Path) -> None:
    path = write_media(tmp_path / "a.flv", Video(stairs(60), rate_fps=4), Sound(tone(15, 44_100), 44_100))
    data = path.read_bytes()
    late = b"".join(raw for kind, ms, raw in flv_tags(data) if kind == 9 or (kind == 8 and (ms == 0 or ms > 11_000)))
    path.write_bytes(data[:4] + b"\x01" + data[5:13] + late)
    assert video_of(path).end_seconds == pytest.approx(15, abs=1.0)
    assert len(read_frames(path, [0.5, 14.0]).images) == 2
    assert check_media(path).info is not None


def test_a_thumbnail_that_comes_first_is_not_the_film(tmp_path: Path) -> None:
    small = Video([np.full((32, 48, 3), 128, np.uint8)], "mjpeg", "yuvj420p")
    path = write_media(tmp_path / "a.mkv", small, Video(stairs(50)))
    assert (video_of(path).width, video_of(path).height) == (96, 64)


def test_of_an_animated_picture_the_animation_is_seen(tmp_path: Path) -> None:
    images = [Image.fromarray(image) for image in textured(8)]
    for name in ("a.avif", "a.gif", "a.png"):
        images[0].save(tmp_path / name, save_all=True, append_images=images[1:], duration=100)
        assert len(set(read_frames(tmp_path / name, [0.0, 0.35, 0.75]).times_seconds.tolist())) == 3, name
    images[0].save(tmp_path / "a.webp", save_all=True, append_images=images[1:], duration=100)
    with pytest.raises(DecodeError, match="animated WebP"):
        probe(tmp_path / "a.webp")


@pytest.mark.parametrize("fmt", ["mpegts", "matroska", "mp4", "avi", "flv"])
def test_a_stream_that_changes_its_size_has_pictures_of_one(tmp_path: Path, fmt: str) -> None:
    path = two_sizes(tmp_path / "a.bin", fmt)
    both = read_frames(path, [0.4, 1.6]).images
    for time, image in zip((0.4, 1.6), both, strict=True):
        alone = read_frames(path, [time]).images
        assert alone.shape == (1, 64, 96, 3)
        np.testing.assert_array_equal(alone[0], image)


def test_pictures_that_cannot_be_decoded_do_not_hide_the_sound(tmp_path: Path) -> None:
    path = write_media(tmp_path / "a.flv", Video(stairs(50)), Sound(tone(2, 44_100), 44_100))
    data = path.read_bytes()
    broken = [
        raw[:16] + b"\xa5" * (len(raw) - 20) + raw[-4:] if kind == 9 and raw[12] == 1 else raw
        for kind, _, raw in flv_tags(data)
    ]
    path.write_bytes(data[:13] + b"".join(broken))
    info = probe(path)
    assert info.video is None
    assert info.audio is not None
    assert info.audio.end_seconds > 1.9
    assert check_media(path).faults[0] == "its pictures cannot be decoded"


# -- what a picture is like


def test_a_palette_is_shown_wherever_reading_begins(tmp_path: Path) -> None:
    image = corners()
    rows = np.ascontiguousarray(indexed(image)[::-1]).tobytes()
    path = write_avi(tmp_path / "a.avi", b"\0\0\0\0", 8, [rows] * 10, palette=PALETTE.tobytes())
    for times in ([0.0, 0.5], [0.7]):
        for shown in read_frames(path, times).images:
            np.testing.assert_array_equal(shown, image)


def test_exif_beside_a_picture_is_no_obstacle_and_turns_it(tmp_path: Path) -> None:
    pictures = {}
    for orientation in (1, 6):
        tags = Image.Exif()
        tags[0x0112], tags[0x010E] = orientation, "by hand"
        out = BytesIO()
        Image.fromarray(corners()).save(out, "JPEG", quality=95, exif=tags.tobytes())
        path = write_avi(tmp_path / f"{orientation}.avi", b"MJPG", 24, [out.getvalue()] * 5)
        pictures[orientation] = read_frames(path, [0.2]).images[0]
    assert apart(pictures[1], corners()) < 6
    assert pictures[6].shape == (96, 64, 3)
    np.testing.assert_array_equal(pictures[6], np.rot90(pictures[1], -1))


@pytest.mark.parametrize("matrix", range(18))
@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv422p10le", "gbrp"])
def test_pictures_of_every_colour_matrix_are_shown(matrix: int, pix_fmt: str) -> None:
    from av.video.reformatter import VideoReformatter

    from openmov.media.decode.picture import _in_rgb

    image = np.repeat(np.linspace(30, 220, 96).astype(np.uint8)[None, :, None], 64, 0).repeat(3, 2)
    frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format=pix_fmt)
    frame.colorspace = matrix
    assert apart(_in_rgb(frame, VideoReformatter(), 96, 64), image) < 3  # greys are grey in all of them


@pytest.mark.parametrize("full", [False, True])
def test_ycgco_is_converted_by_its_own_formula(full: bool) -> None:
    from av.video.reformatter import VideoReformatter

    from openmov.media.decode.picture import _in_rgb

    image = corners()
    red, green, blue = np.moveaxis(image.astype(float), -1, 0)
    planes = np.stack([red / 4 + green / 2 + blue / 4, -red / 4 + green / 2 - blue / 4, red / 2 - blue / 2])
    scale = np.array([1, 1, 1] if full else [219 / 255, 224 / 255, 224 / 255])
    stored = planes * scale[:, None, None] + np.array([0 if full else 16, 128, 128])[:, None, None]
    frame = av.VideoFrame.from_ndarray(
        stored.round().clip(0, 255).astype(np.uint8), format="yuvj444p" if full else "yuv444p"
    )
    frame.colorspace, frame.color_range = 8, 2 if full else 1
    assert np.abs(_in_rgb(frame, VideoReformatter(), 96, 64).astype(int) - image).max() <= 2


def test_a_matrix_that_is_not_known_is_a_note(tmp_path: Path) -> None:
    path = write_media(tmp_path / "a.mkv", Video(textured(10), options={"x264-params": "colormatrix=bt2020c"}))
    assert len(read_frames(path, [0.2]).images) == 1
    assert any("BT.2020 constant luminance" in note for note in picture_notes(video_of(path)))
    assert approximated_matrix(1) is None


@pytest.mark.parametrize("curve", [16, 18])
def test_high_dynamic_range_is_ffmpeg_s_picture(tmp_path: Path, curve: int) -> None:
    context = {"color_trc": curve, "colorspace": 9, "color_primaries": 9, "color_range": 1}
    path = write_media(tmp_path / "a.mp4", Video(textured(30), pix_fmt="yuv420p10le", context=context))
    assert video_of(path).hdr == {16: "PQ", 18: "HLG"}[curve]
    assert_is_straight(path)


def test_chapters_and_time_codes_harm_nothing(tmp_path: Path) -> None:
    coded = write_media(tmp_path / "a.mov", Video(textured(30)), Sound(tone(1.2)), metadata={"timecode": "10:00:00:00"})
    chapters = tmp_path / "b.mp4"
    with av.open(str(coded)) as old, av.open(str(chapters), "w") as new:
        from fractions import Fraction

        span = {"time_base": Fraction(1, 1000), "metadata": {"title": "a part"}}
        new.set_chapters([{"id": 1, "start": 0, "end": 600, **span}, {"id": 2, "start": 600, "end": 1200, **span}])
        streams = {s.index: new.add_stream_from_template(s) for s in old.streams if s.type in ("video", "audio")}
        for packet in old.demux(*[old.streams[index] for index in streams]):
            if packet.dts is not None:
                packet.stream = streams[packet.stream_index]
                new.mux(packet)
    for path in (coded, chapters):
        info = probe(path)
        assert info.audio is not None
        assert video_of(path).end_seconds == pytest.approx(1.2, abs=0.05)
        assert check_media(path).faults == ()
        assert_is_straight(path)


# -- text, and locks


def test_tags_in_any_encoding_are_no_obstacle(tmp_path: Path) -> None:
    path = write_media(tmp_path / "a.avi", Video(textured(10), "mpeg4"), metadata={"title": "Caf~ del Mar"})
    replaced(path, b"Caf~", b"Caf\xe9")
    assert check_media(path).faults == ()
    song = write_media(tmp_path / "a.mp3", Sound(tone(1, 44_100), 44_100, "libmp3lame"), id3v2_version="0")
    song.write_bytes(song.read_bytes() + b"TAG" + b"Bj\xf6rk".ljust(125, b"\0"))
    assert read_waveform(song, 0.0, 1.0) is not None


def test_names_in_any_encoding_are_read(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"caf\xe9\n.mp4")
    try:
        path.touch()
    except OSError:
        pytest.skip("this file system refuses such names")
    assert_is_straight(write_media(path, Video(textured(10))), every=3)


def test_what_is_encrypted_is_said_to_be(tmp_path: Path) -> None:
    key = "00112233445566778899aabbccddeeff"
    how = {"encryption_scheme": "cenc-aes-ctr", "encryption_key": key, "encryption_kid": key}
    locked = write_media(tmp_path / "a.mp4", Video(textured(10)), **how)
    with pytest.raises(DecodeError, match=r"encrypted \(Common Encryption\)"):
        probe(locked)
    assert check_media(locked).faults == ("encrypted (Common Encryption): nothing in it can be decoded",)
    data = bytearray(write_media(tmp_path / "a.ts", Video(textured(10))).read_bytes())
    for at in range(0, len(data), 188):
        if int.from_bytes(data[at + 1 : at + 3], "big") & 0x1FFF == 0x100:
            body = at + 4 + (1 + data[at + 4] if data[at + 3] & 0x20 else 0)
            data[at + 3] |= 0xC0
            data[body : at + 188] = bytes(255 - value for value in data[body : at + 188])
    (tmp_path / "a.ts").write_bytes(data)
    with pytest.raises(DecodeError, match=r"scrambling|neither|damaged"):
        probe(tmp_path / "a.ts")
