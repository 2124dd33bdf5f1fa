"""What the page of results says, line by line."""

from collections.abc import Sequence

import pytest

from openmov.evaluation.metrics import PairedDifference
from openmov.evaluation.result import Evaluation, SampleRecord
from openmov.experiments.results import Goal, GoalOutcome, MethodOverSeeds, SeedResult, results_markdown
from openmov.report.content import MethodKind


def evaluation(right: Sequence[int]) -> Evaluation:
    records = tuple(SampleRecord(f"v{i}", "a", 1 if ok else 2, 0.5, ("a",), (1.0,)) for i, ok in enumerate(right))
    return Evaluation("", ("a",), (), "id", records)


HALF, ALL = evaluation([1, 0]), evaluation([1, 1])
TABLE: dict[MethodKind, MethodOverSeeds] = {
    "clip": MethodOverSeeds("CLIP", (SeedResult(HALF, HALF), SeedResult(HALF, HALF))),
    "mov": MethodOverSeeds("MOV", (SeedResult(ALL, HALF), SeedResult(HALF, HALF)), ("beta 0.25", "beta 0.5")),
}
REACHED = (
    GoalOutcome(Goal("mov", ("clip",), "base", 0.241, "table 1"), "clip", PairedDifference(0.25, 0.1, 0.4, 0.01, 2)),
    GoalOutcome(Goal("mov", ("clip",), "novel", 0.027, "table 2"), "clip", PairedDifference(0.0, -0.1, 0.1, 1.0, 2)),
)


@pytest.fixture(scope="module")
def page() -> str:
    facts = {
        "date": "2026-11-23",
        "seeds": [0, 1],
        "minutes": 61.5,
        "machine": {"cores": "2", "memory": "8 GiB"},
        "software": {"openmov": "0.1.0"},
        "tasks": {"motion": {"epochs": "10", "test videos": "3584 of 3584"}},
    }
    return results_markdown({"motion": "Motion"}, {"motion": TABLE}, {"motion": REACHED}, facts)


def test_rows_are_mean_and_deviation_in_per_cent(page: str) -> None:
    """CLIP 50 on both; MOV's base 100 and 50: 75, deviation 35.4, harmonic means 2/3 and 1/2."""
    lines = page.splitlines()
    assert "| CLIP | 50.0 ± 0.0 | 50.0 ± 0.0 | 50.0 |" in lines
    assert "| MOV (beta 0.25; beta 0.5) | 75.0 ± 35.4 | 50.0 ± 0.0 | 58.3 |" in lines


def test_goals_say_what_was_asked_measured_and_whether_it_was_met(page: str) -> None:
    lines = page.splitlines()
    assert "| base | MOV against CLIP | +24.1 (table 1) | +25.0 [+10.0, +40.0] | yes |" in lines
    assert "| novel | MOV against CLIP | +2.7 (table 2) | +0.0 [-10.0, +10.0] | no |" in lines


def test_it_says_what_was_run(page: str) -> None:
    assert page.startswith("# Results on ShapesAV, 2026-11-23\n")
    for fact in ("Training seeds 0, 1", "61.5 minutes", "cores 2, memory 8 GiB", "openmov 0.1.0", "## Motion"):
        assert fact in page
    assert "epochs 10, test videos 3584 of 3584" in page


def test_every_table_is_one(page: str) -> None:
    """As many cells in each row as in its head, a rule under the head, an empty line around."""
    blocks = [block.splitlines() for block in page.split("\n\n") if block.startswith("|")]
    assert len(blocks) == 2
    for head, rule, *rows in blocks:
        assert set(rule) == {"|", "-"}
        assert {line.count("|") for line in (rule, *rows)} == {head.count("|")}
