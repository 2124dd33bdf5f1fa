"""What a timeline says: plain values, and how times are written."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from openmov.api.answers import RankedNames
from openmov.prediction.unknown import Fit
from openmov.types import Modality


@dataclass(frozen=True)
class Window:
    """What one window of a long video shows."""

    start_seconds: float
    """On the file's clock."""
    end_seconds: float
    """On the file's clock."""
    answers: RankedNames
    """As of a video of its own."""
    modalities: tuple[Modality, ...]
    """What was seen and heard in it."""
    fit: Fit | None = None
    """Whether any label fits, where that was asked."""

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        found: dict[str, Any] = {
            "start_seconds": round(self.start_seconds, 3),
            "end_seconds": round(self.end_seconds, 3),
            "answers": self.answers.to_json(),
            "modalities": list(self.modalities),
        }
        return found if self.fit is None else found | {"unknown": self.fit.to_json()}


@dataclass(frozen=True)
class Segment:
    """A stretch of a long video that shows one thing; `str` gives `00:12-00:31 playing guitar 0.82`."""

    start_seconds: float
    """On the file's clock."""
    end_seconds: float
    """On the file's clock; where the next one starts."""
    name: str
    """The label, or "none of these"."""
    probability: float
    """Mean over the segment of what the windows over each of its parts gave the label (nothing, where one found that no
    label fits); of "none of these", the share of windows that found so."""
    known: bool = True
    """Whether it is a label."""

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "start_seconds": round(self.start_seconds, 3),
            "end_seconds": round(self.end_seconds, 3),
            "name": self.name if self.known else None,
            "none_of_these": not self.known,
            "probability": self.probability,
        }

    def __str__(self) -> str:
        return f"{clock(self.start_seconds)}-{clock(self.end_seconds)} {self.name} {self.probability:.2f}"


@dataclass
class FileTimeline:
    """What has been said of one file so far."""

    path: Path
    """The file."""
    segments: list[Segment] = field(default_factory=list)
    """In order of time."""
    windows: list[Window] = field(default_factory=list)
    """The same; empty where nobody wants them kept."""
    notes: tuple[str, ...] = ()
    """What was odd, and that it was interrupted."""

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "path": str(self.path),
            "segments": [segment.to_json() for segment in self.segments],
            "windows": [window.to_json() for window in self.windows],
            "notes": list(self.notes),
        }


def clock(seconds: float) -> str:
    """`00:12`, `1:02:03`; with tenths where there are some: `00:12.5`."""
    tenths = round(seconds * 10)
    hours, rest = divmod(tenths, 36_000)
    minutes, rest = divmod(rest, 600)
    text = f"{minutes:02}:{rest // 10:02}" + (f".{rest % 10}" if rest % 10 else "")
    return f"{hours}:{text}" if hours else text
