"""Puts what was measured into the tables, curves and lists that a study declares."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from openmov.evaluation.result import Evaluation
from openmov.experiments.context import StudyContext
from openmov.experiments.differences import compare, compare_lost
from openmov.experiments.measure import read_measurement
from openmov.experiments.outcome import (
    Cell,
    ChangesResult,
    CurvesResult,
    Evaluations,
    FindingOutcome,
    PanelResult,
    PartResult,
    RowResult,
    StudyResult,
    TableResult,
    class_changes,
    metric_count,
    metric_value,
    part_value,
    published_value,
    settings_said,
)
from openmov.experiments.study import SETTINGS, Changes, Column, Curves, Finding, MethodSpec, Panel, Row, Study, Table
from openmov.experiments.trainings import (
    Measurement,
    TrainingTask,
    each_epoch,
    measurements_by,
    seeds_of,
    targets_of,
    why_not,
)

_OWN = "its authors' hyper-parameters"


@dataclass(frozen=True)
class Measured:
    """Where every measurement of one call lies, and what it was made of."""

    context: StudyContext
    """Data and folders."""
    trainings: Mapping[Measurement, tuple[TrainingTask, ...]]
    """Behind each measurement."""
    paths: Mapping[Measurement, Path]
    """The files."""

    @cached_property
    def _read(self) -> dict[Path, dict[str, Evaluation]]:
        return {}

    def of(self, measurement: Measurement) -> dict[str, Evaluation]:
        """The evaluations of one method and seed. Raises RunFolderError for a damaged file."""
        path = self.paths[measurement]
        if path not in self._read:
            self._read[path] = read_measurement(path)
        return self._read[path]


def fill(study: Study, measured: Measured) -> StudyResult:
    """One study with its numbers. Raises RunFolderError for a damaged measurement."""
    return _Filler(study, measured).result()


@dataclass(frozen=True)
class _Filler:
    study: Study
    """As declared."""
    measured: Measured
    """Everything that was measured."""

    def result(self) -> StudyResult:
        """The study with its numbers."""
        parts = tuple(self._part(part) for part in self.study.parts)
        outcomes = tuple(map(self._outcome, self.study.findings))
        return StudyResult(self.study, parts, outcomes, self._facts(), self._notes())

    def seeds(self, method: MethodSpec, track: str, target: str | None = None) -> list[Evaluations]:
        """Of one method, one a seed; none where it cannot be measured on this data."""
        data = self.measured.context.data
        if why_not(data, track, method, target):
            return []
        return [self.measured.of(Measurement(method, track, seed, target)) for seed in seeds_of(self.study, data)]

    def _part(self, part: Table | Curves | Changes) -> PartResult:
        if isinstance(part, Table):
            table = self._with_parts(part)
            return TableResult(table, tuple(self._row(table, row) for row in table.rows))
        if isinstance(part, Curves):
            return CurvesResult(tuple(map(self._panel, part.panels)))
        why = why_not(self.measured.context.data, part.track, part.ours)
        found = () if why else class_changes(self.seeds(part.ours, part.track), self.seeds(part.theirs, part.track))
        return ChangesResult(part, found, why)

    def _with_parts(self, table: Table) -> Table:
        """The table without columns about parts of names, where this data's names have none."""
        tracks = self.measured.context.data.tracks
        kept = (one for one in table.columns if not one.part or (one.track in tracks and tracks[one.track].parts))
        return replace(table, columns=tuple(kept))

    def _row(self, table: Table, row: Row) -> RowResult:
        cells = tuple(self._cell(table, row, column) for column in table.columns)
        tasks = tuple(dict.fromkeys(task for column in table.columns for task in self._tasks(row, column)))
        keys = tuple(self.measured.context.folder(task).path.name for task in tasks)
        note = "; ".join(filter(None, (row.note, _OWN if any(task.own for task in tasks) else "")))
        return RowResult(row.title, note, cells, row.method is None, keys)

    def _cell(self, table: Table, row: Row, column: Column) -> Cell:
        published = published_value(table, row, column)
        why = why_not(self.measured.context.data, column.track, row.method, column.target)
        if row.method is None or why:
            return Cell((), 0, published, why)
        seeds = self.seeds(row.method, column.track, column.target)
        if column.metric == SETTINGS:
            return Cell((), 0, published, said=settings_said(seeds))
        values = tuple(self._value(found, column) for found in seeds)
        if column.lost:
            before = [self._value(found, column) for found in self.seeds(row.method, column.track)]
            values = tuple(was - there for was, there in zip(before, values, strict=True))
        return Cell(values, metric_count(seeds[0], column.metric), published)

    def _value(self, found: Evaluations, column: Column) -> float:
        if column.part:
            return part_value(found, column.metric, self.measured.context.data.tracks[column.track].parts)
        return metric_value(found, column.metric)

    def _tasks(self, row: Row, column: Column) -> list[TrainingTask]:
        if row.method is None or why_not(self.measured.context.data, column.track, row.method, column.target):
            return []
        asked = [Measurement(row.method, column.track, seed, column.target) for seed in self._range]
        return [task for one in asked for task in self.measured.trainings[one]]

    @property
    def _range(self) -> range:
        return seeds_of(self.study, self.measured.context.data)

    def _panel(self, panel: Panel) -> PanelResult:
        data = self.measured.context.data
        method = replace(panel.method, weights="every epoch")
        why = why_not(data, panel.track, method)
        if why:
            return PanelResult(panel, (), (), why)
        seeds = [self.seeds(one, panel.track) for one in each_epoch(method, data, panel.track)]
        base, novel = (
            tuple(float(np.mean([found[role].accuracy.value for found in epoch])) for epoch in seeds)
            for role in ("base", "novel")
        )
        return PanelResult(panel, base, novel)

    def _outcome(self, finding: Finding) -> FindingOutcome:
        sides = [
            [self.seeds(one, finding.track, target) for target in targets_of(finding)]
            for one in (finding.ours, finding.theirs)
        ]
        if not all(seeds for side in sides for seeds in side):
            return FindingOutcome(finding, None)
        (*_, ours), (*_, theirs) = sides
        if finding.lost:
            return FindingOutcome(finding, compare_lost((sides[0][0], ours), (sides[1][0], theirs), finding.metric))
        return FindingOutcome(finding, compare(ours, theirs, finding.metric))

    def _facts(self) -> dict[str, Any]:
        """Seeds, splits, prompts, counts of every list of clips, and the hashes behind every training."""
        used = self._used
        asked = {self.measured.context.clips(one).title: self.measured.of(one) for one in used}
        tasks = {task: None for one in used for task in self.measured.trainings[one]}
        return {
            "seeds": list(self._range),
            "clips": {title: _clips_facts(found) for title, found in asked.items()},
            "trainings": {
                self.measured.context.folder(task).path.name: self.measured.context.training_facts(task)
                for task in tasks
            },
            "checkpoints": _checkpoints([self.measured.of(one) for one in used]),
        }

    @cached_property
    def _used(self) -> list[Measurement]:
        """The measurements of this study."""
        mine = set(measurements_by(self.study, self.measured.context.data))
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
