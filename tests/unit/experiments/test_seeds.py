"""Means, deviations and outcomes of goals by hand."""

from collections.abc import Sequence

import numpy as np
import pytest

from openmov.evaluation.result import Evaluation, Role, SampleRecord
from openmov.experiments.results import Goal, MethodOverSeeds, SeedResult, outcomes
from openmov.report.content import MethodKind


def evaluation(right: Sequence[int], role: Role, first: int = 0) -> Evaluation:
    """One clip for each 0 or 1: wrong or right."""
    names = ("a", "b")
    records = tuple(
        SampleRecord(f"v{first + i}", "a", 1 if ok else 2, 0.5, names, (0.5, 0.5)) for i, ok in enumerate(right)
    )
    base, novel = (names, ()) if role == "base" else ((), names)
    return Evaluation("", base, novel, "id", records)


def method(name: str, base: Sequence[Sequence[int]], novel: Sequence[Sequence[int]] | None = None) -> MethodOverSeeds:
    """One row of 0 and 1 a seed."""
    pairs = zip(base, novel or base, strict=True)
    return MethodOverSeeds(name, tuple(SeedResult(evaluation(b, "base"), evaluation(n, "novel")) for b, n in pairs))


TWO_SEEDS = method("two", base=[[1, 1, 1, 0], [1, 0, 0, 0]], novel=[[1, 1], [1, 0]])
"""Base 3/4 and 1/4, novel 1 and 1/2."""


class TestMethodOverSeeds:
    def test_mean_and_deviation(self) -> None:
        """The deviation is over n - 1: sqrt(2 * 0.25^2) on base, sqrt(2 * 0.25^2) on novel."""
        assert TWO_SEEDS.mean_std("base") == pytest.approx((0.5, 0.125**0.5))
        assert TWO_SEEDS.mean_std("novel") == pytest.approx((0.75, 0.125**0.5))

    def test_one_seed_has_no_deviation(self) -> None:
        assert method("one", [[1, 0]]).mean_std("base") == (0.5, 0.0)

    def test_the_harmonic_mean_is_taken_seed_by_seed(self) -> None:
        """2 * 3/4 / (7/4) = 6/7 and 2 * 1/8 / (3/4) = 1/3, not that of the means (0.6)."""
        assert TWO_SEEDS.harmonic == pytest.approx((6 / 7 + 1 / 3) / 2)
        assert method("nothing", [[0, 0]]).harmonic == 0.0

    def test_correctness_is_the_share_of_seeds(self) -> None:
        np.testing.assert_array_equal(TWO_SEEDS.correctness("base"), [1, 0.5, 0.5, 0])
        np.testing.assert_array_equal(TWO_SEEDS.correctness("novel"), [1, 0.5])

    def test_seeds_tested_on_different_clips_are_refused(self) -> None:
        same = evaluation([1, 0], "novel")
        for other in (evaluation([1, 0], "base", first=5), evaluation([1, 0, 1], "base")):
            mixed = MethodOverSeeds("m", (SeedResult(evaluation([1, 0], "base"), same), SeedResult(other, same)))
            with pytest.raises(ValueError, match="not tested on the same base clips"):
                mixed.correctness("base")
            assert mixed.correctness("novel").tolist() == [1, 0]


METHODS: dict[MethodKind, MethodOverSeeds] = {
    "mov": method("MOV", [[1, 1, 1, 1], [1, 1, 1, 0]]),
    "single": method("Flow only", [[1, 0, 0, 0], [1, 0, 0, 0]], [[1, 1, 1, 0]] * 2),
    "video": method("Video only", [[1, 1, 0, 0], [1, 0, 0, 0]], [[1, 0, 0, 0]] * 2),
}
"""On base clips 7/8, 1/4 and 3/8; on novel ones 7/8, 3/4 and 1/4."""


class TestOutcomes:
    def ask(self, margin: float, role: Role = "base", theirs: tuple[MethodKind, ...] = ("single", "video")) -> Goal:
        return Goal("mov", theirs, role, margin, "here")

    def test_the_best_rival_counts_by_role(self) -> None:
        on_base, on_novel = outcomes(METHODS, (self.ask(0.0), self.ask(0.0, "novel")))
        assert (on_base.theirs, on_novel.theirs) == ("video", "single")
        assert on_base.difference.mean == pytest.approx(7 / 8 - 3 / 8)
        assert on_novel.difference.mean == pytest.approx(7 / 8 - 3 / 4)
        assert on_base.difference.count == 4
        assert on_base.difference.low <= on_base.difference.mean <= on_base.difference.high

    @pytest.mark.parametrize(("margin", "met"), [(0.49, True), (0.5, True), (0.51, False)])
    def test_a_goal_is_met_where_the_mean_reaches_the_margin(self, margin: float, met: bool) -> None:
        (found,) = outcomes(METHODS, (self.ask(margin),))
        assert found.met is met

    def test_worse_misses_and_equal_meets_a_margin_of_nothing(self) -> None:
        worse = Goal("single", ("mov",), "base", 0.0, "here")
        equal = Goal("mov", ("mov",), "base", 0.0, "here")
        assert [found.met for found in outcomes(METHODS, (worse, equal))] == [False, True]

    def test_a_goal_of_what_was_not_measured_is_left_out(self) -> None:
        absent = (Goal("mov_calibrated", ("video",), "base", 0.0, "here"), self.ask(0.0, theirs=("clip",)))
        (found,) = outcomes(METHODS, (*absent, self.ask(0.1, theirs=("clip", "single"))))
        assert found.theirs == "single"

    def test_methods_tested_on_different_clips_are_refused(self) -> None:
        elsewhere = SeedResult(evaluation([1, 0, 0, 1], "base", first=9), evaluation([1], "novel"))
        methods = METHODS | {"clip": MethodOverSeeds("CLIP", (elsewhere,))}
        with pytest.raises(ValueError, match="MOV and CLIP were not tested on the same base clips"):
            outcomes(methods, (self.ask(0.0, theirs=("clip",)),))
