"""Studies as Markdown, JSON and a self-contained page: the paper's number beside what was measured, and all that
produced it.

Percentages on the pages; fractions in the JSON, but for the paper's. The same content gives the same text.
"""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from openmov.experiments.context import backbone_source
from openmov.experiments.data import StudyData, Track
from openmov.experiments.folders import TRAINING, code_identity
from openmov.experiments.outcome import (
    Cell,
    ChangesResult,
    CurvesResult,
    FindingOutcome,
    PartResult,
    StudyResult,
    TableResult,
)
from openmov.experiments.plan import StudyPlan, left_out_note
from openmov.experiments.steps import StepClock
from openmov.experiments.study import Study
from openmov.experiments.trainings import measurements_by, seeds_of
from openmov.report.content import FactGroup, Step
from openmov.report.figures import extremes_of, tally
from openmov.report.pages import percent, points, render
from openmov.runs.provenance import machine_facts, software_facts
from openmov.runtime.own_files import marked, refuse_foreign, stamped, write_own

FORMAT_VERSION = 1
"""Of the JSON."""


@dataclass(frozen=True)
class StudiesContent:
    """Everything one page says."""

    title: str
    """The page's heading."""
    summary: str
    """A sentence or two under it."""
    date: str
    """As shown; the page looks at no clock."""
    command: str
    """What makes it again."""
    studies: tuple[StudyResult, ...]
    """In order."""
    facts: tuple[FactGroup, ...] = ()
    """Data, software, machine."""
    steps: tuple[Step, ...] = field(default=(), repr=False)
    """What was done, and how long it took."""
    notes: tuple[str, ...] = ()
    """What these numbers are not, and what stands for what."""

    @property
    def found_in_paper(self) -> tuple[StudyResult, ...]:
        """Studies that test what the paper found."""
        return tuple(filled for filled in self.studies if filled.outcomes and not filled.study.own)

    @property
    def asked_beyond(self) -> tuple[StudyResult, ...]:
        """Studies that ask a question of our own."""
        return tuple(filled for filled in self.studies if filled.outcomes and filled.study.own)


def as_html(content: StudiesContent) -> str:
    """The page."""
    return render("study.html.jinja", content=content, said=cell_text, extremes_of=extremes_of, tally=tally)


