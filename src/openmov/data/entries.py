"""The cache entries made of one file: which there are, and what making the missing ones cost.

An entry is stored only if the file is still the one its key was made of: one that is replaced or written to while it
is read gives no entry at all, rather than one under the wrong key. Knows nothing of what the entries hold.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from openmov.errors import DecodeError
from openmov.store.cache import ArrayCache, content_hash, file_state, step_key


@dataclass(frozen=True)
class Entry:
    """One entry of the cache that a video's views ask for."""

    step: str
    """What is made: flow, frames, frozen (embeddings of frames) or audio (spectrograms)."""
    key: str
    """Its name in the cache."""
    units: int
    """Pairs of frames, frames, or spectrograms."""
    num_bytes: int
    """Of its elements, before the cache packs them."""


@dataclass(frozen=True)
class Cost:
    """What entries took to make."""

    units: int = 0
    """Pairs, frames or spectrograms."""
    seconds: float = 0.0
    """Decoding included where it was done for them."""
    stored_bytes: int = 0
    """On disk."""

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(self.units + other.units, self.seconds + other.seconds, self.stored_bytes + other.stored_bytes)


def summed(costs: Mapping[str, Cost], more: Mapping[str, Cost]) -> dict[str, Cost]:
    """Costs by step, of two."""
    return {step: costs.get(step, Cost()) + more.get(step, Cost()) for step in (*costs, *more)}


class FileChangedError(DecodeError):
    """A file is not the one it was when work on it began."""


class FileEntries:
    """The entries of one file as it is now. Raises DecodeError where the file cannot be read."""

    def __init__(self, cache: ArrayCache | None, path: Path) -> None:
        self.cache, self.path = cache, path
        self.made: dict[str, Cost] = {}
        """By step, what was made and not found."""
        if cache is not None:
            self._state = file_state(path)  # before the hash: what changes between the two is noticed too
            self._content = content_hash(path)

    def key(self, step: str, version: int, facts: Mapping[str, object]) -> str:
        """The entry's name. Only with a cache."""
        return step_key(self._content, step, version, facts)

    def has(self, step: str, version: int, facts: Mapping[str, object]) -> bool:
        """Whether it is stored; never without a cache."""
        return self.cache is not None and self.key(step, version, facts) in self.cache

    def get(self, step: str, version: int, facts: Mapping[str, object], units: int, compute: Callable[[], Any]) -> Any:
        """The entry, stored first if it is missing; without a cache what `compute` returns.

        Raises FileChangedError in place of storing what was read from another file, StorageError.
        """
        if self.cache is None:
            return compute()
        key = self.key(step, version, facts)
        found = self.cache.load(key)
        if found is None:
            found = self._make(step, key, units, compute)
        return found

    def fill(
        self, step: str, version: int, facts: Mapping[str, object], units: int, compute: Callable[[], Any]
    ) -> None:
        """Stores the entry if it is missing; one that is there is not read. Raises as `get`."""
        if self.cache is not None and not self.has(step, version, facts):
            self._make(step, self.key(step, version, facts), units, compute)

    def _make(self, step: str, key: str, units: int, compute: Callable[[], Any]) -> Any:
        assert self.cache is not None
        begun = time.perf_counter()
        array = compute()
        if file_state(self.path) != self._state:
            raise FileChangedError(self.path, "was changed while it was read", "run again when it is complete")
        size = self.cache.store(key, array)
        cost = Cost(units, time.perf_counter() - begun, size)
        self.made[step] = self.made.get(step, Cost()) + cost
        return array
