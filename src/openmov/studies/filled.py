"""A study with its numbers: what was measured beside what the paper has. Fractions, but the paper's in per cent.

evaluations of one entrant and seed --figure_value--> a number --over seeds--> Cell
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from openmov.evaluation.content import ClassChange
from openmov.evaluation.metrics import PairedDifference, harmonic_mean
from openmov.evaluation.protocols import spread
from openmov.evaluation.result import Evaluation
from openmov.studies.study import Changes, Figure, Finding, Panel, Study, Table

_SETTINGS = ("beta", "tau_v")
Evaluations = Mapping[str, Evaluation]
"""Of one entrant and seed, by protocol: base, novel, generalised, or full, split1 ..., half0 ..."""


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
    """What it came to, where that is no accuracy."""

    @property
    def mean(self) -> float | None:
        """Over seeds."""
        return float(np.mean(self.values)) if self.values else None

    @property
    def deviation(self) -> float:
        """Over seeds (n - 1); 0 for a single one."""
        return float(np.std(self.values, ddof=1)) if len(self.values) > 1 else 0.0


@dataclass(frozen=True)
class FilledRow:
    """One entrant's numbers."""

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
class FilledTable:
    """A table with its numbers."""

    table: Table
    """As declared."""
    rows: tuple[FilledRow, ...]
    """As many as it declares."""


@dataclass(frozen=True)
class FilledPanel:
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
class FilledCurves:
    """Panels with their numbers."""

    panels: tuple[FilledPanel, ...]
    """In order."""


@dataclass(frozen=True)
class FilledChanges:
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


FilledPart = FilledTable | FilledCurves | FilledChanges


@dataclass(frozen=True)
class FilledStudy:
    """A study with its numbers."""

    study: Study
    """As declared."""
    parts: tuple[FilledPart, ...]
    """As many as it declares."""
    outcomes: tuple[FindingOutcome, ...]
    """As many as it declares findings."""
    facts: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """Seeds, splits, prompts, counts, keys."""
    notes: tuple[str, ...] = ()
    """What a reader must know, of this data."""


def figure_value(found: Evaluations, figure: Figure) -> float:
    """One number of one entrant and seed. Raises KeyError where its protocol was not measured."""
    if figure == "harmonic":
        return harmonic_mean(figure_value(found, "base"), figure_value(found, "novel"))
    if figure == "generalised_harmonic":
        return harmonic_mean(figure_value(found, "generalised_base"), figure_value(found, "generalised_novel"))
    if figure == "generalised_base":
        return found["generalised"].accuracy_of("base").value
    if figure == "generalised_novel":
        return found["generalised"].accuracy_of("novel").value
    if figure == "full":
        return float(np.mean([one.accuracy.value for one in _splits(found)]))
    if figure in ("half_mean", "half_std"):
        halves = spread([one.accuracy.value for name, one in sorted(found.items()) if name.startswith("half")])
        return halves.mean if figure == "half_mean" else halves.deviation
    return found[figure].accuracy.value


def part_value(found: Evaluations, figure: Figure, parts: Mapping[str, str]) -> float:
    """How many answers have the right part, by name; of base or of novel clips among their own names."""
    records = found[figure].records
    return float(np.mean([parts[record.names[0]] == parts[record.label] for record in records]))


def figure_count(found: Evaluations, figure: Figure) -> int:
    """Clips behind it."""
    if figure.startswith("generalised"):
        return len(found["generalised"].records)
    if figure == "harmonic":
        return len(found["base"].records) + len(found["novel"].records)
    return len((found if figure in ("base", "novel") else {figure: found["full"]})[figure].records)


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
