"""The cache entries made of one file: which there are, and what making the missing ones cost.

    StoredInput (what it is, how it is made) --FileEntries--> its key; whether it is there; the array, made if it is not

Every modality says what it wants as such inputs; preparing, packing, counting, streaming and reading clips are loops
over them. An entry is stored only if the file is still the one its key was made of: one that is replaced or written to
while it is read gives no entry at all, rather than one under the wrong key. Knows nothing of what the entries hold.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from openmov.errors import DecodeError
from openmov.store.cache import ArrayCache, content_hash, file_state, step_key
from openmov.store.entry import AnyArray


@dataclass(frozen=True)
class StoredInput:
    """One array that a clip's inputs are made from: what decides it, what it looks like, how it is made."""

    step: str
    """What is made: flow, frames, frozen (embeddings of frames) or audio (spectrograms)."""
    version: int
    """Of the step's code."""
    facts: Mapping[str, object]
    """All else that decides it, beside the file: plain JSON values."""
    units: int
    """Pairs of frames, frames, or spectrograms."""
    shape: tuple[int | None, ...]
    """None is any length."""
    dtype: str
    """As NumPy writes it."""
    compute: Callable[[], AnyArray] = field(repr=False)
    """Makes it. Raises DecodeError."""
    num_bytes: int = 0
    """Of its elements, before the cache packs them; about, and 0 where nobody asks."""

    def fits(self, array: AnyArray) -> bool:
        """Whether an array from elsewhere may be it; an empty one stands for a stream that yields nothing."""
        sizes = zip(self.shape, array.shape, strict=False)
        same = len(self.shape) == array.ndim and (not array.size or all(one in (None, size) for one, size in sizes))
        return same and array.dtype == self.dtype


@dataclass(frozen=True)
class Entry:
    """One entry of the cache that a video's views ask for."""

    step: str
    """As in StoredInput."""
    key: str
    """Its name in the cache."""
    units: int
    """As in StoredInput."""
    num_bytes: int
    """As in StoredInput."""


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

    def key(self, wanted: StoredInput) -> str:
        """The entry's name. Only with a cache."""
        return step_key(self._content, wanted.step, wanted.version, wanted.facts)

    def entry(self, wanted: StoredInput) -> Entry:
        """What an input is as an entry, whether it is there or not. Only with a cache."""
        return Entry(wanted.step, self.key(wanted), wanted.units, wanted.num_bytes)

    def has(self, wanted: StoredInput) -> bool:
        """Whether it is stored; never without a cache."""
        return self.cache is not None and self.key(wanted) in self.cache

    def get(self, wanted: StoredInput) -> Any:
        """The entry, stored first if it is missing; without a cache what is computed.

        Raises FileChangedError in place of storing what was read from another file, StorageError.
        """
        if self.cache is None:
            return wanted.compute()
        found = self.cache.load(self.key(wanted))
        return found if found is not None and wanted.fits(found) else self._make(wanted)

    def fill(self, wanted: StoredInput) -> None:
        """Stores the entry if it is missing; one that is there is not read. Raises as `get`."""
        if self.cache is not None and not self.has(wanted):
            self._make(wanted)

    def _make(self, wanted: StoredInput) -> AnyArray:
        assert self.cache is not None
        begun = time.perf_counter()
        array = wanted.compute()
        if file_state(self.path) != self._state:
            raise FileChangedError(self.path, "was changed while it was read", "run again when it is complete")
        size = self.cache.store(self.key(wanted), array)
        cost = Cost(wanted.units, time.perf_counter() - begun, size)
        self.made[wanted.step] = self.made.get(wanted.step, Cost()) + cost
        return array
