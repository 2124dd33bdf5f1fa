"""What `predict --timeline` says: segments on stdout as soon as they are closed, for people, as CSV or as JSON.

Ctrl-C ends the video where it is: what was closed is printed, the last segment as far as it got, and the report of all
that is written.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from openmov.api.moments import FileTimeline, Segment, clock
from openmov.api.predictor import Predictor
from openmov.api.timeline import Timeline, TimelineSettings
from openmov.api.timeline_report import timeline_facts, write_timeline_report
from openmov.cli.answers import Form, heading
from openmov.cli.output import print_csv, print_json, say
from openmov.errors import DecodeError
from openmov.prediction.unknown import BackgroundTest
from openmov.printable import printable
from openmov.runtime.progress import progress_bar
from openmov.text.vocabulary import Vocabulary

_BAR = 24
_COLUMNS = (
    *("path", "start_seconds", "end_seconds", "label", "none_of_these", "probability", "error"),
    *("backbone", "revision", "licence"),
)


@dataclass(frozen=True)
class TimelineAsked:
    """What is asked of every file."""

    vocabulary: Vocabulary
    """Among which names."""
    settings: TimelineSettings
    """How it is cut."""
    form: Form = "text"
    """How segments are printed."""
    top: int = 5
    """Answers kept of a window."""
    unknown: BackgroundTest | None = field(default=None, repr=False)
    """Whether none of the names may be the answer."""
    report: Path | None = None
    """Page to be written, its JSON beside it."""


def show_timelines(predictor: Predictor, files: Sequence[Path | DecodeError], asked: TimelineAsked) -> int:
    """Answers the files one after the other; the exit code: 2 where one could not be read. Raises StorageError."""
    if asked.form == "text":
        cut = f"windows of {asked.settings.window_seconds:g} s every {asked.settings.hop:g} s"
        say(f"{heading(predictor, asked.vocabulary, views='1x1')}; {cut}", file=sys.stderr)
    if asked.form == "csv":
        print_csv([_COLUMNS])
    found: list[FileTimeline] = []
    failed: list[DecodeError] = []
    try:
        for file in files:
            if isinstance(file, DecodeError):
                failed.append(file)
            else:
                _answer(predictor, file, asked, found, failed)
    finally:  # an interrupt too: what was finished is kept
        _conclude(predictor, asked, found, failed)
    return 2 if failed else 0


def _answer(
    predictor: Predictor, file: Path, asked: TimelineAsked, found: list[FileTimeline], failed: list[DecodeError]
) -> None:
    so_far = FileTimeline(file)
    try:
        timeline = predictor.timeline(file, asked.vocabulary, asked.settings, top=asked.top, unknown=asked.unknown)
        found.append(so_far)
        if asked.form == "text":
            say(f"\n{printable(file)}", flush=True)
        _read(timeline, so_far, asked, _source(predictor))
    except DecodeError as error:
        failed.append(error)


def _source(predictor: Predictor) -> tuple[str, str, str]:
    """The last columns: who answered."""
    return predictor.backbone[0], predictor.revision or "", predictor.source.licence


def _read(timeline: Timeline, so_far: FileTimeline, asked: TimelineAsked, source: tuple[str, str, str]) -> None:
    keeps = asked.form == "json" or asked.report is not None
    with progress_bar(printable(so_far.path.name), timeline.grid.num_windows) as progress:
        done = 0
        try:
            for moment in timeline:
                if isinstance(moment, Segment):
                    _say(moment, so_far, asked.form, source)
                else:
                    done += 1
                    progress(done)
                    so_far.windows += [moment] if keeps else []
            so_far.notes = timeline.notes
        except KeyboardInterrupt:
            for segment in timeline.rest():
                _say(segment, so_far, asked.form, source)
            so_far.notes = (*timeline.notes, f"interrupted: answered up to {_until(so_far)}")
            raise


def _say(segment: Segment, so_far: FileTimeline, form: Form, source: tuple[str, str, str]) -> None:
    so_far.segments.append(segment)
    if form == "csv":
        row = segment.to_json()
        cells = (so_far.path, row["start_seconds"], row["end_seconds"], row["name"] or "", row["none_of_these"])
        print_csv([(*cells, f"{segment.probability:.6f}", "", *source)])
    elif form == "text":
        say(f"  {line(segment)}", flush=True)


def line(segment: Segment) -> str:
    """When, how sure as a bar, and what: `00:12-00:31  0.82 ████▌  playing guitar`; "none of these" in brackets."""
    when = f"{clock(segment.start_seconds)}-{clock(segment.end_seconds)}"
    name = printable(segment.name) if segment.known else f"({printable(segment.name)})"
    bar = "█" * round(segment.probability * _BAR)
    return f"{when:<15} {segment.probability:.2f} {bar:<{_BAR}} {name}"


def _until(so_far: FileTimeline) -> str:
    return clock(so_far.segments[-1].end_seconds) if so_far.segments else clock(0.0)


def _conclude(predictor: Predictor, asked: TimelineAsked, found: list[FileTimeline], failed: list[DecodeError]) -> None:
    facts = timeline_facts(predictor, asked.vocabulary, asked.settings)
    if asked.unknown is not None:
        facts["unknown"] = {"threshold": asked.unknown.threshold, "background": list(asked.unknown.background)}
    if asked.form == "json":
        failures = [{"path": error.where, "reason": error.what} for error in failed]
        timelines = [one.to_json() for one in found]
        print_json({**facts, "timelines": timelines, "failures": failures})
    if asked.form == "csv":
        for error in failed:
            print_csv([(error.where, "", "", "", "", "", error.what, *_source(predictor))])
    if asked.report is not None:
        write_timeline_report(
            asked.report,
            found,
            failed,
            facts,
            str(replace(predictor.settings(asked.vocabulary), views="1x1", preset=None)),
        )
    for text in (
        *(f"{printable(one.path)}: {printable(note)}" for one in found for note in one.notes),
        *map(str, failed),
    ):
        say(f"openmov: {text}", file=sys.stderr)
    if failed and len(found) + len(failed) > 1:
        say(f"openmov: {len(failed)} of {len(found) + len(failed)} files could not be read", file=sys.stderr)
