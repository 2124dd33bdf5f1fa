"""Entries of one file: made once, and never stored under the key of another content."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from openmov.data.entries import Cost, FileChangedError, FileEntries, StoredInput, summed
from openmov.store.cache import ArrayCache, content_hash

ONE = np.ones(8, np.uint8)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "a.mp4"
    path.write_bytes(b"before")
    return path


@pytest.fixture
def cache(tmp_path: Path) -> ArrayCache:
    return ArrayCache(tmp_path / "cache")


def stored(cache: ArrayCache) -> list[Path]:
    return sorted(cache.folder.rglob("*.safetensors"))


def flow(facts: dict[str, object], units: int = 1, compute: Callable[[], np.ndarray] = lambda: ONE) -> StoredInput:
    return StoredInput("flow", 1, facts, units, ONE.shape, ONE.dtype.str, compute)


def test_what_is_made_is_counted_and_what_is_there_is_not(cache: ArrayCache, path: Path) -> None:
    entries = FileEntries(cache, path)
    entries.get(flow({"a": 1}, 16))
    entries.get(flow({"a": 1}, 16))
    entries.fill(flow({"a": 2}, 4))
    entries.fill(flow({"a": 2}, 4))
    assert entries.made["flow"].units == 20
    assert entries.made["flow"].stored_bytes == sum(one.stat().st_size for one in stored(cache))
    assert FileEntries(cache, path).made == {}


def rewrite(path: Path) -> None:
    time.sleep(0.02)  # file systems count time in steps of a few milliseconds
    path.write_bytes(b"after!")  # the same length
    os.utime(path, ns=(path.stat().st_atime_ns, BEFORE_NS))  # and, for the worse, the same time


def replace(path: Path) -> None:
    other = path.with_name("b.mp4")
    other.write_bytes(b"after!")
    os.utime(other, ns=(BEFORE_NS, BEFORE_NS))
    other.replace(path)


BEFORE_NS = 1_000_000_000_000_000_000


@pytest.mark.parametrize("change", [rewrite, replace])
def test_a_file_replaced_while_it_is_read_gives_no_entry(cache: ArrayCache, path: Path, change: object) -> None:
    os.utime(path, ns=(BEFORE_NS, BEFORE_NS))
    entries = FileEntries(cache, path)
    assert callable(change)
    with pytest.raises(FileChangedError, match="was changed while it was read"):
        entries.get(flow({}, 1, lambda: (change(path), ONE)[1]))
    assert stored(cache) == []
    after = FileEntries(cache, path)
    assert after.key(flow({})) != entries.key(flow({}))
    assert np.array_equal(after.get(flow({})), ONE)


def test_the_hash_is_of_what_the_file_holds_now(path: Path) -> None:
    os.utime(path, ns=(BEFORE_NS, BEFORE_NS))
    before = content_hash(path)
    replace(path)
    assert content_hash(path) != before


def test_costs_add_up_by_step() -> None:
    one, other = {"flow": Cost(1, 2.0, 3), "audio": Cost(1, 1.0, 1)}, {"flow": Cost(10, 20.0, 30)}
    assert summed(one, other) == {"flow": Cost(11, 22.0, 33), "audio": Cost(1, 1.0, 1)}


@pytest.mark.parametrize(
    "other", [np.zeros((9, 9), np.uint8), np.zeros(9, np.uint8), ONE.astype(np.float64), ONE[:, None]], ids=range(4)
)
def test_an_entry_that_is_something_else_is_made_anew(cache: ArrayCache, path: Path, other: np.ndarray) -> None:
    entries = FileEntries(cache, path)
    wanted = flow({})
    cache.store(entries.key(wanted), other)
    assert np.array_equal(entries.get(wanted), ONE)
    found = cache.load(entries.key(wanted))
    assert found is not None
    assert np.array_equal(found, ONE)
