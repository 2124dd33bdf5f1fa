"""What lies in a cache folder, how much of it, and which of it goes first.

Entries are whole files that are written elsewhere and renamed into place, and read whole at once: removing one never
disturbs a reader or a writer; at worst it is made again. Knows nothing of what is in them.
"""

import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from openmov.modalities.cache import ENTRY_KEY, ENTRY_SUFFIX
from openmov.runtime.atomic import storage_errors

_ABANDONED_SECONDS = 3600.0
"""A temporary file nobody has written to for so long belongs to a process that was killed."""


@dataclass(frozen=True)
class CacheEntry:
    """One file of a cache."""

    path: Path
    """Where."""
    size_bytes: int
    """Of the file."""
    used_seconds: float
    """When it was written or last read, since the epoch; a file system may note reading once a day only."""


def entries_of(folder: Path) -> list[CacheEntry]:
    """All complete entries below a folder, in no order; none where there is no folder."""
    return [entry for entry in _files(folder) if ENTRY_KEY.fullmatch(entry.path.stem)]


def abandoned_of(folder: Path) -> list[CacheEntry]:
    """Temporary files that processes left which were killed."""
    oldest = time.time() - _ABANDONED_SECONDS
    return [entry for entry in _files(folder) if entry.path.name.startswith(".") and entry.used_seconds < oldest]


def trim(entries: Sequence[CacheEntry], limit_bytes: int, *, keep: Path | None = None) -> list[CacheEntry]:
    """Removes those used longest ago until the rest takes at most `limit_bytes`, never `keep`; returns the removed.

    Raises StorageError where one may not be removed.
    """
    excess = sum(entry.size_bytes for entry in entries) - limit_bytes
    chosen = []
    for entry in sorted(entries, key=lambda entry: entry.used_seconds):
        if excess <= 0:
            break
        if entry.path != keep:
            chosen.append(entry)
            excess -= entry.size_bytes
    remove(chosen)
    return chosen


def remove(entries: Iterable[CacheEntry]) -> None:
    """Removes files, and the folders this leaves empty. Raises StorageError."""
    for entry in entries:
        with storage_errors(entry.path), suppress(FileNotFoundError):  # another process may have been quicker
            entry.path.unlink()
        with suppress(OSError):  # not empty
            entry.path.parent.rmdir()


def _files(folder: Path) -> list[CacheEntry]:
    found = []
    for path in folder.rglob(f"*{ENTRY_SUFFIX}"):
        with suppress(FileNotFoundError):
            state = path.stat()
            found.append(CacheEntry(path, state.st_size, max(state.st_mtime, state.st_atime)))
    return found
