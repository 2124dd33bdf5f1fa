"""What `openmov evaluate --protocol cross` says."""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from openmov.api.cross import CrossTask
from openmov.cli.counted import counted_errors
from openmov.cli.output import print_json, say
from openmov.cli.show import short_conditions
from openmov.evaluation.detail import CrossRow
from openmov.evaluation.metrics import Proportion
from openmov.evaluation.protocols import Spread


def crossing(task: CrossTask, page: Path | None, as_json: bool) -> int:
    """The table of methods on another data set; 2 where a video could not be read."""
    clips = task.clips
    videos = clips.videos(clips.vocabulary.names, len(clips.records))
    if as_json:
        rows = [_fields(method.row) | {"conditions": short_conditions(method.full)} for method in task.methods]
        shown = {"rows": rows, "videos": asdict(videos), "shared_names": task.shared}
        counts = {"evaluated": len(clips.records), "failed": len(clips.unreadable)}
        print_json(shown | counts)
    else:
        Console(width=130).print(_table(task))
        say(f"{videos}; {len(task.shared)} of {len(clips.vocabulary.names)} names were trained on too")
        if page is not None:
            say(page)
    for line in counted_errors(one.error for one in clips.unreadable):
        say(f"openmov: {line}", file=sys.stderr)
    return 2 if clips.unreadable else 0


def _fields(row: CrossRow) -> dict[str, Any]:
    return asdict(row) | {"splits": {str(number): asdict(one) for number, one in row.splits.items()}}


def _table(task: CrossTask) -> Table:
    table = Table(title=f"{task.title}, nothing trained on it", title_justify="left")
    for column in ("method", "full set %", "top-5 %", "mean class %", "test splits %", "ten halves %", "of split 1 %"):
        table.add_column(column, justify="left" if column == "method" else "right")
    for method in task.methods:
        row = method.row
        name = f"{row.method} ({row.note})" if row.note else row.method
        spreads = (row.over_splits, row.over_halves, row.over_halves_of_split)
        figures = (_interval(row.full), f"{100 * row.top5.value:.1f}", f"{100 * row.mean_class_accuracy:.1f}")
        table.add_row(name, *figures, *map(_spread, spreads))
    return table


def _spread(found: Spread | None) -> str:
    return "–" if found is None else f"{100 * found.mean:.1f} ± {100 * found.deviation:.1f}"


def _interval(share: Proportion) -> str:
    return f"{100 * share.value:.1f} [{100 * share.low:.1f}, {100 * share.high:.1f}]"
