"""One video to fill the caches for, what came of it, and the work itself.

    Job --> a worker (this process, a child process, an actor of a cluster) --> Outcome

The functions that a child process calls are here, for they need a name to be called by.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

import torch

from openmov.api.wiring import wire
from openmov.config.schema import Recipe
from openmov.data.entries import Cost, FileChangedError
from openmov.data.reader import ClipReader
from openmov.data.records import Record
from openmov.errors import DecodeError, OpenMovError

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
    mend: str = ""
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


def do_job(reader: ClipReader, record: Record, *, training: bool, frames: bool) -> Outcome:
    """Fills the cache for one video; one that is changed meanwhile is read again, once. Raises StorageError."""
    for last_try in (False, True):
        try:
            stored = reader.store(record, training=training, frames=frames)
        except FileChangedError as error:
            if last_try:
                return Outcome("failed", what=error.what, mend=error.mend)
        except DecodeError as error:
            return Outcome("failed", what=error.what, mend=error.mend)
        else:
            return Outcome("done" if stored.made else "reused", stored.made, stored.notes)
    raise AssertionError("unreachable")


def load_bench(setup: Setup) -> None:
    """Gets this process ready for `do_in_child`. Raises BackboneError, StorageError."""
    torch.set_num_threads(1)  # one process a core; and the last bits of an embedding depend on the number
    _BENCH.append(wire(setup.recipe, setup.cache_folder).reader())


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
            "failed", what=f"unexpected {type(error).__name__}: {error}", mend="please report it, with the file"
        )


_BENCH: list[ClipReader] = []
