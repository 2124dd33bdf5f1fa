"""What `openmov dataset` says: how much is there, and what is not."""

import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from openmov.cli.counted import counted, counted_errors
from openmov.cli.output import print_json, say
from openmov.data.coverage import LostVideo, coverage_path
from openmov.data.loader import Unreadable
from openmov.datasets.builder import MANIFEST, Built
from openmov.prepare.manifest import Preparation
from openmov.prepare.pack import Packed
from openmov.prepare.plan import PreparePlan
from openmov.prepare.video import PrepareReport
from openmov.printable import printable

_SHOWN = 5


def show_built(built: Built, out: Path, as_json: bool) -> None:
    """Counts by split, a few of the missing and the broken, and where the rest is listed."""
    coverage = built.coverage
    if as_json:
        more = {"doubled": built.doubled, "not_listed": built.strangers}
        present = {split: coverage.present(split) for split in coverage.listed}
        fields = asdict(coverage) | {"present": present, "manifest": str(out / MANIFEST)} | more
        print_json(fields)
        return
    names = built.vocabulary
    say(f"{coverage.title}: {', '.join(coverage.said(split) for split in coverage.listed)}")
    say(f"{len(names.base)} base and {len(names.novel)} novel classes")
    _few("missing", [video.clip_id for video in coverage.missing])
    _few("broken", [_reason(video) for video in coverage.broken])
    _few("classes without a single video (they stay possible answers)", list(coverage.empty_classes))
    _few("second copies, not used", list(built.doubled))
    _few("files that are no listed clip, not used", list(built.strangers))
    for note in coverage.notes:
        say(f"note: {note}")
    say(f"{out / MANIFEST}, and the whole account in {coverage_path(out / MANIFEST)}")


def _reason(video: LostVideo) -> str:
    return f"{video.clip_id} ({video.reason})"


def _few(what: str, items: list[str]) -> None:
    if items:
        more = " ..." if len(items) > _SHOWN else ""
        say(f"{len(items):,} {what}: {', '.join(items[:_SHOWN])}{more}")


_UNITS = {"flow": "pairs", "frames": "frames", "frozen": "frames", "audio": "spectrograms"}
_NAMES = {"flow": "optical flow", "frames": "frames", "frozen": "frozen embeddings", "audio": "sound"}
_MOST_LINES = 20


def plan_on_stderr(plan: PreparePlan) -> None:
    """The plan, before the work starts."""
    _print_plan(plan, Console(stderr=True, width=110, highlight=False))


def prepared(result: Preparation, as_json: bool) -> int:
    """The plan alone or the report; 2 where a video failed."""
    report = result.report
    if as_json:
        _print_json(result)
    elif report is None:
        _print_plan(result.plan, Console(width=110, highlight=False))
    else:
        _print_report(report)
        say(f"{len(result.records)} videos ready, {len(report.failures)} failed; {result.report_file}")
    if result.gathered is not None and not as_json:
        made = result.gathered
        lacking = f", {_count(len(made.without), 'video')} without" if made.without else ""
        say(f"embeddings of {_count(made.videos, 'video')} in {made.folder}, {size(made.num_bytes)}{lacking}")
    return _complain(result.unreadable)


def packed(result: Packed) -> int:
    """How much went into the pack; 2 where a video did not."""
    say(f"{_count(result.samples, 'video')} in {result.folder}, {size(result.num_bytes)}")
    return _complain(result.unreadable)


def _complain(unreadable: Sequence[Unreadable]) -> int:
    lines = list(counted_errors(one.error for one in unreadable))
    more = [f"... and {len(lines) - _MOST_LINES} more"] if len(lines) > _MOST_LINES else []
    for line in lines[:_MOST_LINES] + more:
        say(f"openmov: {line}", file=sys.stderr)
    return 2 if lines else 0


def _print_json(result: Preparation) -> None:
    facts: dict[str, Any] = {"plan": result.plan.to_json()}
    if result.report is not None:
        facts = {"ready": len(result.records), **result.report.to_json(), **facts, "report": str(result.report_file)}
    if result.gathered is not None:
        made = result.gathered
        gathered = {"folder": str(made.folder), "videos": made.videos, "without": list(made.without)}
        facts["features"] = {**gathered, "bytes": made.num_bytes}
    print_json(facts)


def _print_plan(plan: PreparePlan, console: Console) -> None:
    table = Table(title=f"{plan.videos} videos, {plan.complete} complete, {plan.unreadable} unreadable")
    for column in ("", "needed", "missing", "each", "core time", "disk"):
        table.add_column(column, justify="right" if column else "left")
    for name, step in plan.steps.items():
        each = "?" if step.seconds is None else f"{1000 * step.seconds / max(step.missing, 1):.1f} ms"
        time = "?" if step.seconds is None else duration(step.seconds)
        disk = "?" if step.disk_bytes is None else size(step.disk_bytes)
        missing = f"{step.missing:,} {_UNITS[name]}"
        table.add_row(_NAMES[name], f"{step.needed:,}", missing, each if step.missing else "", time, disk)
    console.print(table)
    total = f"together {duration(plan.seconds)} with {_count(plan.workers, 'worker')} and {size(plan.disk_bytes)}"
    console.print(f"{total}; {size(plan.free_bytes)} are free there", soft_wrap=True)
    for name in plan.unknown:
        console.print(f"{_NAMES[name]}: not measured, for no video of the sample has any", soft_wrap=True)
    if plan.disk_bytes > plan.free_bytes:
        console.print("that is more than is free there: the work would stop when the disk is full", soft_wrap=True)


def _print_report(report: PrepareReport) -> None:
    table = Table(title=f"{report.done} done, {report.reused} there already, {len(report.failures)} failed")
    for column in ("failed", "why", "such as"):
        table.add_column(column, justify="right" if column == "failed" else "left")
    for reason, failures in report.by_reason.items():
        table.add_row(
            str(len(failures)), printable(reason), printable(", ".join(failure.video_id for failure in failures[:3]))
        )
    console = Console(width=110, highlight=False)
    console.print(table if report.failures else table.title)
    if report.notes:
        for line in counted((note.file, note.what, "") for note in report.notes):
            console.print(f"note: {line}", soft_wrap=True, markup=False)


def duration(seconds: float) -> str:
    """`3 s`, `12 min`, `7.5 h`, `40 days`."""
    for limit, unit, name in ((100, 1, "s"), (100 * 60, 60, "min"), (72 * 3600, 3600, "h")):
        if seconds < limit:
            return f"{seconds / unit:.{int(name == 'h')}f} {name}"
    return f"{seconds / 86400:.0f} days"


def size(num_bytes: int | float) -> str:
    """In decimal units, as disks are sold: `12 MB`, `1.4 TB`."""
    for power, name in ((3, "kB"), (6, "MB"), (9, "GB")):
        if num_bytes < 1000 * 10**power:
            return f"{num_bytes / 10**power:.{int(0 < num_bytes < 10 * 10**power)}f} {name}"
    return f"{num_bytes / 1e12:.1f} TB"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
