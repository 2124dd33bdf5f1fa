"""Faults and notes about files made to have them."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest

from openmov.media.decode import check_media, cut_notes
from openmov.media.encode import write_clip

Any_ = Callable[..., Any]


@pytest.fixture
def clip(tmp_path: Path, numbered_images: Any_, sine: Any_) -> Path:
    write_clip(tmp_path / "clip.mp4", numbered_images(100), 25.0, sine(500, 4.0), keyframe_interval=10)
    return tmp_path / "clip.mp4"


def test_a_sound_file_has_neither(clip: Path) -> None:
    for deep in (False, True):
        check = check_media(clip, deep=deep)
        assert check.info is not None
        assert (check.faults, check.notes) == ((), ())


def test_what_is_unusual_is_a_note(tmp_path: Path, numbered_images: Any_, turn: Any_) -> None:
    times = [0.0, 0.1, 0.15, 0.9, 1.0]
    write_clip(tmp_path / "a.mp4", numbered_images(5), 25.0, None, times_seconds=times)
    turn(tmp_path / "a.mp4", 3)
    check = check_media(tmp_path / "a.mp4")
    assert check.faults == ()
    assert check.notes == ("no sound", "variable frame rate", "stored turned by 270 degrees")


def test_a_late_start_is_a_note(tmp_path: Path, numbered_images: Any_, sine: Any_) -> None:
    write_clip(tmp_path / "a.mp4", numbered_images(20), 10.0, sine(500, 1.0), samples_start_seconds=1.0)
    assert check_media(tmp_path / "a.mp4").notes == ("sound starts at 0.9 s",)


@pytest.mark.parametrize(
    ("how", "note"),
    [
        ({"options": {"x264-params": "tff=1"}}, "interlaced"),
        ({"pix_fmt": "yuv420p10le", "color_trc": 16}, "HDR (PQ)"),
        ({"pix_fmt": "yuv420p10le", "color_trc": 18}, "HDR (HLG)"),
        ({"sample_aspect_ratio": Fraction(16, 15)}, "1.07 times as wide"),
    ],
    ids=["interlaced", "pq", "hlg", "wide pixels"],
)
def test_what_pictures_are_like_is_a_note(
    tmp_path: Path, numbered_images: Any_, write_video: Any_, how: dict[str, Any], note: str
) -> None:
    said = {"pix_fmt": "yuv420p"} | how
    write_video(tmp_path / "a.mp4", numbered_images(10), 25, "libx264", **said)
    check = check_media(tmp_path / "a.mp4")
    assert check.faults == ()
    (found,) = (one for one in check.notes if one != "no sound")
    assert note in found


def test_mirrored_is_a_note(tmp_path: Path, numbered_images: Any_, turn: Any_) -> None:
    write_clip(tmp_path / "a.mp4", numbered_images(5), 25.0, None)
    turn(tmp_path / "a.mp4", 1, mirror=True)
    assert check_media(tmp_path / "a.mp4").notes == ("no sound", "stored turned by 90 degrees", "stored mirrored")


def test_sound_alone_is_no_fault(tmp_path: Path, sine: Any_) -> None:
    write_clip(tmp_path / "a.mp4", None, 25.0, sine(500, 1.0))
    check = check_media(tmp_path / "a.mp4")
    assert (check.faults, check.notes) == ((), ("sound alone: no pictures",))


def test_a_file_cut_off_is_a_fault(tmp_path: Path, clip: Path, moov_first: Any_) -> None:
    moov_first(clip, tmp_path / "whole.mp4")
    data = (tmp_path / "whole.mp4").read_bytes()
    start = data.index(b"mdat")
    (tmp_path / "cut.mp4").write_bytes(data[: start + (len(data) - start) // 2])
    assert check_media(tmp_path / "whole.mp4").faults == ()
    faults = check_media(tmp_path / "cut.mp4").faults
    assert any("cut off: its video promises 4.0 s" in fault for fault in faults)
    assert any("sound promises" in fault for fault in faults)


def test_an_avi_cut_off_is_known_by_the_count_in_its_header(
    tmp_path: Path, numbered_images: Any_, write_video: Any_
) -> None:
    whole, cut = tmp_path / "whole.avi", tmp_path / "cut.avi"
    write_video(whole, numbered_images(50), 10, "mpeg4", "yuv420p", {"g": "5"})
    data = whole.read_bytes()
    start = data.index(b"movi")
    cut.write_bytes(data[: start + (len(data) - start) // 2])
    assert check_media(whole).faults == ()
    fault, *_ = check_media(cut).faults
    assert fault.startswith("cut off: its video promises 5.0 s, its data ends at ")
    video = check_media(cut).info.video  # type: ignore[union-attr]
    assert video is not None
    assert video.end_seconds < 4  # views are taken from what there is
    assert cut_notes(video) == [f"cut off: 5.0 s are promised, its data ends at {video.end_seconds:.1f} s"]
    assert cut_notes(check_media(whole).info.video) == []  # type: ignore[union-attr, arg-type]


def test_damaged_packets_are_found_by_looking_deep(tmp_path: Path, clip: Path) -> None:
    with av.open(str(clip)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
    data = bytearray(clip.read_bytes())
    for packet in packets[30:34]:
        data[packet.pos : packet.pos + packet.size] = b"\xff" * packet.size
    (tmp_path / "damaged.mp4").write_bytes(bytes(data))
    assert check_media(tmp_path / "damaged.mp4").faults == ()
    (fault,) = check_media(tmp_path / "damaged.mp4", deep=True).faults
    assert "damaged video packet" in fault


def test_what_cannot_be_opened_is_a_fault_and_no_error(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"")
    check = check_media(tmp_path / "a.mp4")
    assert (check.info, check.faults) == (None, ("an empty file",))
    assert check_media(tmp_path / "missing.mp4").faults == ("no such file",)
