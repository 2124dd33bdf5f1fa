"""Puts what was measured into the tables, curves and lists that a study declares."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from openmov.api.study.bench import Bench
from openmov.api.study.measure import read_measurement
from openmov.api.study.plan import TrainingTask, Wanted, each_epoch, seeds_of, targets_of, wanted_by, why_not
from openmov.evaluation.result import Evaluation
from openmov.studies.comparing import compare, compare_lost
from openmov.studies.filled import (
    Cell,
    Evaluations,
    FilledChanges,
    FilledCurves,
    FilledPanel,
    FilledPart,
    FilledRow,
    FilledStudy,
    FilledTable,
    FindingOutcome,
    class_changes,
    figure_count,
    figure_value,
    part_value,
    settings_said,
)
from openmov.studies.published import published_value
from openmov.studies.study import SETTINGS, Changes, Column, Curves, Entrant, Finding, Panel, Row, Study, Table

_OWN = "its authors' hyper-parameters"


@dataclass(frozen=True)
class Measured:
    """Where every measurement of one call lies, and what it was made of."""

    bench: Bench
    """Data and folders."""
    trainings: Mapping[Wanted, tuple[TrainingTask, ...]]
    """Behind each measurement."""
    paths: Mapping[Wanted, Path]
    """The files."""

    @cached_property
    def _read(self) -> dict[Path, dict[str, Evaluation]]:
        return {}

    def of(self, wanted: Wanted) -> dict[str, Evaluation]:
        """The evaluations of one entrant and seed. Raises RunFolderError for a damaged file."""
        path = self.paths[wanted]
        if path not in self._read:
            self._read[path] = read_measurement(path)
        return self._read[path]


@dataclass(frozen=True)
class Filler:
    """Fills one study."""

    study: Study
    """As declared."""
    measured: Measured
    """Everything that was measured."""

    def filled(self) -> FilledStudy:
        """The study with its numbers."""
        parts = tuple(self._part(part) for part in self.study.parts)
        outcomes = tuple(map(self._outcome, self.study.findings))
        return FilledStudy(self.study, parts, outcomes, self._facts(), self._notes())

    def seeds(self, entrant: Entrant, arm: str, target: str | None = None) -> list[Evaluations]:
        """Of one entrant, one a seed; none where it cannot be measured on this data."""
        stage = self.measured.bench.stage
        if why_not(stage, arm, entrant, target):
            return []
        return [self.measured.of(Wanted(entrant, arm, seed, target)) for seed in seeds_of(self.study, stage)]

    def _part(self, part: Table | Curves | Changes) -> FilledPart:
        if isinstance(part, Table):
            table = self._with_parts(part)
            return FilledTable(table, tuple(self._row(table, row) for row in table.rows))
        if isinstance(part, Curves):
            return FilledCurves(tuple(map(self._panel, part.panels)))
        why = why_not(self.measured.bench.stage, part.arm, part.ours)
        found = () if why else class_changes(self.seeds(part.ours, part.arm), self.seeds(part.theirs, part.arm))
        return FilledChanges(part, found, why)

    def _with_parts(self, table: Table) -> Table:
        """The table without columns about parts of names, where this data's names have none."""
        arms = self.measured.bench.stage.arms
        kept = (one for one in table.columns if not one.part or (one.arm in arms and arms[one.arm].parts))
        return replace(table, columns=tuple(kept))

    def _row(self, table: Table, row: Row) -> FilledRow:
        cells = tuple(self._cell(table, row, column) for column in table.columns)
        tasks = tuple(dict.fromkeys(task for column in table.columns for task in self._tasks(row, column)))
        keys = tuple(self.measured.bench.folder(task).path.name for task in tasks)
        note = "; ".join(filter(None, (row.note, _OWN if any(task.own for task in tasks) else "")))
        return FilledRow(row.title, note, cells, row.entrant is None, keys)

    def _cell(self, table: Table, row: Row, column: Column) -> Cell:
        published = published_value(table, row, column)
        why = why_not(self.measured.bench.stage, column.arm, row.entrant, column.target)
        if row.entrant is None or why:
            return Cell((), 0, published, why)
        seeds = self.seeds(row.entrant, column.arm, column.target)
        if column.figure == SETTINGS:
            return Cell((), 0, published, said=settings_said(seeds))
        values = tuple(self._value(found, column) for found in seeds)
        if column.lost:
            before = [self._value(found, column) for found in self.seeds(row.entrant, column.arm)]
            values = tuple(was - there for was, there in zip(before, values, strict=True))
        return Cell(values, figure_count(seeds[0], column.figure), published)

    def _value(self, found: Evaluations, column: Column) -> float:
        if column.part:
            return part_value(found, column.figure, self.measured.bench.stage.arms[column.arm].parts)
        return figure_value(found, column.figure)

    def _tasks(self, row: Row, column: Column) -> list[TrainingTask]:
        if row.entrant is None or why_not(self.measured.bench.stage, column.arm, row.entrant, column.target):
            return []
        wanted = [Wanted(row.entrant, column.arm, seed, column.target) for seed in self._range]
        return [task for one in wanted for task in self.measured.trainings[one]]

    @property
    def _range(self) -> range:
        return seeds_of(self.study, self.measured.bench.stage)

    def _panel(self, panel: Panel) -> FilledPanel:
        stage = self.measured.bench.stage
        entrant = replace(panel.entrant, weights="every epoch")
        why = why_not(stage, panel.arm, entrant)
        if why:
            return FilledPanel(panel, (), (), why)
        seeds = [self.seeds(one, panel.arm) for one in each_epoch(entrant, stage, panel.arm)]
        base, novel = (
            tuple(float(np.mean([found[role].accuracy.value for found in epoch])) for epoch in seeds)
            for role in ("base", "novel")
        )
        return FilledPanel(panel, base, novel)

    def _outcome(self, finding: Finding) -> FindingOutcome:
        sides = [
            [self.seeds(one, finding.arm, target) for target in targets_of(finding)]
            for one in (finding.ours, finding.theirs)
        ]
        if not all(seeds for side in sides for seeds in side):
            return FindingOutcome(finding, None)
        (*_, ours), (*_, theirs) = sides
        if finding.lost:
            return FindingOutcome(finding, compare_lost((sides[0][0], ours), (sides[1][0], theirs), finding.figure))
        return FindingOutcome(finding, compare(ours, theirs, finding.figure))

    def _facts(self) -> dict[str, Any]:
        """Seeds, splits, prompts, counts of every list of clips, and the hashes behind every training."""
        used = self._used
        asked = {self.measured.bench.clips(one).title: self.measured.of(one) for one in used}
        tasks = {task: None for one in used for task in self.measured.trainings[one]}
        return {
            "seeds": list(self._range),
            "clips": {title: _clips_facts(found) for title, found in asked.items()},
            "trainings": {
                self.measured.bench.folder(task).path.name: self.measured.bench.training_facts(task) for task in tasks
            },
            "checkpoints": _checkpoints([self.measured.of(one) for one in used]),
        }

    @cached_property
    def _used(self) -> list[Wanted]:
        """The measurements of this study."""
        mine = set(wanted_by(self.study, self.measured.bench.stage))
        return [one for one in self.measured.paths if one in mine]

    def _notes(self) -> tuple[str, ...]:
        used = [self.measured.of(one) for one in self._used]
        return tuple(dict.fromkeys(note for found in used for one in found.values() for note in _of_conditions(one)))


