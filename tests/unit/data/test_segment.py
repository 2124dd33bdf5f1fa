"""Spans by hand, and facts of a file asked once."""

import os
from pathlib import Path

import pytest

from openmov.data.records import Record
from openmov.data.segment import file_facts, span_within
from openmov.errors import DecodeError
from openmov.media.decode import AudioStream, decoder
from tiny_media import write_numbered

SOUND = AudioStream(16_000, 1, 1.0, 5.0, "aac")


@pytest.mark.parametrize(
    ("start", "end", "span"),
    [
        (None, None, (1.0, 5.0)),
        (2.0, 3.0, (2.0, 3.0)),
        (0.0, 9.0, (1.0, 5.0)),
        (2.0, None, (2.0, 5.0)),
        (None, 2.0, (1.0, 2.0)),
        (5.0, 6.0, None),
        (7.0, 9.0, None),
        (0.0, 0.5, None),
        (0.0, 1.0, None),
    ],
)
def test_a_span_is_the_stream_inside_the_segment(
    start: float | None, end: float | None, span: tuple[float, float] | None
) -> None:
    assert span_within(Record("a", Path("a.mp4"), None, start, end), SOUND) == span


def test_a_stream_that_is_not_there_has_no_span() -> None:
    assert span_within(Record("a", Path("a.mp4")), None) is None


def test_a_single_picture_without_duration_has_a_span() -> None:
    still = AudioStream(16_000, 1, 1.0, 1.0, "aac")
    assert span_within(Record("a", Path("a.mp4"), None, 0.0, 2.0), still) == (1.0, 1.0)
    assert span_within(Record("a", Path("a.mp4"), None, 2.0, 3.0), still) is None


def test_a_version_of_a_file_is_probed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Path] = []
    probe = decoder.probe
    monkeypatch.setattr(decoder, "probe", lambda path: asked.append(path) or probe(path))
    path = write_numbered(tmp_path / "a.mp4", 5)
    ends = [file_facts(path).duration_seconds for _ in range(3)]
    assert ends == pytest.approx([0.5] * 3)
    assert len(asked) == 1
    write_numbered(path, 9)
    assert file_facts(path).duration_seconds == pytest.approx(0.9)
    assert len(asked) == 2


def test_a_file_that_cannot_be_read_is_a_decode_error(tmp_path: Path) -> None:
    with pytest.raises(DecodeError, match="no such file"):
        file_facts(tmp_path / "missing.mp4")
    with pytest.raises(DecodeError, match="cannot be read"):
        file_facts(tmp_path / ("a" * 300))


@pytest.mark.skipif(os.geteuid() == 0, reason="everything is readable to root")
def test_a_folder_without_permission_is_a_decode_error(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o000)
    with pytest.raises(DecodeError, match="cannot be read"):
        file_facts(closed / "a.mp4")
