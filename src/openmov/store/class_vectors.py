"""Vectors of class names on disk, so that a list of names is embedded once, and a changed list only where it changed.

    folder/labels/<backbone and templates>/ab/abcdef….safetensors     a vocabulary: `names` (hashes), `vectors`

A vocabulary that was asked for before is one read. Any other is put together from the entries used last, and what none
of them holds is embedded and kept with the rest as an entry of its own. The entry used longest ago goes first when all
of them take more than the limit. Knows nothing of backbones and templates but their hash.
"""

import hashlib
import logging
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float32, UInt8

from openmov.errors import StorageError
from openmov.store.cache import ArrayCache
from openmov.store.usage import LABELS, entries_of, trim

LIMIT_BYTES = 1 << 30
"""Half a million names of a CLIP."""

_DIGEST_BYTES = 16
_ENTRIES_SEARCHED = 8
_log = logging.getLogger(__name__)


class ClassVectors:
    """The vectors kept in one cache folder. Safe to share between threads and processes."""

    def __init__(self, cache_folder: Path, limit_bytes: int = LIMIT_BYTES) -> None:
        self.folder = cache_folder / LABELS
        """Made when the first entry is stored."""
        self.limit_bytes = limit_bytes
        """Of all entries together; the one stored last stays even if it alone is larger."""

    def __repr__(self) -> str:
        return f"ClassVectors({str(self.folder)!r})"

    def find(
        self, group: str, names: Sequence[str], dim: int, *, exact: bool = False
    ) -> tuple[Float32[np.ndarray, "names dim"], Bool[np.ndarray, "names"]]:
        """Their vectors under `group` (a hash of backbone and templates), and which are known; others are zeros.

        With `exact` only an entry of this very vocabulary counts: the last bits of a vector may depend on the names
        it was embedded with, and a training must not depend on what else was asked before.
        Raises StorageError where the folder cannot be read.
        """
        cache, wanted = self._cache(group), _digests(names)
        vectors, known = np.zeros((len(names), dim), np.float32), np.zeros(len(names), bool)
        for key in self._promising(cache, _key(wanted), exact=exact):
            if known.all():
                break
            entry = cache.load_all(key)
            if entry is not None and entry["vectors"].shape[1:] == (dim,):
                _take(entry["names"], entry["vectors"], wanted, vectors, known)
                _touch(cache.path_of(key))
        return vectors, known

    def keep(self, group: str, names: Sequence[str], vectors: Float32[np.ndarray, "names dim"]) -> None:
        """Stores them as one entry, and removes those used longest ago if all take too much.

        A folder that cannot be written is a warning in the log: the answer is the same without it.
        """
        cache, digests = self._cache(group), _digests(names)
        try:
            cache.store_all(_key(digests), {"names": digests, "vectors": np.asarray(vectors, np.float32)})
            trim(entries_of(self.folder), self.limit_bytes, keep=cache.path_of(_key(digests)))
        except StorageError as error:
            _log.warning("class names are embedded anew next time: %s", error)

    def _cache(self, group: str) -> ArrayCache:
        return ArrayCache(self.folder / group[:32])

    def _promising(self, cache: ArrayCache, key: str, *, exact: bool) -> list[str]:
        """Keys of the entries to look in: this very vocabulary's alone, or those used last."""
        if exact or key in cache:
            return [key]
        latest = sorted(entries_of(cache.folder), key=lambda entry: entry.used_seconds, reverse=True)
        return [entry.path.stem for entry in latest[:_ENTRIES_SEARCHED]]


def _take(
    names: UInt8[np.ndarray, "rows 16"],
    rows: Float32[np.ndarray, "rows dim"],
    wanted: UInt8[np.ndarray, "names 16"],
    vectors: Float32[np.ndarray, "names dim"],
    known: Bool[np.ndarray, "names"],
) -> None:
    """Fills in the vectors that are among `rows`."""
    if np.array_equal(names, wanted):
        vectors[:], known[:] = rows, True
        return
    row_of = {digest.tobytes(): row for row, digest in enumerate(names)}
    pairs = [(i, row_of[d]) for i, d in enumerate(map(bytes, wanted)) if not known[i] and d in row_of]
    places, found = np.array(pairs, np.int64).reshape(-1, 2).T
    vectors[places], known[places] = rows[found], True


def _digests(names: Sequence[str]) -> UInt8[np.ndarray, "names 16"]:
    raw = b"".join(hashlib.blake2b(name.encode(), digest_size=_DIGEST_BYTES).digest() for name in names)
    return np.frombuffer(raw, np.uint8).reshape(len(names), _DIGEST_BYTES)


def _key(digests: UInt8[np.ndarray, "names 16"]) -> str:
    return hashlib.blake2b(digests.tobytes(), digest_size=_DIGEST_BYTES).hexdigest()


def _touch(path: Path) -> None:
    with suppress(OSError):  # another process may have removed it; a read-only folder keeps its order
        os.utime(path)
