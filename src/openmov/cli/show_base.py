"""What `openmov evaluate` says of runs that were trained on every class."""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from openmov.api.evaluate_base import NOTE, BaseTask
from openmov.cli.counted import counted_errors
from openmov.cli.output import print_json, say
from openmov.cli.show import short_conditions
from openmov.evaluation.result import Evaluation
from openmov.printable import printable


def base_only(task: BaseTask, page: Path | None, as_json: bool) -> int:
    """The table of methods on base classes; 2 where a video could not be read."""
    clips = task.clips
    videos = clips.videos(clips.vocabulary.names, len(clips.records))
    if as_json:
        rows = [{"method": one.name, **_fields(found)} for one, found in task.methods]
        counts = {"evaluated": len(clips.records), "failed": len(clips.unreadable)}
        print_json({"rows": rows, "videos": asdict(videos), "note": NOTE} | counts)
    else:
        Console(width=110).print(_table(task))
        say(f"{videos}. {NOTE}")
        if page is not None:
            say(page)
    for line in counted_errors(one.error for one in clips.unreadable):
        say(f"openmov: {line}", file=sys.stderr)
    return 2 if clips.unreadable else 0


def _fields(found: Evaluation) -> dict[str, Any]:
    return {
        "base": found.accuracy.value,
        "top5": found.top5.value,
        "mean_class_accuracy": found.mean_class_accuracy,
        "calibration_error": found.calibration_error,
        "conditions": short_conditions(found),
    }


def _table(task: BaseTask) -> Table:
    table = Table(title=f"{printable(task.runs[0].wiring.recipe.name)}, all classes trained on", title_justify="left")
    for column in ("method", "base %", "top-5 %", "mean class %", "calibration error %"):
        table.add_column(column, justify="left" if column == "method" else "right")
    for one, found in task.methods:
        share = found.accuracy
        base = f"{100 * share.value:.1f} [{100 * share.low:.1f}, {100 * share.high:.1f}]"
        more = (found.top5.value, found.mean_class_accuracy, found.calibration_error)
        table.add_row(one.name, base, *(f"{100 * value:.1f}" for value in more))
    return table
