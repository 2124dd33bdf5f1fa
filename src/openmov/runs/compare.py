"""Runs side by side: what differs in their recipes, how they learned, what they reached.

Only what the runs recorded of themselves is read; no network is loaded and no video opened.
"""

import json
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from statistics import fmean
from typing import Any

from openmov.documents import read_json
from openmov.errors import RunFolderError
from openmov.evaluation.metrics import proportion
from openmov.evaluation.result import ROLES, Evaluation, Role, paired_difference
from openmov.report.content import ComparedRun, ComparisonContent, Difference, LearningCurve, MethodRow
from openmov.report.report import write_comparison
from openmov.runs.evaluate import RESULTS_FILE, answer_path
from openmov.runtime.checkpoint import is_checkpoint, load_header
from openmov.runtime.run_folder import RunFolder

_POINTS = 120
"""Of a loss curve, at most."""


def compare_runs(runs: Sequence[Path], out: Path) -> Path:
    """Writes `comparison.html` and `comparison.json` into `out`; returns the page's path.

    A run that is still being trained is shown as far as it has come. Raises RunFolderError for fewer than two runs, one
    named twice, or a folder that is none or damaged; CheckpointError for a damaged checkpoint; StorageError.
    """
    if len(runs) < 2:
        raise RunFolderError("compare", "takes at least two runs", "name two run folders")
    names = _names(runs)
    folders = [RunFolder.open(path) for path in runs]
    compared = tuple(_compared(folder, name) for folder, name in zip(folders, names, strict=True))
    differences, notes = _differences(folders, compared)
    return write_comparison(out, ComparisonContent("Runs side by side", compared, "", notes, differences))


def _names(runs: Sequence[Path]) -> list[str]:
    """The folders' names, with as much of their parents as makes them different."""
    resolved = [path.resolve() for path in runs]
    if len(set(resolved)) < len(resolved):
        raise RunFolderError("compare", "one run is named twice", "name different run folders")
    depth = 1
    while len({path.parts[-depth:] for path in resolved}) < len(resolved):
        depth += 1
    return ["/".join(path.parts[-depth:]) for path in resolved]


def _compared(folder: RunFolder, name: str) -> ComparedRun:
    try:
        recipe = read_json(folder.recipe)
        settings = (*_flat(recipe), *_source(folder))
        return ComparedRun(name, _rows(folder), settings, learning=_learning(folder))
    except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RunFolderError(
            folder.path, f"is damaged ({type(error).__name__})", "evaluate or train it anew"
        ) from error


def _differences(
    folders: Sequence[RunFolder], compared: Sequence[ComparedRun]
) -> tuple[tuple[Difference, ...], tuple[str, ...]]:
    """Every pair of evaluated runs, each by its last row; and which pairs are not about the same videos."""
    found: list[Difference] = []
    notes: list[str] = []
    for (theirs, before), (ours, after) in combinations(zip(folders, compared, strict=True), 2):
        for role in ROLES:
            mine, other = _answers(ours, after, role), _answers(theirs, before, role)
            if mine is None or other is None:
                continue
            try:
                difference = paired_difference(mine, other)
            except ValueError:
                notes.append(f"{after.name} and {before.name} were not evaluated on the same {role} videos.")
            else:
                found.append(Difference(after.name, before.name, role, difference))
    return tuple(found), tuple(notes)


def _answers(folder: RunFolder, run: ComparedRun, role: Role) -> Evaluation | None:
    """The answers behind a run's last row, if it was evaluated."""
    path = answer_path(folder.results, run.rows[-1].method, role)
    if not path.is_file():
        return None
    try:
        fields = read_json(path)
    except ValueError as error:
        raise RunFolderError(path, f"is damaged ({type(error).__name__})", "evaluate anew") from error
    return Evaluation.from_json(fields, path)


def _rows(folder: RunFolder) -> tuple[MethodRow, ...]:
    """Base and novel accuracy as `openmov evaluate` left them; else the best validation accuracy alone."""
    path = folder.results / RESULTS_FILE
    if path.is_file():
        measured = read_json(path)
        return tuple(
            MethodRow(row["method"], proportion(*row["base"]), proportion(*row["novel"]), row["kind"], row["note"])
            for row in measured["rows"]
        )
    if not is_checkpoint(folder.best):
        return (MethodRow(folder.name, None, None, "other", "its first epoch is not done yet"),)
    value = load_header(folder.best).metrics.get("validation")
    note = "not evaluated yet" if value is None else f"validation {value:.1%}; not evaluated yet"
    return (MethodRow(folder.name, None, None, "other", note),)


def _source(folder: RunFolder) -> tuple[tuple[str, str], ...]:
    """Which backbone it was trained on, where there is a checkpoint that says so."""
    if not is_checkpoint(folder.best):
        return ()
    made = load_header(folder.best).provenance
    commit = made.backbone_revision or "of no hub"
    return (("licence of the backbone", made.backbone_licence), ("revision of the backbone", commit))


def _flat(tree: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Dotted names and values of a recipe."""
    pairs: list[tuple[str, str]] = []
    for key, value in tree.items():
        name = f"{prefix}{key}"
        pairs += _flat(value, f"{name}.") if isinstance(value, Mapping) else [(name, json.dumps(value))]
    return pairs


def _learning(folder: RunFolder) -> LearningCurve | None:
    """Training loss over steps, thinned, and validation after every epoch; None where nothing was written yet."""
    records = folder.read_metrics()
    steps = [record for record in records if "loss" in record]
    epochs = [record for record in records if "epoch_loss" in record]
    if not records:
        return None
    stretch = max(1, -(-len(steps) // _POINTS))
    parts = [steps[start : start + stretch] for start in range(0, len(steps), stretch)]
    validated = bool(epochs) and all(record["validation"] is not None for record in epochs)
    return LearningCurve(
        tuple(fmean(record["step"] for record in part) for part in parts),
        tuple(fmean(record["loss"] for record in part) for part in parts),
        tuple(record["epoch"] + 1 for record in epochs),
        tuple(record["validation"] for record in epochs) if validated else (),
    )