def as_json(content: StudiesContent) -> str:
    """Every number of the page, and everything that produced it."""
    fields = {
        "format_version": FORMAT_VERSION,
        "title": content.title,
        "date": content.date,
        "command": content.command,
        "notes": list(content.notes),
        "facts": {group.title: dict(group.rows) for group in content.facts},
        "steps": [vars(step) for step in content.steps],
        "studies": {filled.study.name: _study_json(filled) for filled in content.studies},
    }
    return json.dumps(stamped(fields), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def as_markdown(content: StudiesContent) -> str:
    """The page in Markdown."""
    parts = [f"# {content.title}", content.summary, f"{content.date}, made by `{content.command}`."]
    parts += [f"- {note}" for note in content.notes]
    if len(content.studies) > 1:
        parts += _what_held(content)
    for filled in content.studies:
        parts += [f"## {filled.study.title}"] if len(content.studies) > 1 else []
        parts += _study_markdown(filled)
    for group in content.facts:
        parts.append(f"**{group.title}**: " + "; ".join(f"{name} {value}" for name, value in group.rows))
    return "\n\n".join(part for part in parts if part) + "\n"


def cell_text(cell: Cell) -> str:
    """The measured number: `80.5 ± 3.1`, or `80.5` for one seed; or words; or nothing."""
    if cell.mean is None:
        return cell.said
    spread = f" ± {percent(cell.deviation)}" if len(cell.values) > 1 else ""
    return f"{percent(cell.mean)}{spread}"


def _study_markdown(filled: StudyResult) -> list[str]:
    study = filled.study
    parts = [study.asks]
    for part in filled.parts:
        parts += _part_markdown(part)
    if filled.outcomes:
        parts.append((_asked if study.own else _findings)(filled.outcomes))
    return parts + [f"- {note}" for note in (*study.notes, *filled.notes)]


def _part_markdown(part: PartResult) -> list[str]:
    if isinstance(part, TableResult):
        return [f"### {part.table.title}" if part.table.title else "", _table(part)]
    if isinstance(part, CurvesResult):
        return [_curves(part)]
    return [f"### {part.changes.title}", _changes(part)]


def _table(filled: TableResult) -> str:
    columns = filled.table.columns
    lines = [
        "| | " + " | ".join(column.title for column in columns) + " |",
        "|---" * (len(columns) + 1) + "|",
    ]
    for row in filled.rows:
        note = f" ({row.note})" if row.note else ""
        kind = " *as published*" if row.as_published else ""
        lines.append(f"| {row.title}{note}{kind} | " + " | ".join(map(_markdown_cell, row.cells)) + " |")
    return "\n".join(lines)


def _markdown_cell(cell: Cell) -> str:
    paper = f"paper {cell.published:.1f}" if cell.published is not None else ""
    measured = f"**{cell_text(cell)}**" if cell.values else cell.said
    return "; ".join(part for part in (measured, paper) if part) or "–"


def _curves(filled: CurvesResult) -> str:
    titles = ("fine-tuned", "classes", "before", "highest after any epoch", "last epoch", "in the paper")
    lines = [f"| {' | '.join(titles)} |", "|---" * 6 + "|"]
    for panel in filled.panels:
        for role, values in (("base", panel.base), ("novel", panel.novel)):
            shown = (
                [percent(one) for one in (values[0], max(values[1:]), values[-1])] if values else [panel.why_not] * 3
            )
            lines.append(f"| {panel.panel.title} | {role} | " + " | ".join(shown) + f" | {panel.panel.paper} |")
    return "\n".join(lines)


def _changes(filled: ChangesResult) -> str:
    if not filled.classes:
        return filled.why_not
    lines = []
    for role in ("novel", "base"):
        better, worse = extremes_of(filled.classes, role, 5)
        counts = tally(filled.classes, role)
        told = ", ".join(f"{one.name} {points(one.change)}" for one in (*better, *worse))
        lines.append(
            f"- {role}: {counts['improved']} of {counts['classes']} classes better, {counts['worse']} worse. "
            f"Most and least: {told or 'none changed'}."
        )
    return "\n".join(lines)


def _findings(outcomes: Sequence[FindingOutcome]) -> str:
    lines = ["| what the paper found | in the paper | here, in points [95 % interval] | |", "|---" * 4 + "|"]
    for outcome in outcomes:
        paper = outcome.finding.paper
        said = points(paper / 100) if paper is not None else "–"
        lines.append(f"| {outcome.finding.says} | {said} | {_here(outcome)} | {outcome.verdict} |")
    return "\n".join(lines)


def _what_held(content: StudiesContent) -> list[str]:
    paper, own = content.found_in_paper, content.asked_beyond
    parts = ["## What held"] if paper else []
    parts += [text for filled in paper for text in (f"**{filled.study.title}**", _findings(filled.outcomes))]
    parts += ["## Beyond the paper"] if own else []
    return parts + [text for filled in own for text in (f"**{filled.study.title}**", _asked(filled.outcomes))]


def _asked(outcomes: Sequence[FindingOutcome]) -> str:
    """Of a study of our own: the paper has no numbers for it."""
    lines = ["| what was asked | here, in points [95 % interval] | |", "|---" * 3 + "|"]
    return "\n".join([*lines, *(f"| {one.finding.says} | {_here(one)} | {one.answer} |" for one in outcomes)])


def _here(outcome: FindingOutcome) -> str:
    found = outcome.difference
    return f"{points(found.mean)} [{points(found.low)}, {points(found.high)}]" if found else "–"


def _study_json(filled: StudyResult) -> dict[str, Any]:
    return {
        "title": filled.study.title,
        "asks": filled.study.asks,
        "notes": [*filled.study.notes, *filled.notes],
        "novel_classes_unseen": filled.study.base_only,
        "beyond_the_paper": filled.study.own,
        "parts": [_part_json(part) for part in filled.parts],
        "findings": [
            {
                "says": outcome.finding.says,
                "metric": outcome.finding.metric,
                "track": outcome.finding.track,
                "paper_points": outcome.finding.paper,
                "difference": None if outcome.difference is None else vars(outcome.difference),
                "verdict": outcome.verdict,
            }
            for outcome in filled.outcomes
        ],
        "made_of": dict(filled.facts),
    }


def _part_json(part: PartResult) -> dict[str, Any]:
    if isinstance(part, TableResult):
        rows = [
            {
                "title": row.title,
                "note": row.note,
                "as_published": row.as_published,
                "trainings": list(row.trainings),
                "cells": [_cell_json(cell) for cell in row.cells],
            }
            for row in part.rows
        ]
        return {"published": part.table.paper, "columns": [asdict(one) for one in part.table.columns], "rows": rows}
    if isinstance(part, CurvesResult):
        return {"panels": [_panel_json(panel.panel.title, panel) for panel in part.panels]}
    changes = [vars(one) | {"change": one.change} for one in part.classes]
    return {"title": part.changes.title, "classes": changes, "why_not": part.why_not}


def _panel_json(title: str, panel: Any) -> Mapping[str, Any]:
    return {"title": title, "base": list(panel.base), "novel": list(panel.novel), "why_not": panel.why_not}


def _cell_json(cell: Cell) -> dict[str, Any]:
    measured = {"values": list(cell.values), "mean": cell.mean, "deviation": cell.deviation, "clips": cell.count}
    words = {"said": cell.said} if cell.said else {}
    return {**measured, **words, "published_percent": cell.published, "why_not": cell.why_not}


_NOTE = (
    "No MOV trained on Kinetics or VGGSound has been released by anyone; what stands as the paper's was read off the "
    "paper. No novel class, clip or name was loaded in training or tuning, except where a study says that it trains "
    "on all classes."
)


@dataclass(frozen=True)
class PageInputs:
    """How what a page shows was made: what every page of one call says alike."""

    plan: StudyPlan
    """What was asked for."""
    seconds: Sequence[float]
    """What each training took, in the call that finished it."""
    at_a_time: int
    """Trainings side by side."""
    clock: StepClock
    """The steps of this call."""
    command: str
    """What makes the same again."""

    def content(self, title: str, filled: tuple[StudyResult, ...]) -> StudiesContent:
        """A page of some of the studies."""
        data, studies = self.plan.data, [one.study for one in filled]
        return StudiesContent(
            title=title,
            summary=_summary(studies, data),
            date=time.strftime("%Y-%m-%d"),
            command=self.command,
            studies=filled,
            facts=_facts(self, studies),
            steps=tuple(self.clock.steps),
            notes=(*data.notes_on([one.name for one in studies]), *map(left_out_note, self.plan.left_out), _NOTE),
        )


def _summary(studies: Sequence[Study], data: StudyData) -> str:
    """Seeds are those of the studies shown, fewer where all of them are dear."""
    seeds = max(len(seeds_of(study, data)) for study in studies)
    said = f"mean and standard deviation over {seeds} training seeds" if seeds > 1 else "one training seed"
    paper = "" if all(study.own for study in studies) else "; the paper's numbers stand beside for comparison"
    return f"Accuracy in per cent, {said}, one fixed split{paper}."


def write_pages(filled: tuple[StudyResult, ...], made: PageInputs, out: Path) -> Path:
    """A page a study, and where several were asked for one of all, whose path is returned. Raises StorageError."""
    for one in filled:
        _write_page(out, one.study.name, made.content(one.study.title, (one,)))
    if len(filled) == 1:
        return out / f"{filled[0].study.name}.html"
    title = f"The paper's experiments on {made.plan.data.title}"
    return _write_page(out, "report", made.content(title, filled))


def _write_page(out: Path, name: str, content: StudiesContent) -> Path:
    html, markdown, data = page_files(out, name)
    write_own({html: as_html(content), markdown: marked(as_markdown(content)), data: as_json(content)})
    return html


def page_files(out: Path, name: str) -> tuple[Path, Path, Path]:
    """A page, the same in Markdown, and its numbers."""
    return out / f"{name}.html", out / f"{name}.md", out / f"{name}.json"


def refuse_other_pages(out: Path, studies: Sequence[Study]) -> None:
    """Raises StorageError where `write_pages` could not write: to ask before hours of work."""
    names = [one.name for one in studies] + (["report"] if len(studies) > 1 else [])
    refuse_foreign(path for name in names for path in page_files(out, name))


def _facts(made: PageInputs, studies: Sequence[Study]) -> tuple[FactGroup, ...]:
    data, scale = made.plan.data, made.plan.data.scale
    facts = {"data": data.title, "training seeds": ", ".join(map(str, range(data.seeds)))}
    measured = [one for study in studies for one in measurements_by(study, data)]
    used = dict.fromkeys(one.track for one in measured)
    trained = (task for one in measured for task in made.plan.trainings.get(one, ()))
    backbones = dict.fromkeys(task.recipe.backbone for task in trained)
    facts["backbone"] = "; ".join(f"{config.name} ({backbone_source(config)})" for config in backbones)
    facts |= {name: _track_facts(data.tracks[name], sizes=scale is not None) for name in used}
    if scale is not None:
        facts["epochs"] = str(scale.epochs)
    if data.protocol == "own":
        facts["hyper-parameters of other methods"] = "their authors' own"
    beside = f", {made.at_a_time} of them at a time" if made.at_a_time > 1 else ""
    facts["trainings"] = f"{len(made.seconds)}, {sum(made.seconds) / 60:.0f} minutes in all{beside}"
    facts["code"] = code_identity(TRAINING)
    return (
        FactGroup("Data", tuple(facts.items())),
        FactGroup("Software", tuple(software_facts().items())),
        FactGroup("Machine", tuple(machine_facts().items())),
    )


def _track_facts(track: Track, *, sizes: bool) -> str:
    train, val, test = track.per_class
    of_each = f"; of each of 64 classes {train} clips to train on, {val} to validate, {test} to test" if sizes else ""
    return f"{track.clips.title} ({track.recipe}){of_each}"
