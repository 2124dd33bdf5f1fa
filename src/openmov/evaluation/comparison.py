"""Writes several runs side by side: `comparison.html`, self-contained, and `comparison.json`."""

from pathlib import Path
from typing import Any

from openmov.evaluation.content import ComparedRun, ComparisonContent
from openmov.evaluation.pages import render
from openmov.evaluation.report import FORMAT_VERSION, plain, to_json_text
from openmov.runtime.own_files import stamped, write_own


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
