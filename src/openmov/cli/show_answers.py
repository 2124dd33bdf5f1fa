"""What `predict` says: answers on stdout as they come, for people, as CSV or as JSON; faults on stderr at the end."""

import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from openmov.cli.output import print_csv, print_json, say
from openmov.errors import DecodeError, RecipeError, StorageError
from openmov.inference.answers import FileTimeline, Prediction, Segment, clock
from openmov.inference.pages import PredictionReport, timeline_facts, write_timeline_report
from openmov.inference.predictor import Predictor
from openmov.inference.timeline import Timeline, TimelineSettings
from openmov.printable import printable
from openmov.runtime.own_files import refuse_foreign
from openmov.runtime.progress import progress_bar
from openmov.scoring.unknown import BackgroundTest
from openmov.text.label_choice import notes_on
from openmov.text.vocabulary import Vocabulary
from openmov.types import Modality

Form = Literal["text", "csv", "json"]

_BAR = 24
_COLUMNS = (
    *("path", "rank", "label", "probability", "modalities", "notes", "error", "none_of_these"),
    *("backbone", "revision", "licence"),
)
STREAM_WORDS = {"video": "pictures alone", "audio": "sound alone", "both": "pictures with sound"}
"""What terminals call the streams of pretrained towers."""
_SEEN = {Modality.VIDEO: "saw video", Modality.FLOW: "saw motion", Modality.AUDIO: "heard sound"}


def form_of(*, as_json: bool, as_csv: bool) -> Form:
    """Raises RecipeError where both are asked for."""
    if as_json and as_csv:
        raise RecipeError("--csv", "and --json are both asked for", "leave one of them out")
    return "json" if as_json else "csv" if as_csv else "text"


def refuse_page(report: Path | None) -> None:
    """Raises StorageError where the page could not be written when everything is answered."""
    if report is not None and report.suffix.lower() not in (".html", ".htm"):
        raise StorageError(report, "is not a name of a page", "end it in .html")
    if report is not None:
        refuse_foreign([report, report.with_suffix(".json")])


def show(
    predictor: Predictor,
    files: Sequence[Path | DecodeError],
    vocabulary: Vocabulary,
    form: Form = "text",
    *,
    top: int,
    workers: int,
    unknown: BackgroundTest | None = None,
    report: Path | None = None,
) -> int:
    """Answers all files and prints what was found; the exit code: 2 where a file could not be read."""
    if form == "text":
        say(heading(predictor, vocabulary), file=sys.stderr)
    if form == "csv":
        print_csv([_COLUMNS])
    answers: list[Prediction | DecodeError] = []
    page = PredictionReport(predictor, vocabulary)
    with progress_bar("answering", len(files), shown=len(files) > 1) as progress:
        for answer in predictor.predict(files, vocabulary, top=top, workers=workers, unknown=unknown):
            answers.append(answer)
            _print_one(answer, form, predictor)
            if report is not None:
                page.add(answer)
            progress(len(answers))
    _finish(to_json(predictor, vocabulary, answers), page, form, report)
    _complain(f"note: {note}" for note in notes_on(vocabulary.names))
    return _complain_of(answers)


def _finish(data: dict[str, Any], page: PredictionReport, form: Form, report: Path | None) -> None:
    """What can be said only when all is answered."""
    if form == "json":
        print_json(data)
    if report is not None:
        beside = page.write(report, data, data["notes"])
        say(f"report: {report}, and every number in {beside}", file=sys.stderr)


def heading(predictor: Predictor, vocabulary: Vocabulary, views: str | None = None) -> str:
    """Who answers, and how; `views` says what is looked at, if not the recipe's views."""
    name, identity = predictor.backbone
    settings = predictor.settings(vocabulary)
    settings = settings if views is None else replace(settings, views=views, preset=None)
    pinned = "" if predictor.revision is None else f", revision {predictor.revision[:12]}"
    restricted = ", non-commercial" if predictor.source.non_commercial else ""
    licence = f", licence {predictor.source.licence}{restricted}"
    return f"backbone: {name} ({identity[:12]}{pinned}{licence}){_heard_by(predictor)}; {settings}"


