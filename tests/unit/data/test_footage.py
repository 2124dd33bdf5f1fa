"""The frame on screen at each time, its successor, and one decoding for all views."""

from pathlib import Path

import numpy as np
import pytest

from openmov.data import footage
from openmov.data.footage import Footage
from openmov.errors import DecodeError
from openmov.media.decode import Frames, decoder
from tiny_media import numbers_of, write_numbered

TIMES = [(0.0, 0.25, 0.55), (0.3, 0.3, 0.71), (1.1, 1.15, 1.2)]
ON_SCREEN = [[0, 2, 5], [3, 3, 7], [11, 11, 11]]
"""Frames of a video of 12, shown from n / 10 s on."""


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_numbered(tmp_path_factory.mktemp("footage") / "a.mp4")


def footage_of(path: Path, *, pairs: bool) -> Footage:
    return Footage(path, TIMES, pairs=pairs, min_gap_seconds=0.02)


@pytest.mark.parametrize("pairs", [False, True])
def test_frames_are_those_on_screen(video: Path, pairs: bool) -> None:
    """With pairs too, at the end of the video, where a pair begins one frame earlier."""
    found = footage_of(video, pairs=pairs)
    assert [numbers_of(found.frames(view)) for view in range(3)] == ON_SCREEN


def test_pairs_are_the_frames_and_their_successors(video: Path) -> None:
    found = footage_of(video, pairs=True)
    firsts = [numbers_of(found.pairs(view).first.images) for view in range(3)]
    seconds = [numbers_of(found.pairs(view).second.images) for view in range(3)]
    assert firsts == [[0, 2, 5], [3, 3, 7], [10, 10, 10]]
    assert seconds == [[1, 3, 6], [4, 4, 8], [11, 11, 11]]
    np.testing.assert_allclose(found.pairs(1).second.times_seconds, [0.4, 0.4, 0.8], atol=1e-6)


def test_a_frame_half_a_millisecond_late_is_on_screen_with_and_without_pairs(video: Path) -> None:
    for pairs in (False, True):
        late = Footage(video, [(1.1 - 5.05e-4,), (1.1 - 6e-4,)], pairs=pairs, min_gap_seconds=0.02)
        assert [numbers_of(late.frames(view)) for view in range(2)] == [[11], [10]]


def test_all_views_are_decoded_at_once_and_only_once(video: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    read = decoder.read_frame_pairs

    def counting(path: Path, times: np.ndarray, *, min_gap_seconds: float) -> object:
        asked.append(len(times))
        return read(path, times, min_gap_seconds=min_gap_seconds)

    monkeypatch.setattr(decoder, "read_frame_pairs", counting)
    found = footage_of(video, pairs=True)
    assert asked == []
    for view in (2, 0, 1):
        found.frames(view)
        found.pairs(view)
    assert asked == [9]


@pytest.mark.parametrize(("pairs", "views", "passes"), [(False, 3, 1), (False, 2, 2), (True, 1, 3), (True, 0, 3)])
def test_what_is_held_at_once_is_bounded(
    video: Path, monkeypatch: pytest.MonkeyPatch, pairs: bool, views: int, passes: int
) -> None:
    """Memory for so many views of three pictures of 64 x 48, or pairs of them: as few passes as that allows."""
    asked: list[int] = []
    for name in ("read_frames", "read_frame_pairs"):
        read = getattr(decoder, name)
        monkeypatch.setattr(decoder, name, lambda *a, read=read, **k: asked.append(len(a[1])) or read(*a, **k))
    monkeypatch.setattr(footage, "_MOST_BYTES", views * 3 * (2 if pairs else 1) * 64 * 48 * 3)
    found = footage_of(video, pairs=pairs)
    assert [numbers_of(found.frames(view)) for view in range(3)] == ON_SCREEN
    assert len(asked) == passes
    assert max(asked) == 3 * max(views, 1)
    assert numbers_of(found.frames(0)) == ON_SCREEN[0]
    if pairs:
        assert numbers_of(found.pairs(2).first.images) == [10, 10, 10]


def test_a_file_nobody_looks_at_is_not_opened(tmp_path: Path) -> None:
    unseen = footage_of(tmp_path / "missing.mp4", pairs=False)
    assert unseen.notes == ()
    with pytest.raises(DecodeError, match="no such file"):
        unseen.frames(0)


def test_pairs_that_were_not_planned_are_refused(video: Path) -> None:
    with pytest.raises(ValueError, match="without pairs"):
        footage_of(video, pairs=False).pairs(0)


def test_what_is_missing_or_damaged_is_noted(video: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = np.zeros((9, 2, 2, 3), np.uint8)
    monkeypatch.setattr(decoder, "read_frames", lambda path, times: Frames(images, np.zeros(9), 1.25, 3))
    found = footage_of(video, pairs=False)
    found.frames(0)
    cut, damaged = found.notes
    assert "1.2 s" in cut
    assert "3" in damaged
    monkeypatch.undo()
    whole = footage_of(video, pairs=False)
    whole.frames(0)
    assert whole.notes == ()
