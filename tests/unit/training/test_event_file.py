"""Event files say what tensorboardX's own writer says, and a disk that is full ends them with an error, not a wait."""

import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from tensorboardX import SummaryWriter
from tensorboardX.proto.event_pb2 import Event, SessionLog
from tensorboardX.record_writer import masked_crc32c

from openmov.errors import StorageError
from openmov.training.event_file import event_file, framed
from small_disk import small_disk

CURVES = {"loss": 0.5, "learning_rate": 1e-4, "memory_bytes": 3_000_000_000}


def events(folder: Path) -> list[Event]:
    return [event for path in sorted(folder.iterdir()) for event in records(path.read_bytes())]


def records(content: bytes) -> Iterator[Event]:
    while content:
        (length,) = struct.unpack("<Q", content[:8])
        (check,), body = struct.unpack("<I", content[8:12]), content[12 : 12 + length]
        assert check == masked_crc32c(content[:8])
        assert struct.unpack("<I", content[12 + length : 16 + length]) == (masked_crc32c(body),)
        yield Event.FromString(body)
        content = content[16 + length :]


def points(folder: Path) -> list[tuple[int, str, float]]:
    found = [(event.step, value) for event in events(folder) for value in event.summary.value]
    return [(step, value.tag, value.simple_value) for step, value in found]


def test_the_points_are_those_that_tensorboardx_writes(tmp_path: Path) -> None:
    theirs = SummaryWriter(str(tmp_path / "theirs"), purge_step=3)
    with event_file(tmp_path / "ours", 3) as ours:
        for step in (3, 4):
            ours.add(CURVES, step)
            for name, value in CURVES.items():
                theirs.add_scalar(name, value, step)
    theirs.close()
    assert points(tmp_path / "ours") == points(tmp_path / "theirs")
    assert len(points(tmp_path / "ours")) == 6
    for folder in ("ours", "theirs"):
        first, *others = events(tmp_path / folder)
        assert first.file_version == "brain.Event:2"
        assert [one.step for one in others if one.session_log.status == SessionLog.START] == [3]


def test_a_point_can_be_read_the_moment_it_is_written(tmp_path: Path) -> None:
    with event_file(tmp_path, 1) as ours:
        ours.add({"loss": 0.25}, 1)
        assert points(tmp_path) == [(1, "loss", 0.25)]


def test_a_record_whose_checksum_is_known() -> None:
    # an empty record of TensorFlow: length 0, its checksum, no content, its checksum
    assert framed(b"") == bytes(8) + bytes.fromhex("29039807") + bytes.fromhex("d8ea82a2")


def test_a_disk_that_is_really_full_is_one_line(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 16_384) as disk:
        with pytest.raises(StorageError, match=r"events\.out.*no space left"):
            draw(disk, 1000)
        written = points_before_the_cut(disk)
    assert 10 < len(written) < 1000


def draw(folder: Path, steps: int) -> None:
    with event_file(folder, 1) as ours:
        for step in range(1, steps + 1):
            ours.add(CURVES, step)


def points_before_the_cut(folder: Path) -> list[int]:
    """Steps of the whole records; the last record may be cut."""
    steps = []
    try:
        for event in records(next(folder.iterdir()).read_bytes()):
            steps.append(event.step)
    except (AssertionError, struct.error):
        pass
    return steps
