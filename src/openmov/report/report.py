"""Writes a report: one self-contained `report.html`, and `report.json` with every number in it.

The page needs no network, no script and no file beside it. Both files are written atomically, and the same content
gives the same bytes.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np

from openmov.evaluation.result import Failure
from openmov.evaluation.rows import GeneralisedRow
from openmov.report import figures, paper
from openmov.report.content import ClassChange, ComparedRun, ComparisonContent, MethodRow, ReportContent, TaskReport
from openmov.report.pages import percent, render
from openmov.runtime.own_files import is_own, refuse_foreign, stamped, write_own

FORMAT_VERSION = 1
"""Of report.json."""
ANSWERS_FOLDER = "evaluations"
"""Beside the report: every video's answers, a file a method and protocol."""


def write_report(folder: Path, content: ReportContent, beside: Mapping[Path, str] | None = None) -> Path:
    """Writes `report.html`, `report.json` and the texts `beside` them, all or none; returns the page's path.

    The folder is made if missing; answers of an earlier report there go with it. Raises StorageError, also where a file
    of that name is not openmov's own.
    """
    page = render("report.html.jinja", content=content, failures=by_reason(content.failures))
    data = to_json_text(stamped(report_data(content)))
    written = {folder / "report.html": page, folder / "report.json": data, **(beside or {})}
    write_own(written)
    for older in (folder / ANSWERS_FOLDER).glob("*.json") if beside else ():
        if older not in written and is_own(older):  # answers of an evaluation whose report was here before
            older.unlink(missing_ok=True)
    return folder / "report.html"


def refuse_other_report(folder: Path) -> None:
    """Raises StorageError where `write_report` could not write: to ask before hours of work."""
    refuse_foreign([folder / "report.html", folder / "report.json"])


def report_data(content: ReportContent) -> dict[str, Any]:
    """Every number of the page as plain values; of pictures, their shapes. Fractions, but the paper's in per cent."""
    data = plain(content)
    assert isinstance(data, dict)
    data["tasks"] = [plain(task) | _derived(task) for task in content.tasks]
    data["total_seconds"] = sum(step.seconds for step in content.steps)
    data["num_failed"] = len(content.failures)
    data["failures"] = by_reason(content.failures)
    return {"format_version": FORMAT_VERSION, **data}


def by_reason(failures: Iterable[Failure]) -> dict[str, list[str]]:
    """Files that failed, by what was wrong with them; the commonest reason first."""
    files: defaultdict[str, list[str]] = defaultdict(list)
    for failure in failures:
        files[failure.reason].append(failure.file)
    return dict(sorted(files.items(), key=lambda item: (-len(item[1]), item[0])))


def markdown_table(task: TaskReport) -> str:
    """The results table in Markdown, for a terminal or a file of results: accuracy in per cent [95 % interval]."""
    lines = ["| method | base | novel | harmonic mean |", "|---|---|---|---|"]
    for row in task.rows:
        cells = [
            f"{percent(share.value)} [{percent(share.low)}, {percent(share.high)}]" if share else "–"
            for share in (row.base, row.novel)
        ]
        name = f"{row.method} ({row.note})" if row.note else row.method
        lines.append(f"| {name.replace('|', '/')} | {cells[0]} | {cells[1]} | {percent(row.harmonic)} |")
    return "\n".join(lines) + "\n"


def plain(value: Any) -> Any:
    """Dataclasses as mappings, with the figures that follow from them; arrays as their shapes; the rest as it is."""
    if is_dataclass(value) and not isinstance(value, type):
        found = {item.name: plain(getattr(value, item.name)) for item in fields(value)}
        if isinstance(value, MethodRow | GeneralisedRow):
            found["harmonic"] = value.harmonic
        if isinstance(value, ClassChange):
            found["change"] = value.change
        return found
    if isinstance(value, np.ndarray):
        return {"shape": list(value.shape)}
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    return value


def to_json_text(data: dict[str, Any]) -> str:
    """Indented JSON; a number that is none (NaN, infinity) raises ValueError, for it would be a bug."""
    return json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _derived(task: TaskReport) -> dict[str, Any]:
    """What the page says of a task beyond its content."""
    derived: dict[str, Any] = {
        "mov_minus_clip": figures.margins(task),
        "chance": {"base": chance(task.num_base_classes), "novel": chance(task.num_novel_classes)},
    }
    if task.changes:
        derived["class_tally"] = {role: figures.tally(task.changes, role) for role in ("base", "novel")}
    if task.paper:
        base, novel = paper.margins(task.paper)
        derived["published"] = {
            "unit": "per cent",
            "dataset": paper.dataset(task.paper),
            "rows": plain(paper.results(task.paper)),
            "mov_minus_clip": {"base": base, "novel": novel},
            "sweep": plain(paper.sweep(task.paper)),
        }
    return derived


def chance(num_classes: int | None) -> float | None:
    """The share that guessing gets right."""
    return 1 / num_classes if num_classes else None


def write_comparison(folder: Path, content: ComparisonContent) -> Path:
    """Writes `comparison.json` and `comparison.html` into `folder` (made if missing); returns the page's path.

    Raises StorageError; ValueError where two runs have one name.
    """
    names = [run.name for run in content.runs]
    if len(set(names)) < len(names):
        raise ValueError(f"runs of a comparison need different names: {names}")
    differing, shared = split_settings(content.runs)
    page = render("comparison.html.jinja", content=content, differing=differing, shared=shared)
    data = to_json_text(stamped(comparison_data(content)))
    write_own({folder / "comparison.html": page, folder / "comparison.json": data})
    return folder / "comparison.html"


def comparison_data(content: ComparisonContent) -> dict[str, Any]:
    """Every number of the page as plain values, and which settings differ."""
    differing, _ = split_settings(content.runs)
    return {"format_version": FORMAT_VERSION, **plain(content), "differing_settings": list(differing)}


def split_settings(runs: tuple[ComparedRun, ...]) -> tuple[dict[str, tuple[str, ...]], dict[str, str]]:
    """Settings that differ (name -> one value a run, a dash where a run has none), and those all runs share."""
    by_run = [dict(run.settings) for run in runs]
    names = list(dict.fromkeys(name for settings in by_run for name in settings))
    values = {name: tuple(settings.get(name, "–") for settings in by_run) for name in names}
    differing = {name: row for name, row in values.items() if len(set(row)) > 1}
    return differing, {name: row[0] for name, row in values.items() if name not in differing}
