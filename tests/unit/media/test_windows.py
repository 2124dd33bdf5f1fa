"""Windows look at one grid of times; parts cover the video."""

import math

import pytest

from openmov.media.sampling import Span, WindowGrid, window_grid


def grid(duration: float, window: float, hop: float, frames: int = 16, start: float = 0.0) -> WindowGrid:
    return window_grid(Span(start, start + duration), window, hop, frames)


def test_a_known_grid() -> None:
    found = grid(10.0, 4.0, 2.0, frames=4)
    assert (found.step_seconds, found.frames_per_window, found.num_windows, found.num_parts) == (1.0, 4, 4, 5)
    assert [found.window(i).start_seconds for i in range(4)] == [0.0, 2.0, 4.0, 6.0]
    assert list(found.frame_times()) == [0.5, 1.5, 2.5, 3.5, 4.5, 5.5, 6.5, 7.5, 8.5, 9.5]
    assert list(found.frames_of(1)) == [2, 3, 4, 5]  # two of them window 0 has seen


def test_the_last_window_moves_back_to_end_with_the_video() -> None:
    found = grid(9.0, 4.0, 2.0, frames=4)
    assert [found.window(i).start_seconds for i in range(found.num_windows)] == [0.0, 2.0, 4.0, 5.0]
    assert found.window(3).end_seconds == 9.0
    assert found.part(found.num_parts - 1) == Span(8.0, 9.0)


@pytest.mark.parametrize("duration", [0.04, 1.0, 4.0])
def test_a_video_no_longer_than_a_window_is_one_window_with_all_its_frames(duration: float) -> None:
    found = grid(duration, 4.0, 2.0, frames=8, start=1.0)
    assert (found.num_windows, found.num_parts, found.num_frames) == (1, 1, 8)
    assert found.window(0) == found.part(0) == Span(1.0, 1.0 + duration)


def test_a_video_of_one_picture_is_one_window_of_one_frame() -> None:
    found = grid(0.0, 4.0, 2.0, start=3.0)
    assert (found.num_windows, found.num_parts, list(found.frame_times())) == (1, 1, [3.0])
    assert found.part(0).holds(3.0)


def test_a_hop_shorter_than_the_step_still_shares_frames() -> None:
    found = grid(20.0, 10.0, 0.5, frames=4)  # frames 2.5 s apart, windows every half second
    assert list(found.frames_of(0))[1:] == [i - 5 for i in list(found.frames_of(5))[1:]]
    assert set(found.frames_of(5)) & set(found.frames_of(0)) == set(list(found.frames_of(0))[1:])
    assert found.frames_per_window == 4


@pytest.mark.parametrize(("window", "hop"), [(0.0, 0.0), (4.0, 0.0), (4.0, 4.1), (math.inf, 1.0), (-1.0, -1.0)])
def test_windows_that_would_not_cover_the_video_are_refused(window: float, hop: float) -> None:
    with pytest.raises(ValueError, match="no windows"):
        grid(10.0, window, hop)
