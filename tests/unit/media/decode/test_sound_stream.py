"""A stream of sound gives what read_waveform gives, span by span."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from openmov.media.decode import SoundStream, read_waveform
from openmov.media.encode import write_clip

Any_ = Any


@pytest.fixture(scope="module", params=[16_000, 44_100])
def sound(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, sine: Any_) -> Path:
    """12 s of two tones in turn."""
    path = tmp_path_factory.mktemp("sound") / "sound.mp4"
    rate = request.param
    pieces = [sine(300 + 200 * (i % 2), 1.0, rate) * (0.3 + 0.05 * i) for i in range(12)]
    write_clip(path, None, 10.0, np.concatenate(pieces).astype(np.float32), rate)
    return path


def test_overlapping_spans_are_those_of_read_waveform(sound: Path) -> None:
    with SoundStream(sound, 0.0, 16_000) as stream:
        for start in (0.0, 0.5, 0.5, 3.0, 7.25):
            found, expected = stream.span(start, start + 2.5), read_waveform(sound, start, start + 2.5, 16_000)
            assert found is not None
            assert expected is not None
            np.testing.assert_allclose(found.samples, expected.samples, atol=2e-4)
            assert found.start_seconds == pytest.approx(start)


def test_it_ends_with_the_sound_without_silence(sound: Path) -> None:
    with SoundStream(sound, 0.0, 16_000) as stream:
        last = stream.span(11.0, 20.0)
        assert last is not None
        assert 0.9 < len(last.samples) / 16_000 < 1.2
        assert stream.span(15.0, 16.0) is None
        assert stream.held_seconds == pytest.approx(12.0, abs=0.2)


def test_spans_that_go_back_are_refused(sound: Path) -> None:
    with SoundStream(sound, 0.0, 16_000) as stream:
        stream.span(2.0, 3.0)
        with pytest.raises(ValueError, match="ascend"):
            stream.span(1.0, 2.0)


def test_only_what_is_needed_is_held(sound: Path) -> None:
    with SoundStream(sound, 0.0, 16_000) as stream:
        held = []
        for start in np.arange(0.0, 10.0, 0.5):
            stream.span(start, start + 1.0)
            held.append(len(stream._held))
        assert max(held) < 2 * 16_000


def test_a_silent_file_gives_nothing(tmp_path: Path, numbered_images: Any_) -> None:
    write_clip(tmp_path / "silent.mp4", numbered_images(10), 10.0, None)
    with SoundStream(tmp_path / "silent.mp4", 0.0, 16_000) as stream:
        assert stream.span(0.0, 1.0) is None