def _clips_facts(found: Mapping[str, Evaluation]) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    for protocol, evaluation in found.items():
        conditions = evaluation.conditions
        facts[protocol] = {
            "evaluated": len(evaluation.records),
            "base_classes": len(evaluation.base),
            "novel_classes": len(evaluation.novel),
            "vocabulary": evaluation.vocabulary_identity,
        }
        if conditions is not None:
            facts[protocol] |= {
                "present": str(conditions.videos),
                "prompts": conditions.prompts,
                "templates": len(conditions.templates),
                "views": conditions.views,
                "manifest": conditions.manifest,
            }
    return facts


def _checkpoints(measured: Sequence[Mapping[str, Evaluation]]) -> dict[str, str]:
    """SHA-256 of trained weights, by their training."""
    found: dict[str, str] = {}
    for evaluations in measured:
        for evaluation in evaluations.values():
            stored = evaluation.conditions.checkpoints if evaluation.conditions else {}
            found |= {Path(run).parent.name: sha256 for run, sha256 in stored.items()}
    return found


def _of_conditions(evaluation: Evaluation) -> list[str]:
    """What the page says of one evaluation's clips: lost videos, classes without one."""
    said = list(evaluation.conditions.notes) if evaluation.conditions else []
    videos = evaluation.conditions.videos if evaluation.conditions else None
    if videos is not None and videos.evaluated < videos.listed:
        said.append(f"{evaluation.conditions.dataset or 'The data'}: {videos}." if evaluation.conditions else "")
    empty = [result.name for result in evaluation.classes if not result.count and evaluation.protocol == "generalised"]
    if empty:
        shown = ", ".join(empty[:5]) + (" ..." if len(empty) > 5 else "")
        said.append(f"{len(empty)} classes have no test video and are possible answers all the same: {shown}.")
    return said
