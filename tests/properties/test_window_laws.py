"""Laws of windows, parts and segments over many lengths, windows and hops."""

import math
from itertools import pairwise

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from openmov.media.sampling import Span, window_grid
from openmov.scoring.segments import PartAverager, Run, Segmenter

lengths = st.floats(0.05, 60)
grids = st.builds(
    lambda start, duration, window, share, frames: window_grid(
        Span(start, start + duration), window, window * share, frames
    ),
    st.floats(0, 20),
    lengths,
    st.floats(1, 30),
    st.floats(0.1, 1),
    st.integers(1, 16),
)


@given(grids)
@settings(max_examples=30, deadline=None, derandomize=True)
def test_parts_partition_the_video_and_every_part_lies_under_a_window(grid) -> None:  # type: ignore[no-untyped-def]
    parts = [grid.part(i) for i in range(grid.num_parts)]
    assert parts[0].start_seconds == grid.span.start_seconds
    assert math.isclose(parts[-1].end_seconds, grid.span.end_seconds)
    assert all(math.isclose(a.end_seconds, b.start_seconds) for a, b in pairwise(parts))
    windows = [grid.window(i) for i in range(grid.num_windows)]
    assert all(a.start_seconds < b.start_seconds for a, b in pairwise(windows))
    assert all(any(window.holds(part.middle_seconds) for window in windows) for part in parts)


@given(grids)
@settings(max_examples=30, deadline=None, derandomize=True)
def test_frames_of_a_window_lie_in_it_and_ascend(grid) -> None:  # type: ignore[no-untyped-def]
    for index in {0, grid.num_windows // 2, grid.num_windows - 1}:
        window, frames = grid.window(index), grid.frames_of(index)
        times = [grid.frame_seconds(i) for i in frames]
        assert len(frames) == grid.frames_per_window
        assert times == sorted(times)
        assert window.start_seconds - 1e-6 <= times[0]
        assert times[-1] <= window.end_seconds + 1e-6
    assert grid.num_frames == len(list(grid.frame_times()))


@given(grids, st.integers(0, 2**31), st.floats(0, 40), st.floats(0, 0.5))
@settings(max_examples=30, deadline=None, derandomize=True)
def test_segments_partition_the_video_and_none_is_shorter_than_asked(
    grid,  # type: ignore[no-untyped-def]
    seed: int,
    min_seconds: float,
    margin: float,
) -> None:
    generator = torch.Generator().manual_seed(seed)
    averager, segmenter = PartAverager(grid), Segmenter(min_seconds, margin)
    runs: list[Run] = []
    for index in range(grid.num_windows):
        averager.take(grid.window(index), torch.softmax(3 * torch.randn(3, generator=generator), 0))
        following = grid.window(index + 1) if index + 1 < grid.num_windows else None
        runs += [run for part, row in averager.ready(following) for run in segmenter.take(part, row)]
    runs += segmenter.rest()
    assert runs[0].span.start_seconds == grid.span.start_seconds
    assert math.isclose(runs[-1].span.end_seconds, grid.span.end_seconds)
    assert all(a.span.end_seconds == b.span.start_seconds for a, b in pairwise(runs))
    assert all(a.name_index != b.name_index for a, b in pairwise(runs))
    shortest = min(min_seconds, grid.span.end_seconds - grid.span.start_seconds)
    assert all(run.span.end_seconds - run.span.start_seconds > shortest - 1e-4 for run in runs)
    assert all(0 <= run.probability <= 1 + 1e-6 for run in runs)
