"""Differences between two entrants whose answers are known."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from openmov.evaluation.metrics import harmonic_mean
from openmov.experiments.differences import compare, compare_lost, harmonic_difference
from openmov.experiments.outcome import Evaluations
from tiny_evaluations import FOUND, evaluation


def answers(*seeds: Sequence[int]) -> np.ndarray:
    return np.array(seeds, dtype=bool)


def test_a_comparison_pairs_clips_and_averages_seeds() -> None:
    better = {"base": evaluation([1] * 40, ["a"], [])}
    worse = {"base": evaluation([0] * 40, ["a"], [])}
    assert compare([better, worse], [worse, worse], "base").mean == 0.5
    other = {"base": evaluation([1] * 41, ["a"], [])}
    with pytest.raises(ValueError, match="not measured on the same clips"):
        compare([better], [other], "base")


def test_a_generalised_comparison_takes_the_clips_of_its_role_alone() -> None:
    nothing = {"generalised": evaluation([0, 0, 0, 0, 0, 0], ["a"], ["b"])}
    assert compare([FOUND], [nothing], "generalised_base").mean == 1.0
    assert compare([FOUND], [nothing], "generalised_novel").count == 3


def test_what_is_lost_is_compared_clip_by_clip() -> None:
    """Ours loses 1 clip of 4, theirs 3 of the same 4; that theirs was right more often before does not matter."""

    def seen(right: Sequence[int], folder: str) -> list[Evaluations]:
        found = evaluation(right, ["a"], [])
        moved = tuple(replace(one, video_id=f"{folder}/{one.video_id}") for one in found.records)
        return [{"base": replace(found, records=moved)}]

    ours = seen([1, 1, 0, 0] * 10, "test"), seen([1, 0, 0, 0] * 10, "swapped")
    theirs = seen([1, 1, 1, 1] * 10, "test"), seen([1, 0, 0, 0] * 10, "swapped")
    found = compare_lost(ours, theirs, "base")
    assert found.mean == 0.5
    assert 0 < found.low < 0.5 < found.high
    assert compare_lost(theirs, ours, "base").mean == -0.5
    assert compare_lost(ours, ours, "base").low == compare_lost(ours, ours, "base").high == 0
    fewer = seen([1] * 39, "swapped")
    with pytest.raises(ValueError, match="not those of before"):
        compare_lost((ours[0], fewer), theirs, "base")
    with pytest.raises(ValueError, match="not measured on the same clips"):
        compare_lost((fewer, fewer), theirs, "base")


def test_a_harmonic_difference_is_that_of_the_seeds_own_harmonic_means() -> None:
    """Not the harmonic mean of averaged accuracies: (1, 0) and (0, 1) have 0 each."""
    ours = [answers([1, 1], [0, 0]), answers([0, 0], [1, 1])]
    half = [answers([1, 0], [1, 0]), answers([1, 0], [1, 1])]
    found = harmonic_difference(ours, half)
    assert found.mean == pytest.approx(0 - (0.5 + harmonic_mean(0.5, 1.0)) / 2)
    assert harmonic_difference(half, half).low == harmonic_difference(half, half).high == 0


def test_one_side_of_nothing_leaves_a_harmonic_mean_of_nothing() -> None:
    right, wrong = answers([1] * 30), answers([0] * 30)
    assert harmonic_difference([right, wrong], [wrong, wrong]).mean == 0
    whole = harmonic_difference([right, right], [right, wrong])
    assert (whole.mean, whole.low, whole.high, whole.count) == (1, 1, 1, 60)
    with pytest.raises(ValueError, match="no clip"):
        harmonic_difference([right, answers([])], [right, answers([])])


def test_its_interval_is_about_as_wide_as_the_delta_method_says() -> None:
    """H = 2ab / (a + b); for independent a and b with variances p(1 - p) / n the delta method gives its deviation."""
    random = np.random.default_rng(3)
    base, novel = random.random(400) < 0.8, random.random(200) < 0.5
    found = harmonic_difference([base[None], novel[None]], [answers([0] * 400), answers([0] * 200)])
    a, b = base.mean(), novel.mean()
    slopes = 2 * b**2 / (a + b) ** 2, 2 * a**2 / (a + b) ** 2
    deviation = np.sqrt(slopes[0] ** 2 * a * (1 - a) / 400 + slopes[1] ** 2 * b * (1 - b) / 200)
    assert found.mean == pytest.approx(harmonic_mean(a, b))
    assert (found.high - found.low) / (2 * 1.96) == pytest.approx(deviation, rel=0.05)


def test_clips_among_all_names_are_taken_by_their_role() -> None:
    all_right: Evaluations = {"generalised": evaluation([1] * 6, ["a"], ["b"])}
    found = compare([all_right], [FOUND], "generalised_harmonic")
    assert found.mean == pytest.approx(1 - harmonic_mean(1.0, 1 / 3))
    assert found.count == 6
