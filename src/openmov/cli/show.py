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

from openmov.api.check import Findings
from openmov.api.evaluate import EvaluatedTask
from openmov.api.measuring import Method
from openmov.api.train import TrainingResult
from openmov.cli.answers import one_prediction
from openmov.cli.counted import counted, counted_errors
from openmov.cli.output import print_json, say
from openmov.evaluation.detail import generalised_row
from openmov.evaluation.metrics import Proportion, harmonic_mean
from openmov.evaluation.result import Evaluation
from openmov.experiments.demo import DemoResult
from openmov.printable import printable


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


def _more_figures(method: Method) -> dict[str, Any]:
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
    table = Table(title=printable(task.runs[0].wiring.recipe.name), title_justify="left")
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
