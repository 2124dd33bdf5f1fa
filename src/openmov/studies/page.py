"""Studies as Markdown, JSON and a self-contained page: the paper's number beside what was measured.

Percentages on the pages; fractions in the JSON, but for the paper's. The same content gives the same text.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from openmov.evaluation.content import FactGroup, Step
from openmov.evaluation.figures import extremes_of, tally
from openmov.evaluation.pages import percent, points, render
from openmov.studies.filled import (
    Cell,
    FilledChanges,
    FilledCurves,
    FilledPart,
    FilledStudy,
    FilledTable,
    FindingOutcome,
)

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
    studies: tuple[FilledStudy, ...]
    """In order."""
    facts: tuple[FactGroup, ...] = ()
    """Data, software, machine."""
    steps: tuple[Step, ...] = field(default=(), repr=False)
    """What was done, and how long it took."""
    notes: tuple[str, ...] = ()
    """What these numbers are not, and what stands for what."""

    @property
    def found_in_paper(self) -> tuple[FilledStudy, ...]:
        """Studies that test what the paper found."""
        return tuple(filled for filled in self.studies if filled.outcomes and not filled.study.own)

    @property
    def asked_beyond(self) -> tuple[FilledStudy, ...]:
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
    return json.dumps(fields, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


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


def _study_markdown(filled: FilledStudy) -> list[str]:
    study = filled.study
    parts = [study.asks]
    for part in filled.parts:
        parts += _part_markdown(part)
    if filled.outcomes:
        parts.append((_asked if study.own else _findings)(filled.outcomes))
    return parts + [f"- {note}" for note in (*study.notes, *filled.notes)]


def _part_markdown(part: FilledPart) -> list[str]:
    if isinstance(part, FilledTable):
        return [f"### {part.table.title}" if part.table.title else "", _table(part)]
    if isinstance(part, FilledCurves):
        return [_curves(part)]
    return [f"### {part.changes.title}", _changes(part)]


def _table(filled: FilledTable) -> str:
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


def _curves(filled: FilledCurves) -> str:
    titles = ("fine-tuned", "classes", "before", "highest after any epoch", "last epoch", "in the paper")
    lines = [f"| {' | '.join(titles)} |", "|---" * 6 + "|"]
    for panel in filled.panels:
        for role, values in (("base", panel.base), ("novel", panel.novel)):
            shown = (
                [percent(one) for one in (values[0], max(values[1:]), values[-1])] if values else [panel.why_not] * 3
            )
            lines.append(f"| {panel.panel.title} | {role} | " + " | ".join(shown) + f" | {panel.panel.paper} |")
    return "\n".join(lines)


def _changes(filled: FilledChanges) -> str:
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


def _study_json(filled: FilledStudy) -> dict[str, Any]:
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
                "figure": outcome.finding.figure,
                "arm": outcome.finding.arm,
                "paper_points": outcome.finding.paper,
                "difference": None if outcome.difference is None else vars(outcome.difference),
                "verdict": outcome.verdict,
            }
            for outcome in filled.outcomes
        ],
        "made_of": dict(filled.facts),
    }


def _part_json(part: FilledPart) -> dict[str, Any]:
    if isinstance(part, FilledTable):
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
    if isinstance(part, FilledCurves):
        return {"panels": [_panel_json(panel.panel.title, panel) for panel in part.panels]}
    changes = [vars(one) | {"change": one.change} for one in part.classes]
    return {"title": part.changes.title, "classes": changes, "why_not": part.why_not}


def _panel_json(title: str, panel: Any) -> Mapping[str, Any]:
    return {"title": title, "base": list(panel.base), "novel": list(panel.novel), "why_not": panel.why_not}


def _cell_json(cell: Cell) -> dict[str, Any]:
    measured = {"values": list(cell.values), "mean": cell.mean, "deviation": cell.deviation, "clips": cell.count}
    words = {"said": cell.said} if cell.said else {}
    return {**measured, **words, "published_percent": cell.published, "why_not": cell.why_not}
