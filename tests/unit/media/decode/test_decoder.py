"""The guarded decoder gives what the plain one gives; a file it hangs or crashes on is a fault of that file."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from openmov.errors import DecodeError
from openmov.media.decode import PLAIN, Decoder, GuardedDecoder, limited_decoder
from openmov.media.encode import write_clip
from openmov.runtime.workers import CallsClosedError
from tricky_decoder import TrickyDecoder

Any_ = Callable[..., Any]


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory, numbered_images: Any_, sine: Any_) -> Path:
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    write_clip(path, numbered_images(20), 10.0, sine(500, 2.0))
    return path


@pytest.fixture(scope="module")
def guarded() -> Iterator[GuardedDecoder]:
    decoder = GuardedDecoder(20.0)
    yield decoder
    decoder.close()


def test_both_are_decoders(guarded: GuardedDecoder) -> None:
    assert isinstance(guarded, Decoder)
    assert isinstance(PLAIN, Decoder)


def test_a_guarded_decoder_gives_what_a_plain_one_gives(clip: Path, guarded: GuardedDecoder) -> None:
    assert guarded.probe(clip) == PLAIN.probe(clip)
    assert guarded.check(clip, deep=True) == PLAIN.check(clip, deep=True)
    ours, theirs = guarded.read_frames(clip, [0.1, 1.0]), PLAIN.read_frames(clip, [0.1, 1.0])
    np.testing.assert_array_equal(ours.images, theirs.images)
    np.testing.assert_array_equal(ours.times_seconds, theirs.times_seconds)
    first, second = (d.read_frame_pairs(clip, [0.5, 1.9], min_gap_seconds=0.02) for d in (guarded, PLAIN))
    np.testing.assert_array_equal(first.first.images, second.first.images)
    np.testing.assert_array_equal(first.second.images, second.second.images)
    heard, expected = (decoder.read_waveform(clip, 0.2, 1.2, 16_000) for decoder in (guarded, PLAIN))
    assert heard is not None
    assert expected is not None
    np.testing.assert_array_equal(heard.samples, expected.samples)


def test_a_fault_of_the_file_stays_what_it_is(tmp_path: Path, guarded: GuardedDecoder) -> None:
    (tmp_path / "empty.mp4").write_bytes(b"")
    for decoder in (guarded, PLAIN):
        with pytest.raises(DecodeError, match="empty file"):
            decoder.probe(tmp_path / "empty.mp4")
        assert decoder.check(tmp_path / "empty.mp4").faults == ("an empty file",)


@pytest.mark.parametrize(("name", "fault"), [("hang.mp4", "longer than 1 s"), ("crash.mp4", "crashed")])
def test_a_hang_or_a_crash_is_a_fault_of_that_file_alone(clip: Path, name: str, fault: str) -> None:
    decoder = GuardedDecoder(1.0, TrickyDecoder())
    try:
        for read in (decoder.probe, lambda path: decoder.read_frames(path, [0.0])):
            with pytest.raises(DecodeError, match=f"{name}: .*{fault}"):
                read(clip.with_name(name))
            assert decoder.probe(clip) == PLAIN.probe(clip)
        (found,) = decoder.check(clip.with_name(name)).faults
        assert fault in found
    finally:
        decoder.close()


def test_no_limit_means_no_other_process(clip: Path) -> None:
    with limited_decoder(0) as decoder:
        assert decoder is PLAIN
    with limited_decoder(20) as guarded:
        assert guarded.probe(clip) == PLAIN.probe(clip)
    with pytest.raises(CallsClosedError):
        guarded.probe(clip)


def test_a_closed_decoder_is_no_fault_of_a_file(clip: Path) -> None:
    decoder = GuardedDecoder(20.0)
    decoder.close()
    with pytest.raises(CallsClosedError):
        decoder.probe(clip)


@pytest.mark.parametrize("special", ["pipe", "device"])
def test_what_would_be_waited_for_without_end_is_refused(tmp_path: Path, special: str) -> None:
    path = Path("/dev/zero")
    if special == "pipe":
        path = tmp_path / "pipe.mp4"
        os.mkfifo(path)
    with pytest.raises(DecodeError, match="no regular file"):
        PLAIN.probe(path)
