"""Numbers of a table from evaluations whose answers are known."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from openmov.evaluation.result import Conditions, Evaluation
from openmov.experiments.differences import compare
from openmov.experiments.outcome import (
    Cell,
    FindingOutcome,
    class_changes,
    metric_count,
    metric_value,
    part_value,
    settings_said,
)
from openmov.experiments.study import Finding, MethodSpec
from tiny_evaluations import FOUND, evaluation

CROSSED = {
    "full": evaluation([1, 0, 0, 0], [], ["b"]),
    "half0": evaluation([1, 1], [], ["b"]),
    "half1": evaluation([1, 0], [], ["b"]),
}


def test_figures_are_those_of_their_protocol() -> None:
    assert metric_value(FOUND, "base") == 0.75
    assert metric_value(FOUND, "novel") == 0.5
    assert metric_value(FOUND, "harmonic") == pytest.approx(0.6)
    assert metric_value(FOUND, "generalised_base") == 1.0
    assert metric_value(FOUND, "generalised_novel") == pytest.approx(1 / 3)
    assert metric_value(FOUND, "generalised_harmonic") == pytest.approx(0.5)
    assert metric_count(FOUND, "base") == 4
    assert metric_count(FOUND, "harmonic") == 6


def test_the_right_part_of_a_wrong_name_counts() -> None:
    """Answers: a star low, a ring low, a ring high; right as a whole is the first, in its sound the first two."""
    one = evaluation([1, 0, 0], ["a star low", "a ring low", "a ring high"], [])
    said = ("a star low", "a ring low", "a ring high")
    pairs = zip(one.records, said, strict=True)
    answered = replace(one, records=tuple(replace(each, label="a star low", names=(name,)) for each, name in pairs))
    parts = {"a star low": "low", "a ring low": "low", "a ring high": "high"}
    assert part_value({"base": answered}, "base", parts) == pytest.approx(2 / 3)
    assert metric_value({"base": answered}, "base") == pytest.approx(1 / 3)


def test_on_another_data_set_official_splits_are_averaged_where_there_are_any() -> None:
    assert metric_value(CROSSED, "full") == 0.25
    splits = {"split1": evaluation([1, 1], [], ["b"]), "split2": evaluation([1, 0], [], ["b"])}
    assert metric_value(CROSSED | splits, "full") == 0.75
    assert metric_value(CROSSED, "half_mean") == 0.75
    assert metric_value(CROSSED, "half_std") == 0.25


def test_a_cell_is_the_mean_over_seeds_with_its_deviation() -> None:
    cell = Cell((0.5, 0.7), 10, 51.2)
    assert cell.mean == pytest.approx(0.6)
    assert cell.deviation == pytest.approx(0.141421, abs=1e-6)
    assert Cell((), 0, 51.2).mean is None


def test_only_an_interval_that_leaves_out_zero_decides() -> None:
    all_right, none, half = ([evaluation_of(right)] for right in ([1] * 30, [0] * 30, [1, 0] * 15))
    finding = Finding("a beats b", "flow", "base", MethodSpec(), MethodSpec())
    assert FindingOutcome(finding, compare(all_right, none, "base")).verdict == "holds"
    assert FindingOutcome(finding, compare(none, half, "base")).verdict == "does not hold"
    flipped = [evaluation_of([0, 1] * 15)]
    assert FindingOutcome(finding, compare(half, flipped, "base")).verdict == "undecided"
    assert FindingOutcome(finding, compare(half, half, "base")).verdict == "no difference"
    assert FindingOutcome(finding, None).verdict == "not measured"


def test_what_was_only_asked_is_answered() -> None:
    all_right, none = ([evaluation_of(right)] for right in ([1] * 30, [0] * 30))
    asked = Finding("a beats b", "flow", "base", MethodSpec(), MethodSpec())
    assert FindingOutcome(asked, compare(all_right, none, "base")).answer == "yes"
    assert FindingOutcome(asked, compare(none, all_right, "base")).answer == "no"
    assert FindingOutcome(asked, compare(none, none, "base")).answer == "no difference"


def evaluation_of(right: Sequence[int]) -> dict[str, Evaluation]:
    return {"base": evaluation(right, ["a"], [])}


def test_changes_of_classes_are_means_over_seeds() -> None:
    before = [{"base": evaluation([0, 1, 0, 1], ["a", "c"], []), "novel": evaluation([1, 1], [], ["b"])}]
    after = [
        {"base": evaluation([1, 1, 1, 0], ["a", "c"], []), "novel": evaluation([1, 0], [], ["b"])},
        {"base": evaluation([0, 1, 0, 0], ["a", "c"], []), "novel": evaluation([0, 0], [], ["b"])},
    ]
    found = {one.name: (one.role, one.change) for one in class_changes(after, before * 2)}
    assert found == {"a": ("base", 0.5), "c": ("base", -0.5), "b": ("novel", -0.75)}


def test_settings_are_said_once_where_all_seeds_have_the_same() -> None:
    paths = ({"beta": 0.9, "tau_x": 0.01, "tau_v": 0.0301}, {"beta": 0.9, "tau_x": 0.01, "tau_v": 0.1})
    seeds = [{"base": replace(evaluation([1], ["a"], []), conditions=conditions(path))} for path in paths]
    assert settings_said(seeds) == "beta 0.9, tau_v 0.03 / 0.1"
    assert settings_said(seeds[:1]) == "beta 0.9, tau_v 0.03"
    assert settings_said([{"base": evaluation([1], ["a"], [])}]) == ""


def conditions(path: dict[str, float]) -> Conditions:
    return Conditions("clip28", (), "1x1", {}, "tiny", "b", "m", {}, 0.0, novel_path=path)
