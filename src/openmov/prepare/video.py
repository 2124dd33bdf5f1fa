"""One video to fill the caches for, what came of it, and the work itself.

    Job --> a worker (this process, a child process, an actor of a cluster) --> Outcome

The functions that a child process calls are here, for they need a name to be called by.
"""

import json
import logging
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

import torch

from openmov.build import build_components
from openmov.config.schema import Recipe
from openmov.data.entries import Cost, FileChangedError, summed
from openmov.data.loader import Unreadable
from openmov.data.reader import ClipDataset
from openmov.data.records import Record
from openmov.errors import DecodeError, OpenMovError
from openmov.runtime.atomic import write_text
from openmov.runtime.progress import progress_bar

Status = Literal["done", "reused", "failed"]
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Setup:
    """What a worker must know before its first job."""

    recipe: Recipe
    """What is made."""
    cache_folder: Path
    """Where it goes."""
    frames: bool
    """Whether frames are stored as well."""


@dataclass(frozen=True)
class Job:
    """One video whose entries are not all there."""

    index: int
    """Of the record in the list that is prepared."""
    record: Record
    """Which."""
    training: bool
    """For the views of a training, or for those of a test."""
    missing_bytes: Mapping[str, int] = field(default_factory=dict)
    """By step, before packing."""


@dataclass(frozen=True)
class Outcome:
    """What came of one video."""

    status: Status
    """done: something was made; reused: everything was there."""
    made: Mapping[str, Cost] = field(default_factory=dict)
    """By step."""
    notes: tuple[str, ...] = ()
    """What was odd in the file."""
    what: str = ""
    """Where it failed: why."""
    hint: str = ""
    """And what to do."""


@runtime_checkable
class Worker(Protocol):
    """Whoever does jobs, one at a time."""

    def do(self, job: Job, limit_seconds: float | None) -> Outcome:
        """Raises StorageError, and CallOverTimeError or CallDiedError where it is a process."""
        ...

    def close(self) -> None:
        """Ends it, also in the middle of a job."""
        ...


def do_job(reader: ClipDataset, record: Record, *, training: bool, frames: bool) -> Outcome:
    """Fills the cache for one video; one that is changed meanwhile is read again, once. Raises StorageError."""
    for last_try in (False, True):
        try:
            stored = reader.store(record, training=training, frames=frames)
        except FileChangedError as error:
            if last_try:
                return Outcome("failed", what=error.what, hint=error.hint)
        except DecodeError as error:
            return Outcome("failed", what=error.what, hint=error.hint)
        else:
            return Outcome("done" if stored.made else "reused", stored.made, stored.notes)
    raise AssertionError("unreachable")


def load_bench(setup: Setup) -> None:
    """Gets this process ready for `do_in_child`. Raises BackboneError, StorageError."""
    torch.set_num_threads(1)  # one process a core; and the last bits of an embedding depend on the number
    _BENCH.append(build_components(setup.recipe, setup.cache_folder).dataset())


def do_in_child(record: Record, *, training: bool, frames: bool) -> Outcome:
    """As `do_job`, in a process of its own: an error nobody thought of costs this video alone, and is named.

    Raises StorageError.
    """
    try:
        return do_job(_BENCH[-1], record, training=training, frames=frames)
    except OpenMovError:
        raise
    except Exception as error:
        _log.exception("%s", record.path)
        return Outcome(
            "failed", what=f"unexpected {type(error).__name__}: {error}", hint="please report it, with the file"
        )


_BENCH: list[ClipDataset] = []


@dataclass(frozen=True)
class Prepared:
    """What can be used, and what cannot."""

    records: tuple[Record, ...]
    """The readable ones, in the given order."""
    unreadable: tuple[Unreadable, ...]
    """The others, with reasons."""


def fill_caches(
    reader: ClipDataset,
    records: Sequence[Record],
    *,
    training: bool,
    workers: int,
    title: str = "preparing",
    shown: bool = True,
) -> Prepared:
    """Stores flow, spectrograms and frozen embeddings of every view training (or a test) will look at.

    Raises StorageError where the cache cannot be written.
    """
    failed: dict[int, Unreadable] = {}

    def one(index: int) -> None:
        try:
            reader.store(records[index], training=training)
        except DecodeError as error:
            failed[index] = Unreadable(records[index], error)

    with progress_bar(title, len(records), shown=shown) as show, ThreadPoolExecutor(max(1, workers)) as pool:
        futures = [pool.submit(one, index) for index in range(len(records))]
        try:
            for done, future in enumerate(as_completed(futures), start=1):
                future.result()
                show(done)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    kept = tuple(record for index, record in enumerate(records) if index not in failed)
    return Prepared(kept, tuple(failed[index] for index in sorted(failed)))


@dataclass(frozen=True)
class Failure:
    """A video that could not be used."""

    video_id: str
    """As in the manifest."""
    file: str
    """Its path."""
    reason: str
    """What is wrong."""
    hint: str
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
            failures.append(Failure(record.video_id, str(record.path), outcome.what, outcome.hint))
    counts = {name: sum(outcome.status == name for outcome in outcomes.values()) for name in ("done", "reused")}
    return PrepareReport(counts["done"], counts["reused"], tuple(failures), tuple(notes), made, seconds)


def write_report(path: Path, report: PrepareReport, facts: Mapping[str, Any]) -> None:
    """JSON, whole or not at all; `facts` say what was prepared. Raises StorageError."""
    write_text(path, json.dumps({**facts, **report.to_json()}, indent=1, ensure_ascii=False) + "\n")
