"""What openmov keeps in a cache folder, by kind: how much there is, and making it less.

    labels   vectors of class names, kept by predict; never more than its own limit
    videos   flow, sound and frozen embeddings, filled by prepare and train; as much as the data sets need
    weights  of backbones that are published as a pickle, converted once
    older    entries of an earlier release, which are not read any more

Both lie in one folder: $OPENMOV_CACHE, or ~/.cache/openmov. Models from a hub lie in the hub's own cache ($HF_HOME).
Entries are whole files that are written elsewhere and renamed into place, and read whole at once: removing one never
disturbs a reader or a writer; at worst it is made again.
"""

import os
import re
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from openmov.errors import RecipeError
from openmov.runtime.atomic import storage_errors
from openmov.runtime.cache_folder import WEIGHTS
from openmov.store.cache import KEY
from openmov.store.entry import SUFFIX

LABELS = "labels"
"""The folder of class vectors within the cache folder."""
VIDEOS, _OLDER = "videos", "older"
KINDS = (LABELS, VIDEOS, WEIGHTS, _OLDER)

_HASH = re.compile(r"[0-9a-f]{64}")
_OLDER_SUFFIX = ".array"
_ABANDONED_SECONDS = 3600.0
"""A temporary file nobody has written to for so long belongs to a process that was killed."""
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kMGT]?)i?B?", re.IGNORECASE)
_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}


@dataclass(frozen=True)
class CacheEntry:
    """One file of a cache."""

    path: Path
    """Where."""
    size_bytes: int
    """Of the file."""
    used_seconds: float
    """When it was written or last read, since the epoch; a file system may note reading once a day only."""


@dataclass(frozen=True)
class KindOfCache:
    """What there is of one kind."""

    kind: str
    """One of KINDS."""
    folder: Path
    """Where."""
    num_entries: int
    """Complete ones."""
    num_bytes: int
    """Theirs."""


def show_caches(folder: Path) -> tuple[KindOfCache, ...]:
    """Labels and videos, whether there is anything of them or not; the others where there are any."""
    found = (_counted(kind, folder, _entries(kind, folder)) for kind in KINDS)
    return tuple(one for one in found if one.kind in (LABELS, VIDEOS) or one.num_entries)


def clear_caches(folder: Path, kind: str | None = None, keep_bytes: int = 0) -> tuple[KindOfCache, ...]:
    """Removes entries, those used longest ago first, until `keep_bytes` of each kind are left; says what it removed.

    Of one kind, or of every kind; and what killed processes left half-written. What is being read or written at this
    moment is not disturbed. Raises RecipeError for a kind that is none, StorageError.
    """
    if kind is not None and kind not in KINDS:
        raise RecipeError("cache clear", f"{kind!r} is not a kind of cache", f"choose from {', '.join(KINDS)}")
    gone = []
    for one in KINDS if kind is None else (kind,):
        removed = trim(_entries(one, folder), keep_bytes)
        if removed or one in (kind, LABELS, VIDEOS):
            gone.append(_counted(one, folder, removed))
    remove(abandoned_of(folder))
    return tuple(gone)


def parse_size(text: str) -> int:
    """`500MB`, `1.5 GB`, `2000` -> bytes. Raises RecipeError."""
    found = _SIZE.fullmatch(text.strip())
    if found is None:
        raise RecipeError("--keep", f"{text!r} is not a size", "write 500MB or 20GB")
    return round(float(found[1]) * _UNITS[found[2].lower()])


def entries_of(folder: Path) -> list[CacheEntry]:
    """All complete entries below a folder, in no order; none where there is no folder."""
    return [entry for entry in _files(folder, SUFFIX) if _is_entry(entry.path)]


def abandoned_of(folder: Path) -> list[CacheEntry]:
    """Temporary files that processes left which were killed."""
    oldest = time.time() - _ABANDONED_SECONDS
    left = (one for one in _files(folder, SUFFIX) if re.fullmatch(r"\.[0-9a-f]{8,}\..*", one.path.name))
    return [one for one in left if one.path.parent.name in (one.path.name[1:3], WEIGHTS) and one.used_seconds < oldest]


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
    """Removes files, not the folders: another process may be about to write there. Raises StorageError."""
    for entry in entries:
        with storage_errors(entry.path), suppress(FileNotFoundError):  # another process may have been quicker
            entry.path.unlink()


def _counted(kind: str, folder: Path, entries: list[CacheEntry]) -> KindOfCache:
    where = folder / kind if kind in (LABELS, WEIGHTS) else folder
    return KindOfCache(kind, where, len(entries), sum(entry.size_bytes for entry in entries))


def _entries(kind: str, folder: Path) -> list[CacheEntry]:
    labels = folder / LABELS
    if kind == LABELS:
        return entries_of(labels)
    if kind == WEIGHTS:
        return [entry for entry in _files(folder / WEIGHTS, SUFFIX) if _HASH.fullmatch(entry.path.stem)]
    if kind == _OLDER:
        return [entry for entry in _files(folder, _OLDER_SUFFIX) if _is_entry(entry.path)]
    return [entry for entry in entries_of(folder) if labels not in entry.path.parents]


def _is_entry(path: Path) -> bool:
    """Whether it lies where the cache would put it: nobody else's file is counted or removed."""
    return KEY.fullmatch(path.stem) is not None and path.parent.name == path.stem[:2]


def _files(folder: Path, suffix: str) -> Iterator[CacheEntry]:
    """Files below a folder by their suffix; what goes meanwhile is left out, folders too. Links are not followed."""
    for place, _, names in os.walk(folder):  # unlike rglob, no error for a folder that another process removes
        for name in names:
            if name.endswith(suffix):
                path = Path(place, name)
                with suppress(FileNotFoundError):
                    state = path.lstat()
                    yield CacheEntry(path, state.st_size, max(state.st_mtime, state.st_atime))
