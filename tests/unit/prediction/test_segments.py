"""Windows vote on parts; a segment goes on until another name has lasted."""

from collections.abc import Sequence

import pytest
import torch

from openmov.media.sampling import Span, window_grid
from openmov.scoring.segments import PartAverager, Run, Segmenter


def segments(
    rows: Sequence[Sequence[float]], min_seconds: float, margin: float = 0.0
) -> list[tuple[float, float, int]]:
    """Of parts of one second each, as (start, end, name)."""
    return [(run.span.start_seconds, run.span.end_seconds, run.name_index) for run in runs(rows, min_seconds, margin)]


def runs(rows: Sequence[Sequence[float]], min_seconds: float, margin: float = 0.0) -> list[Run]:
    segmenter = Segmenter(min_seconds, margin)
    found = [
        run
        for second, row in enumerate(rows)
        for run in segmenter.take(Span(float(second), float(second + 1)), torch.tensor(row))
    ]
    return [*found, *segmenter.rest()]


A, B, C = (0.9, 0.1, 0.0), (0.1, 0.9, 0.0), (0.0, 0.1, 0.9)


def test_runs_of_one_name_become_segments() -> None:
    assert segments([A, A, A, B, B], 1.0) == [(0.0, 3.0, 0), (3.0, 5.0, 1)]


def test_what_does_not_last_belongs_to_the_segment_before() -> None:
    assert segments([A, A, B, A, A], 2.0) == [(0.0, 5.0, 0)]
    assert segments([A, A, B, A, A], 1.0) == [(0.0, 2.0, 0), (2.0, 3.0, 1), (3.0, 5.0, 0)]


def test_a_name_takes_over_from_where_the_other_fell_behind() -> None:
    # C leads first, but over the three seconds B does: the segment is B's, from second 3 on
    assert segments([A, A, A, C, B, B], 3.0) == [(0.0, 3.0, 0), (3.0, 6.0, 1)]


def test_two_names_in_turn_end_the_segment_of_a_third() -> None:
    assert segments([A, A, A, A, B, C, B, C, B], 4.0) == [(0.0, 4.0, 0), (4.0, 9.0, 1)]
    # and had their own name not fallen behind, nothing would have ended
    assert segments([A, A, A, A, B, A, C, A, B], 4.0) == [(0.0, 9.0, 0)]


def test_a_lead_within_the_margin_changes_nothing() -> None:
    close = (0.45, 0.55, 0.0)
    assert segments([A, close, close], 1.0, margin=0.2) == [(0.0, 3.0, 0)]
    assert segments([A, close, close], 1.0, margin=0.05) == [(0.0, 1.0, 0), (1.0, 3.0, 1)]


def test_the_probability_is_the_mean_of_the_parts() -> None:
    (run,) = runs([(0.9, 0.1), (0.5, 0.5)], 1.0)
    assert run.probability == pytest.approx(0.7)


def test_nothing_gives_nothing_and_one_part_one_segment() -> None:
    assert segments([], 5.0) == []
    assert segments([B], 5.0) == [(0.0, 1.0, 1)]


def test_a_segment_is_given_as_soon_as_the_next_has_lasted() -> None:
    segmenter = Segmenter(2.0, 0.0)
    given = [
        list(segmenter.take(Span(float(s), float(s + 1)), torch.tensor(row))) for s, row in enumerate([A, A, B, B])
    ]
    assert [len(found) for found in given] == [0, 0, 0, 1]


class TestParts:
    grid = window_grid(Span(0.0, 6.0), 4.0, 2.0, 4)  # windows 0-4 and 2-6, parts of 2 s

    def test_are_the_mean_of_the_windows_over_them(self) -> None:
        averager = PartAverager(self.grid)
        averager.take(self.grid.window(0), torch.tensor([1.0, 0.0]))
        (first,) = averager.ready(self.grid.window(1))
        averager.take(self.grid.window(1), torch.tensor([0.0, 1.0]))
        second, third = averager.ready(None)
        assert [row.tolist() for _, row in (first, second, third)] == [[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]]
        assert [part for part, _ in (first, second, third)] == [Span(0.0, 2.0), Span(2.0, 4.0), Span(4.0, 6.0)]

    def test_end_where_the_windows_end(self) -> None:
        averager = PartAverager(self.grid)
        averager.take(Span(0.0, 2.5), torch.tensor([1.0, 0.0]))  # the file breaks off
        assert [part for part, _ in averager.ready(None)] == [Span(0.0, 2.0), Span(2.0, 2.5)]
