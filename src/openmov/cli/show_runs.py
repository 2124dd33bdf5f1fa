"""What a person reads on the terminal: tables and bars on stdout, faults on stderr; or JSON on stdout.

Each function returns the exit code.
"""

import sys
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from openmov.cli.counted import counted, counted_errors
from openmov.cli.output import print_json, say
from openmov.cli.show_answers import one_prediction
from openmov.data.check import Findings
from openmov.evaluation.metrics import Proportion, Spread, harmonic_mean
from openmov.evaluation.result import Evaluation
from openmov.evaluation.rows import CrossRow, generalised_row
from openmov.experiments.demo import DemoResult
from openmov.printable import printable
from openmov.runs.evaluate import NOTE, BaseTask, CrossTask, EvaluatedTask
from openmov.runs.measure import MethodResult
from openmov.training.train import TrainingResult


def findings(found: Findings, as_json: bool, *, verbose: bool = False) -> int:
    """Faults found by `check`, like ones in one line unless `verbose`; 2 where there is one."""
    if as_json:
        notes = list(map(str, found.notes))
        print_json({"checked": found.num_checked, "faults": list(map(str, found.faults)), "notes": notes})
    else:
        each = len(found.faults) + len(found.notes) if verbose else 1
        for line in counted(((one.where, one.what, one.kind) for one in found.faults), each_up_to=each):
            say(line)
        for line in counted(((one.where, one.what, one.kind) for one in found.notes), each_up_to=each):
            say(f"note: {line}")
        say(f"{found.num_checked} checked, {_count(len(found.faults), 'fault')}")
    return 2 if found.faults else 0


def training(result: TrainingResult, as_json: bool) -> None:
    """How a training went."""
    summary = result.summary
    if as_json:
        chosen = None if result.calibration is None else asdict(result.calibration.chosen)
        lost = [{"file": str(one.record.path), "reason": one.error.what} for one in result.unreadable]
        backbone = {"name": result.backbone, **result.source.to_json()}
        said = {"run": str(result.folder), **vars(summary), "calibration": chosen, "unreadable": lost}
        print_json({**said, "backbone": backbone})
    else:
        epoch = summary.best_epoch
        best = "" if epoch is None else f", best epoch {epoch + 1} (validation {summary.best_validation or 0:.1%})"
        say(f"{result.folder}: {summary.epochs} epochs in {summary.seconds:.0f} s{best}")
        say(f"backbone: {result.backbone}, {result.source}")
        if result.calibration is not None:
            chosen_settings = result.calibration.chosen
            clips, held = result.calibration.num_clips, len(result.calibration.pseudo_novel)
            of = f"clips of {held} held-out base classes" if held else "validation clips, by entropy"
            say(f"calibrated on {clips} {of}: beta {chosen_settings.beta:g}, tau_v {chosen_settings.tau_v:.3g}")
    _complain(counted_errors(one.error for one in result.unreadable))


def evaluation(task: EvaluatedTask, page: Path | None, as_json: bool) -> int:
    """The table of methods; 2 where a video could not be read."""
    rows = [
        {
            "method": method.name,
            "note": method.note,
            "base": method.base.accuracy.value,
            "novel": method.novel.accuracy.value,
            "harmonic": harmonic_mean(method.base.accuracy.value, method.novel.accuracy.value),
            "generalised": method.generalised.accuracy.value,
            **_more_figures(method),
        }
        for method in task.methods
    ]
    if as_json:
        videos = asdict(task.clips.videos(task.clips.vocabulary.names, len(task.clips.records)))
        print_json(
            {"rows": rows, "videos": videos, "evaluated": len(task.clips.records), "failed": len(task.clips.unreadable)}
        )
    else:
        Console(width=110).print(_methods_table(task))
        say(task.clips.videos(task.clips.vocabulary.names, len(task.clips.records)))
        if page is not None:
            say(page)
    _complain(counted_errors(one.error for one in task.clips.unreadable))
    return 2 if task.clips.unreadable else 0


def demo(result: DemoResult) -> None:
    """Both tables, the three predictions and where the page is."""
    console = Console(width=110)
    for task in result.tasks:
        console.print(_methods_table(task))
    say(f"\n$ {result.predict_command}")
    for answer in result.predictions:
        say(f"\n{one_prediction(answer)}")
    say(f"\nThe report: {result.report}")


def _more_figures(method: MethodResult) -> dict[str, Any]:
    """Top-5, mean over classes and calibration error of each protocol; base and novel clips among all classes."""
    by_protocol = {"base": method.base, "novel": method.novel, "generalised": method.generalised}
    figures: dict[str, Any] = {
        "top5": {name: found.top5.value for name, found in by_protocol.items()},
        "mean_class_accuracy": {name: found.mean_class_accuracy for name, found in by_protocol.items()},
        "calibration_error": {name: found.calibration_error for name, found in by_protocol.items()},
    }
    whole = generalised_row(method.name, method.generalised)
    among_all = {"base": whole.base.value, "novel": whole.novel.value, "harmonic": whole.harmonic}
    return figures | {"among_all_classes": among_all, "conditions": short_conditions(method.generalised)}


