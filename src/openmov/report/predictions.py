"""The page that `predict --report` writes: per video what was seen and heard, and what every stream answered.

One self-contained HTML file without scripts. Pictures are encoded as soon as a video is answered, so what is held in
memory is what the page will weigh. Knows nothing of networks.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from openmov.evaluation.result import Failure
from openmov.report.content import Answer, FactGroup
from openmov.report.pages import render
from openmov.report.pictures import Strip
from openmov.report.report import by_reason, to_json_text
from openmov.runtime.own_files import stamped, write_own


@dataclass(frozen=True)
class ShownVideo:
    """One video of the page."""

    path: str
    """As given."""
    answer: Answer
    """The answer, and the next best."""
    streams: tuple[Answer, ...]
    """What each stream says alone; empty where a single one answers."""
    seen: tuple[str, ...]
    """What was looked at and listened to, in words."""
    notes: tuple[str, ...] = ()
    """What was odd in the file."""
    frames: Strip | None = None
    """Frames, in order."""
    flow: Strip | None = None
    """Flow at the same times, direction as colour."""
    full_colour_px: float | None = None
    """The displacement shown in full colour."""
    sound: Strip | None = None
    """Spectrogram."""
    sound_seconds: float | None = None
    """Its length."""

    @property
    def name(self) -> str:
        """The file's own name."""
        return Path(self.path).name or self.path


@dataclass(frozen=True)
class PredictionPage:
    """Everything the page says."""

    title: str
    """Its heading."""
    summary: str
    """A sentence under it."""
    date: str
    """As shown."""
    videos: tuple[ShownVideo, ...]
    """In the order given."""
    failures: tuple[Failure, ...]
    """Files that could not be read."""
    facts: tuple[FactGroup, ...]
    """Who answered, among which names, and how."""
    notes: tuple[str, ...] = ()
    """Said at the foot."""


def write_prediction_page(path: Path, page: PredictionPage, data: dict[str, Any]) -> Path:
    """Writes the page, and beside it `data` as JSON under the same name; returns where the JSON is.

    Raises StorageError, also where one of them is there and is not openmov's own.
    """
    beside = path.with_suffix(".json")
    text = render("prediction.html.jinja", content=page, failures=by_reason(page.failures))
    write_own({path: text, beside: to_json_text(stamped(data))})
    return beside
