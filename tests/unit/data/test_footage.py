"""One pass through a video for all its moments; what each of them shows; what was odd on the way."""

from pathlib import Path

import pytest

from openmov.data import footage
from openmov.data.footage import Footage
from openmov.errors import DecodeError
from openmov.media.decode import Moment, Moments, Sizes, decoder
from openmov.media.sampling import Crop
from tiny_media import numbers_of, write_numbered

WHOLE, LEFT = Crop(0.0, 0.0, 1.0, 1.0), Crop(0.0, 0.0, 0.5, 1.0)
MOMENTS = [Moment(times, (WHOLE, LEFT)) for times in ((0.0, 0.2, 0.5), (0.3, 0.35, 0.7), (1.05, 1.1, 5.0))]
"""Frames 0 2 5, then 3 3 7, then 10 11 11 of the twelve, 10 a second."""
ON_SCREEN = [[0, 2, 5], [3, 3, 7], [10, 11, 11]]
MOMENT_BYTES = 3 * (2 * 3 * 16**2 + 2 * 24 * 32)
"""Of three pictures through two crops of 16 px, with grey pairs at short side 24 of 64 x 48."""


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_numbered(tmp_path_factory.mktemp("footage") / "a.mp4")


def footage_of(path: Path, *, pairs: bool) -> Footage:
    return Footage(path, MOMENTS, Sizes(16, 24 if pairs else None, 0.02))


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many moments were read in each pass."""
    counts: list[int] = []
    read = decoder.read_moments

    def counting(path: Path, moments: list[Moment], sizes: Sizes) -> Moments:
        counts.append(len(moments))
        return read(path, moments, sizes)

    monkeypatch.setattr(decoder, "read_moments", counting)
    return counts


@pytest.mark.parametrize("pairs", [False, True])
def test_crops_are_of_the_frames_on_screen(video: Path, pairs: bool) -> None:
    """With pairs too, at the end of the video, where a pair begins one frame earlier."""
    found = footage_of(video, pairs=pairs)
    for crop in (0, 1):
        assert [numbers_of(found.crop(moment, crop)) for moment in range(3)] == ON_SCREEN


def test_pairs_are_the_frames_and_their_successors(video: Path) -> None:
    found = footage_of(video, pairs=True)
    assert [numbers_of(found.pairs(moment).first) for moment in range(3)] == [[0, 2, 5], [3, 3, 7], [10, 10, 10]]
    assert [numbers_of(found.pairs(moment).second) for moment in range(3)] == [[1, 3, 6], [4, 4, 8], [11, 11, 11]]
    assert found.pairs(0).first.shape == (3, 24, 32)


def test_a_frame_half_a_millisecond_late_is_on_screen_with_and_without_pairs(video: Path) -> None:
    late = [Moment((1.1 - 5.05e-4,), (WHOLE,)), Moment((1.1 - 6e-4,), (WHOLE,))]
    for short_side in (None, 24):
        found = Footage(video, late, Sizes(16, short_side, 0.02))
        assert [numbers_of(found.crop(moment, 0)) for moment in range(2)] == [[11], [10]]


def test_all_moments_are_read_at_once_and_only_once(video: Path, asked: list[int]) -> None:
    found = footage_of(video, pairs=True)
    assert asked == []
    for moment in (2, 0, 1):
        found.crop(moment, 0)
        found.pairs(moment)
    assert asked == [3]


@pytest.mark.parametrize(("moments", "passes"), [(3, 1), (2, 2), (1, 3), (0, 3)])
def test_what_is_held_at_once_is_bounded(
    video: Path, monkeypatch: pytest.MonkeyPatch, asked: list[int], moments: int, passes: int
) -> None:
    """Memory for so many moments: as few passes as that allows."""
    monkeypatch.setattr(footage, "_MOST_BYTES", moments * MOMENT_BYTES)
    found = footage_of(video, pairs=True)
    assert [numbers_of(found.crop(moment, 0)) for moment in range(3)] == ON_SCREEN
    assert len(asked) == passes
    assert max(asked) == max(moments, 1)
    assert numbers_of(found.crop(0, 1)) == ON_SCREEN[0]
    assert numbers_of(found.pairs(2).first) == [10, 10, 10]


def test_a_file_nobody_looks_at_is_not_opened(tmp_path: Path) -> None:
    unseen = footage_of(tmp_path / "missing.mp4", pairs=False)
    assert unseen.notes == ()
    with pytest.raises(DecodeError, match="no such file"):
        unseen.crop(0, 0)


def test_pairs_that_were_not_planned_are_refused(video: Path) -> None:
    with pytest.raises(ValueError, match="without pairs"):
        footage_of(video, pairs=False).pairs(0)


def test_what_is_missing_or_damaged_is_noted(video: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = decoder.read_moments
    monkeypatch.setattr(decoder, "read_moments", lambda *given: Moments(read(*given).pictures, 1.25, 3))
    found = footage_of(video, pairs=False)
    found.crop(0, 0)
    cut, damaged = found.notes
    assert "1.2 s" in cut
    assert "3" in damaged
    monkeypatch.undo()
    whole = footage_of(video, pairs=False)
    whole.crop(0, 0)
    assert whole.notes == ()


def test_what_is_held_does_not_grow_with_the_resolution(tmp_path: Path) -> None:
    """Bytes of the same moments of a small and of a large video."""
    held = []
    for scale in (1, 4):
        path = tmp_path / f"{scale}.mp4"
        write_numbered(path, height=48 * scale, width=64 * scale)
        found = footage_of(path, pairs=True)
        pairs = found.pairs(0)
        held.append(sum(found.crop(0, crop).nbytes for crop in (0, 1)) + pairs.first.nbytes + pairs.second.nbytes)
    assert held == [MOMENT_BYTES, MOMENT_BYTES]
