"""What `predict` says: answers on stdout as they come, for people, as CSV or as JSON; faults on stderr at the end."""

import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Literal

from openmov.api.answers import Prediction
from openmov.api.labels import notes_on
from openmov.api.prediction_report import PredictionReport
from openmov.api.predictor import Predictor
from openmov.cli.output import print_csv, print_json, say
from openmov.errors import DecodeError, RecipeError, StorageError
from openmov.prediction.unknown import BackgroundTest
from openmov.printable import printable
from openmov.runtime.own_files import refuse_foreign
from openmov.runtime.progress import progress_bar
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
        raise StorageError(report, "is no name of a page", "end it in .html")
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
