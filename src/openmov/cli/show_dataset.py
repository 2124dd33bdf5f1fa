"""What `openmov dataset` says: how much is there, and what is not."""

from dataclasses import asdict
from pathlib import Path

from openmov.cli.output import print_json, say
from openmov.data.benchmarks.building import MANIFEST, Built
from openmov.data.coverage import LostVideo, coverage_path

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
