"""What came of a study: its tables, curves and findings with what was measured beside what the paper has.

    evaluations of one method and seed --metric_value--> a number --over seeds--> Cell

Fractions, but the paper's numbers, which are in per cent.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from openmov.evaluation.metrics import PairedDifference, harmonic_mean, spread
from openmov.evaluation.result import Evaluation
from openmov.experiments.study import Changes, Column, Finding, Metric, Panel, Row, Study, Table
from openmov.report.content import ClassChange
from openmov.report.paper import published

_SETTINGS = ("beta", "tau_v")
Evaluations = Mapping[str, Evaluation]
"""Of one method and seed, by protocol: base, novel, generalised, or full, split1 ..., half0 ..."""


@dataclass(frozen=True)
class Cell:
    """One number of a table."""

    values: tuple[float, ...]
    """Measured, one a training seed; empty where it was not measured."""
    count: int
    """Clips it is about; 0 where it was not measured."""
    published: float | None
    """The paper's, in per cent."""
    why_not: str = ""
    """Why it was not measured, where it was not."""
    said: str = ""
    """What it came to, where that is not an accuracy."""

    @property
    def mean(self) -> float | None:
        """Over seeds."""
        return float(np.mean(self.values)) if self.values else None

    @property
    def deviation(self) -> float:
        """Over seeds (n - 1); 0 for a single one."""
        return float(np.std(self.values, ddof=1)) if len(self.values) > 1 else 0.0


@dataclass(frozen=True)
class RowResult:
    """One method's numbers."""

    title: str
    """As shown."""
    note: str
    """A few words under it: what it is, with which beta and tau_v."""
    cells: tuple[Cell, ...]
    """One a column."""
    as_published: bool
    """Whether nothing of it was run here."""
    trainings: tuple[str, ...] = ()
    """Keys of what was trained for it."""


@dataclass(frozen=True)
class TableResult:
    """A table with its numbers."""

    table: Table
    """As declared."""
    rows: tuple[RowResult, ...]
    """As many as it declares."""


@dataclass(frozen=True)
class PanelResult:
    """A panel of curves; empty where it was not measured."""

    panel: Panel
    """As declared."""
    base: tuple[float, ...]
    """Mean accuracy over seeds after 0, 1, ... epochs."""
    novel: tuple[float, ...]
    """The same on novel classes."""
    why_not: str = ""
    """Why it was not measured, where it was not."""


@dataclass(frozen=True)
class CurvesResult:
    """Panels with their numbers."""

    panels: tuple[PanelResult, ...]
    """In order."""


@dataclass(frozen=True)
class ChangesResult:
    """Every class before and after; none where it was not measured."""

    changes: Changes
    """As declared."""
    classes: tuple[ClassChange, ...]
    """Base and novel ones."""
    why_not: str = ""
    """Why it was not measured, where it was not."""


@dataclass(frozen=True)
class FindingOutcome:
    """What came of a finding."""

    finding: Finding
    """What the paper says."""
    difference: PairedDifference | None
    """Ours - theirs over the same test clips, their correctness averaged over seeds; None where not measured."""

    @property
    def verdict(self) -> str:
        """In words: only an interval that leaves out 0 decides."""
        found = self.difference
        if found is None:
            return "not measured"
        if found.low == found.high == 0:
            return "no difference"
        return "holds" if found.low > 0 else "does not hold" if found.high < 0 else "undecided"

    @property
    def answer(self) -> str:
        """The verdict on what nobody claimed, only asked."""
        return {"holds": "yes", "does not hold": "no"}.get(self.verdict, self.verdict)


PartResult = TableResult | CurvesResult | ChangesResult


@dataclass(frozen=True)
class StudyResult:
    """A study with its numbers."""

    study: Study
    """As declared."""
    parts: tuple[PartResult, ...]
    """As many as it declares."""
    outcomes: tuple[FindingOutcome, ...]
    """As many as it declares findings."""
    facts: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """Seeds, splits, prompts, counts, keys."""
    notes: tuple[str, ...] = ()
    """What a reader must know, of this data."""


