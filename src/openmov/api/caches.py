"""What openmov keeps on disk, by kind: how much there is, and making it less.

    labels   vectors of class names, kept by predict; never more than its own limit
    videos   flow, sound and frozen embeddings, filled by prepare and train; as much as the data sets need

Both lie in one folder: $OPENMOV_CACHE, or ~/.cache/openmov. Models from a hub lie in the hub's own cache ($HF_HOME).
"""

import re
from dataclasses import dataclass
from pathlib import Path

from openmov.api.cache_folder import CacheEntry, abandoned_of, entries_of, remove, trim
from openmov.api.label_store import LABELS
from openmov.errors import RecipeError

KINDS = ("labels", "videos")

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kMGT]?)i?B?", re.IGNORECASE)
_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}


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
    """Every kind, whether there is anything of it or not."""
    return tuple(_described(kind, folder) for kind in KINDS)


def clear_caches(folder: Path, kind: str | None = None, keep_bytes: int = 0) -> tuple[KindOfCache, ...]:
    """Removes entries, those used longest ago first, until `keep_bytes` of each kind are left; says what it removed.

    Of one kind, or of every kind; and what killed processes left half-written. What is being read or written at this
    moment is not disturbed. Raises RecipeError for a kind that is none, StorageError.
    """
    if kind is not None and kind not in KINDS:
        raise RecipeError("cache clear", f"{kind!r} is no kind of cache", f"choose from {', '.join(KINDS)}")
    gone = []
    for one in KINDS if kind is None else (kind,):
        removed = trim(_entries(one, folder), keep_bytes)
        gone.append(_counted(one, folder, removed))
    remove(abandoned_of(folder))
    return tuple(gone)


def parse_size(text: str) -> int:
    """`500MB`, `1.5 GB`, `2000` -> bytes. Raises RecipeError."""
    found = _SIZE.fullmatch(text.strip())
    if found is None:
        raise RecipeError("--keep", f"{text!r} is no size", "write 500MB or 20GB")
    return round(float(found[1]) * _UNITS[found[2].lower()])


def _described(kind: str, folder: Path) -> KindOfCache:
    return _counted(kind, folder, _entries(kind, folder))


def _counted(kind: str, folder: Path, entries: list[CacheEntry]) -> KindOfCache:
    where = folder / LABELS if kind == LABELS else folder
    return KindOfCache(kind, where, len(entries), sum(entry.size_bytes for entry in entries))


def _entries(kind: str, folder: Path) -> list[CacheEntry]:
    labels = folder / LABELS
    if kind == LABELS:
        return entries_of(labels)
    return [entry for entry in entries_of(folder) if labels not in entry.path.parents]