def _heard_by(predictor: Predictor) -> str:
    """The pretrained sound tower, where one hears."""
    tower = predictor.sound
    return "" if tower is None else f"; sound: {tower.name} ({tower.identity[:12]}, {tower.source})"


def to_json(
    predictor: Predictor, vocabulary: Vocabulary, answers: Iterable[Prediction | DecodeError]
) -> dict[str, Any]:
    """Everything that was asked and answered, as plain values."""
    given = list(answers)
    return {
        "backbone": predictor.backbone_json(),
        **({} if predictor.sound is None else {"sound": predictor.sound_json()}),
        "vocabulary": {**asdict(vocabulary), "identity": vocabulary.identity},
        "settings": predictor.settings(vocabulary).to_json(),
        "predictions": [answer.to_json() for answer in given if isinstance(answer, Prediction)],
        "failures": [{"path": one.where, "reason": one.what} for one in given if isinstance(one, DecodeError)],
        "notes": list(notes_on(vocabulary.names)),
    }


def one_prediction(answer: Prediction) -> str:
    """A file, what was seen and heard, and the top answers with bars."""
    seen = ", ".join(_SEEN[modality] for modality in answer.modalities)
    lines = [f"{printable(answer.path)}  ({seen})"]
    for stream, weight in answer.weights.items() if len(answer.weights) > 1 else ():
        best = answer.by_modality[stream]
        lines.append(f"  {STREAM_WORDS[stream]} ({weight:.2f}): {best.names[0]} {best.probabilities[0]:.1%}")
    if answer.fit is not None and answer.none_of_these:
        lines.append(f"  none of these: {printable(answer.fit.background)} fits better; among the names:")
    for name, probability in zip(answer.answers.names, answer.answers.probabilities, strict=True):
        lines.append(f"  {probability:6.1%} {'█' * round(probability * _BAR):<{_BAR}} {printable(name)}")
    return "\n".join(lines)


def csv_rows(answer: Prediction | DecodeError, predictor: Predictor) -> list[tuple[object, ...]]:
    """One row an answer, in the order of the columns; one row with the reason for a file that could not be read."""
    source = (predictor.backbone[0], predictor.revision or "", predictor.source.licence)
    if isinstance(answer, DecodeError):
        return [(answer.where, "", "", "", "", "", answer.what, "", *source)]
    seen, notes = " ".join(answer.modalities), "; ".join(answer.notes)
    ranked = zip(answer.answers.names, answer.answers.probabilities, strict=True)
    none = "" if answer.fit is None else answer.none_of_these
    return [
        (answer.path, rank, name, f"{p:.6f}", seen, notes, "", none, *source)
        for rank, (name, p) in enumerate(ranked, start=1)
    ]


def _print_one(answer: Prediction | DecodeError, form: Form, predictor: Predictor) -> None:
    if form == "csv":
        print_csv(csv_rows(answer, predictor))
    elif form == "text" and isinstance(answer, Prediction):
        say(f"\n{one_prediction(answer)}", flush=True)


def _complain_of(answers: Sequence[Prediction | DecodeError]) -> int:
    """What was odd, what failed and how many; 2 where something did."""
    failed = [answer for answer in answers if isinstance(answer, DecodeError)]
    _complain(f"{one.path}: {note}" for one in answers if isinstance(one, Prediction) for note in one.notes)
    _complain(map(str, failed))
    if failed and len(answers) > 1:
        _complain([f"{len(failed)} of {len(answers)} files could not be read"])
    return 2 if failed else 0


def _complain(lines: Iterable[str]) -> None:
    for line in lines:
        say(f"openmov: {line}", file=sys.stderr)


_SEGMENT_BAR = 24
_SEGMENT_COLUMNS = (
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
        print_csv([_SEGMENT_COLUMNS])
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
    bar = "█" * round(segment.probability * _SEGMENT_BAR)
    return f"{when:<15} {segment.probability:.2f} {bar:<{_SEGMENT_BAR}} {name}"


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