def metric_value(found: Evaluations, metric: Metric) -> float:
    """One number of one method and seed. Raises KeyError where its protocol was not measured."""
    if metric == "harmonic":
        return harmonic_mean(metric_value(found, "base"), metric_value(found, "novel"))
    if metric == "generalised_harmonic":
        return harmonic_mean(metric_value(found, "generalised_base"), metric_value(found, "generalised_novel"))
    if metric == "generalised_base":
        return found["generalised"].accuracy_of("base").value
    if metric == "generalised_novel":
        return found["generalised"].accuracy_of("novel").value
    if metric == "full":
        return float(np.mean([one.accuracy.value for one in _splits(found)]))
    if metric in ("half_mean", "half_std"):
        halves = spread([one.accuracy.value for name, one in sorted(found.items()) if name.startswith("half")])
        return halves.mean if metric == "half_mean" else halves.deviation
    return found[metric].accuracy.value


def part_value(found: Evaluations, metric: Metric, parts: Mapping[str, str]) -> float:
    """How many answers have the right part, by name; of base or of novel clips among their own names."""
    records = found[metric].records
    return float(np.mean([parts[record.names[0]] == parts[record.label] for record in records]))


def metric_count(found: Evaluations, metric: Metric) -> int:
    """Clips behind it."""
    if metric.startswith("generalised"):
        return len(found["generalised"].records)
    if metric == "harmonic":
        return len(found["base"].records) + len(found["novel"].records)
    return len((found if metric in ("base", "novel") else {metric: found["full"]})[metric].records)


def settings_said(seeds: Sequence[Evaluations]) -> str:
    """beta and tau_v of every seed's novel path, once where all have the same; empty where there are none."""
    conditions = [next(iter(found.values())).conditions for found in seeds]
    paths = [one.novel_path for one in conditions if one is not None and one.novel_path]
    return ", ".join(f"{name} {_once([f'{path[name]:.2g}' for path in paths])}" for name in _SETTINGS if paths)


def class_changes(ours: Sequence[Evaluations], theirs: Sequence[Evaluations]) -> tuple[ClassChange, ...]:
    """Every class that has clips, base then novel; accuracies are means over seeds."""
    found = []
    for role in ("base", "novel"):
        after, before = ([evaluations[role] for evaluations in side] for side in (ours, theirs))
        for place, result in enumerate(after[0].classes):
            if result.count:
                rates = [
                    float(np.mean([one.classes[place].correct / one.classes[place].count for one in side]))
                    for side in (before, after)
                ]
                found.append(ClassChange(result.name, result.role, rates[0], rates[1], result.count))
    return tuple(found)


def _once(values: Sequence[str]) -> str:
    return values[0] if len(set(values)) == 1 else " / ".join(values)


def _splits(found: Evaluations) -> list[Evaluation]:
    """The official test splits where there are any, else the full set."""
    return [one for name, one in sorted(found.items()) if name.startswith("split")] or [found["full"]]


def published_value(table: Table, row: Row, column: Column) -> float | None:
    """In per cent; None where the paper gives none. Raises ValueError where the names fit no row, or several: a fault
    of the declaration."""
    name = row.column or column.paper
    if row.paper is None or name is None or not table.paper:
        return None
    stored = published()[table.paper]
    measurement = {**dict(row.paper), **dict(column.where)}
    found = [fields for fields in _rows(stored) if all(fields.get(key) == value for key, value in measurement.items())]
    if len(found) != 1:
        raise ValueError(f"{table.paper}: {len(found)} rows have {measurement}")
    value = found[0][name]
    return None if value is None else float(value)


def _rows(stored: dict[str, Any]) -> list[dict[str, Any]]:
    return [dict(zip(stored["columns"], row, strict=True)) for row in stored["rows"]]
