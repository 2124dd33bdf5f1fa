"""What came of filling the caches: how many videos, which ones failed and why; as JSON beside the cache."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from openmov.api.prepare_work import Outcome
from openmov.data.entries import Cost, summed
from openmov.data.records import Record
from openmov.runtime.atomic import write_text


@dataclass(frozen=True)
class Failure:
    """A video that could not be used."""

    video_id: str
    """As in the manifest."""
    file: str
    """Its path."""
    reason: str
    """What is wrong."""
    mend: str
    """What to do."""


@dataclass(frozen=True)
class Note:
    """Something odd in a video that was used."""

    file: str
    """Its path."""
    what: str
    """As in `cut off: 1.2 s are missing`."""


@dataclass(frozen=True)
class PrepareReport:
    """Every video has exactly one place here: done, reused or failed."""

    done: int
    """Videos of which something was made in this run."""
    reused: int
    """Videos of which all was there, also what another process made meanwhile."""
    failures: tuple[Failure, ...]
    """In the order of the manifest."""
    notes: tuple[Note, ...]
    """Of the videos done."""
    made: Mapping[str, Cost]
    """By step."""
    seconds: float
    """Of wall time, planning included."""

    @property
    def by_reason(self) -> dict[str, tuple[Failure, ...]]:
        """The failures by their reason, the commonest first."""
        groups: dict[str, list[Failure]] = {}
        for failure in self.failures:
            groups.setdefault(failure.reason, []).append(failure)
        return {reason: tuple(group) for reason, group in sorted(groups.items(), key=lambda item: -len(item[1]))}

    def to_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "videos": self.done + self.reused + len(self.failures),
            "done": self.done,
            "reused": self.reused,
            "failed": [asdict(failure) for failure in self.failures],
            "notes": [asdict(note) for note in self.notes],
            "made": {step: asdict(cost) for step, cost in self.made.items()},
            "seconds": round(self.seconds, 3),
        }


def report_of(records: Sequence[Record], outcomes: Mapping[int, Outcome], seconds: float) -> PrepareReport:
    """The report on records, each of which has an outcome."""
    failures, notes, made = [], [], dict[str, Cost]()
    for index, record in enumerate(records):
        outcome = outcomes[index]
        made = summed(made, outcome.made)
        notes += [Note(str(record.path), note) for note in outcome.notes]
        if outcome.status == "failed":
            failures.append(Failure(record.video_id, str(record.path), outcome.what, outcome.mend))
    counts = {name: sum(outcome.status == name for outcome in outcomes.values()) for name in ("done", "reused")}
    return PrepareReport(counts["done"], counts["reused"], tuple(failures), tuple(notes), made, seconds)


def write_report(path: Path, report: PrepareReport, facts: Mapping[str, Any]) -> None:
    """JSON, whole or not at all; `facts` say what was prepared. Raises StorageError."""
    write_text(path, json.dumps({**facts, **report.to_json()}, indent=1, ensure_ascii=False) + "\n")