def short_conditions(evaluation: Evaluation) -> dict[str, Any] | None:
    """What it was measured with, without what is long: the files beside the page hold the sentences and the ids."""
    if evaluation.conditions is None:
        return None
    fields = evaluation.conditions.to_json()
    return {name: value for name, value in fields.items() if name not in ("templates", "videos")}


def _methods_table(task: EvaluatedTask) -> Table:
    table = Table(title=printable(task.runs[0].components.recipe.name), title_justify="left")
    for column in ("method", "base %", "novel %", "harmonic", "among all: base, novel, harm."):
        table.add_column(column, justify="left" if column == "method" else "right")
    for method in task.methods:
        base, novel = method.base.accuracy, method.novel.accuracy
        name = f"{method.name} ({method.note})" if method.note else method.name
        harmonic = f"{100 * harmonic_mean(base.value, novel.value):.1f}"
        whole = generalised_row(method.name, method.generalised)
        among_all = f"{100 * whole.base.value:.1f}  {100 * whole.novel.value:.1f}  {100 * whole.harmonic:.1f}"
        table.add_row(name, _interval(base), _interval(novel), harmonic, among_all)
    return table


def _interval(share: Proportion) -> str:
    return f"{100 * share.value:.1f} [{100 * share.low:.1f}, {100 * share.high:.1f}]"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _complain(lines: Iterable[str]) -> None:
    for line in lines:
        say(f"openmov: {line}", file=sys.stderr)


def base_only(task: BaseTask, page: Path | None, as_json: bool) -> int:
    """The table of methods on base classes; 2 where a video could not be read."""
    clips = task.clips
    videos = clips.videos(clips.vocabulary.names, len(clips.records))
    if as_json:
        rows = [{"method": one.name, **_base_fields(found)} for one, found in task.methods]
        counts = {"evaluated": len(clips.records), "failed": len(clips.unreadable)}
        print_json({"rows": rows, "videos": asdict(videos), "note": NOTE} | counts)
    else:
        Console(width=110).print(_base_table(task))
        say(f"{videos}. {NOTE}")
        if page is not None:
            say(page)
    for line in counted_errors(one.error for one in clips.unreadable):
        say(f"openmov: {line}", file=sys.stderr)
    return 2 if clips.unreadable else 0


def _base_fields(found: Evaluation) -> dict[str, Any]:
    return {
        "base": found.accuracy.value,
        "top5": found.top5.value,
        "mean_class_accuracy": found.mean_class_accuracy,
        "calibration_error": found.calibration_error,
        "conditions": short_conditions(found),
    }


def _base_table(task: BaseTask) -> Table:
    table = Table(
        title=f"{printable(task.runs[0].components.recipe.name)}, all classes trained on", title_justify="left"
    )
    for column in ("method", "base %", "top-5 %", "mean class %", "calibration error %"):
        table.add_column(column, justify="left" if column == "method" else "right")
    for one, found in task.methods:
        share = found.accuracy
        base = f"{100 * share.value:.1f} [{100 * share.low:.1f}, {100 * share.high:.1f}]"
        more = (found.top5.value, found.mean_class_accuracy, found.calibration_error)
        table.add_row(one.name, base, *(f"{100 * value:.1f}" for value in more))
    return table


def crossing(task: CrossTask, page: Path | None, as_json: bool) -> int:
    """The table of methods on another data set; 2 where a video could not be read."""
    clips = task.clips
    videos = clips.videos(clips.vocabulary.names, len(clips.records))
    if as_json:
        rows = [_cross_fields(method.row) | {"conditions": short_conditions(method.full)} for method in task.methods]
        shown = {"rows": rows, "videos": asdict(videos), "shared_names": task.shared}
        counts = {"evaluated": len(clips.records), "failed": len(clips.unreadable)}
        print_json(shown | counts)
    else:
        Console(width=130).print(_cross_table(task))
        say(f"{videos}; {len(task.shared)} of {len(clips.vocabulary.names)} names were trained on too")
        if page is not None:
            say(page)
    for line in counted_errors(one.error for one in clips.unreadable):
        say(f"openmov: {line}", file=sys.stderr)
    return 2 if clips.unreadable else 0


def _cross_fields(row: CrossRow) -> dict[str, Any]:
    return asdict(row) | {"splits": {str(number): asdict(one) for number, one in row.splits.items()}}


def _cross_table(task: CrossTask) -> Table:
    table = Table(title=f"{task.title}, nothing trained on it", title_justify="left")
    for column in ("method", "full set %", "top-5 %", "mean class %", "test splits %", "ten halves %", "of split 1 %"):
        table.add_column(column, justify="left" if column == "method" else "right")
    for method in task.methods:
        row = method.row
        name = f"{row.method} ({row.note})" if row.note else row.method
        spreads = (row.over_splits, row.over_halves, row.over_halves_of_split)
        figures = (_interval_text(row.full), f"{100 * row.top5.value:.1f}", f"{100 * row.mean_class_accuracy:.1f}")
        table.add_row(name, *figures, *map(_spread, spreads))
    return table


def _spread(found: Spread | None) -> str:
    return "–" if found is None else f"{100 * found.mean:.1f} ± {100 * found.deviation:.1f}"


def _interval_text(share: Proportion) -> str:
    return f"{100 * share.value:.1f} [{100 * share.low:.1f}, {100 * share.high:.1f}]"
