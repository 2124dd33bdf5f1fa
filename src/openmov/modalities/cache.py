"""Arrays on disk, kept by what they were made from.

An entry exists if and only if it is complete: it is written beside its place and renamed into it, so two processes
may fill the same one at once and a full disk or a kill leaves none. Its key covers the file's content, the step's
parameters and the version of the step's code, so nothing has to be thrown away by hand when one of them changes.

An entry is a line of JSON (element type, shape, coding), the elements in C order, and 16 bytes: a BLAKE2b digest of
what stands before, keyed with the entry's own name, so that cut, flipped and misplaced bytes are all found. It is not
an .npy file because NumPy reads the header of one with `ast.literal_eval`, which fails now and then when many threads
do so at once (CPython 3.11: "AST constructor recursion depth mismatch").

Elements of 8 bits (flow, frames) are packed with Zstandard, which makes flow eight times smaller and costs less than
a millisecond a picture (decision 18); entries that name no coding are not packed, as all were before.

A folder may hold a pack as well (packs.py): what is not there as a file of its own is looked for in it.

Knows nothing of videos and steps; their versions stand in their own modules (FLOW_VERSION, AUDIO_VERSION ...).
"""

import functools
import hashlib
import json
import logging
import os
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import zstandard

from openmov.errors import DecodeError, StorageError
from openmov.modalities.packs import DamagedPackError, Pack, find_pack
from openmov.runtime.atomic import atomic_file, storage_errors

_DIGEST_BYTES = 16
ENTRY_SUFFIX = ".array"
"""What the name of an entry ends with."""
ENTRY_KEY = re.compile(r"[0-9a-f]{8,64}")
"""What it is otherwise: temporary files have other names."""
_ZSTD, _ZSTD_LEVEL = "zstd", 3
_log = logging.getLogger(__name__)

AnyArray = np.ndarray[Any, np.dtype[Any]]


def content_hash(path: Path) -> str:
    """BLAKE2b of the file's bytes, as 32 hex digits; remembered in this process while its state stays the same.

    Raises DecodeError where the file cannot be read.
    """
    state = file_state(path)
    try:
        return _content_hash(path.resolve(), state)
    except OSError as error:
        raise _unreadable(path, error) from error


def file_state(path: Path) -> tuple[int, ...]:
    """Device, number, size and the times of last change of a file: other numbers once it is written to or replaced.

    The file is opened, for a network file system may answer an older state for one that is not. Raises DecodeError.
    """
    try:
        with path.open("rb") as file:
            state = os.fstat(file.fileno())
    except OSError as error:
        raise _unreadable(path, error) from error
    return state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns


def _unreadable(path: Path, error: OSError) -> DecodeError:
    return DecodeError(path, f"cannot be read ({error.strerror})", "check the path and its permissions")


@functools.lru_cache(maxsize=65_536)
def _content_hash(path: Path, state: tuple[int, ...]) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, _new_hash).hexdigest()


def _new_hash() -> "hashlib.blake2b":
    return hashlib.blake2b(digest_size=_DIGEST_BYTES)


def step_key(content: str, step: str, version: int, parameters: Mapping[str, object]) -> str:
    """Key of what `step` makes of a file: 32 hex digits over its content, the step, its code's version and parameters.

    `parameters` are plain JSON values; the order of a mapping's fields does not matter. Raises TypeError or ValueError
    for what JSON cannot say exactly (other objects, NaN).
    """
    text = json.dumps([content, step, version, parameters], sort_keys=True, allow_nan=False)
    return hashlib.blake2b(text.encode(), digest_size=_DIGEST_BYTES).hexdigest()


class ArrayCache:
    """A folder of arrays: `folder/ab/abcdef….array`. Safe to share between threads and processes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        """Made when the first entry is stored."""
        self.pack: Pack | None = find_pack(folder)
        """Entries that lie in shards instead of files of their own."""
        self.hits = 0
        """Loads that found an entry, by this object."""
        self.misses = 0
        """Loads that found none, or a damaged one."""
        self.damaged = 0
        """Entries that were removed because their bytes had changed."""

    def __repr__(self) -> str:
        return f"ArrayCache({str(self.folder)!r}, hits={self.hits}, misses={self.misses}, damaged={self.damaged})"

    def __contains__(self, key: str) -> bool:
        return self.path_of(key).is_file() or (self.pack is not None and key in self.pack)

    def load(self, key: str) -> AnyArray | None:
        """The entry, writable, or None where there is none.

        A damaged entry is removed with a warning in the log, counted in `damaged`, and treated as absent.
        Raises StorageError where the folder cannot be read.
        """
        path = self.path_of(key)
        array = None
        try:
            array = _read(path)
        except FileNotFoundError:
            array = self._load_packed(key)
        except _DamagedError:
            self._remove_damaged(path)
        except OSError as error:
            raise StorageError(path, f"cannot be read ({error.strerror})", "choose another cache folder") from error
        self.hits += array is not None
        self.misses += array is None
        return array

    def store(self, key: str, array: AnyArray) -> int:
        """Writes the entry, whole or not at all, in place of an older one; returns its size on disk in bytes.

        Raises StorageError; ValueError for elements that are Python objects.
        """
        path = self.path_of(key)
        body = _packed(np.asarray(array))
        with atomic_file(path) as temporary, temporary.open("wb") as file:
            file.write(body)
            file.write(_seal(key, memoryview(body)))
        return len(body) + _DIGEST_BYTES

    def get(self, key: str, compute: Callable[[], AnyArray]) -> AnyArray:
        """The entry; where there is none, what `compute` returns, stored first. Raises StorageError."""
        array = self.load(key)
        if array is None:
            array = compute()
            self.store(key, array)
        return array

    def _load_packed(self, key: str) -> AnyArray | None:
        try:
            return None if self.pack is None else self.pack.load(key)
        except DamagedPackError as error:
            self.damaged += 1
            _log.warning("%s: the packed array %s is damaged; it is made anew beside it", error, key)
            return None

    def path_of(self, key: str) -> Path:
        """Where the entry is, or would be. Raises ValueError for what is no key."""
        if not ENTRY_KEY.fullmatch(key):
            raise ValueError(f"{key!r} is no cache key: make it with step_key")
        return self.folder / key[:2] / f"{key}{ENTRY_SUFFIX}"

    def _remove_damaged(self, path: Path) -> None:
        self.damaged += 1
        _log.warning("%s: the stored array is damaged; it is removed and made anew", path)
        with storage_errors(path), suppress(FileNotFoundError):  # another process may have been quicker
            path.unlink()


def verify(folder: Path) -> tuple[Path, ...]:
    """The damaged entries of a cache folder, and shards of a pack with damaged ones, sorted; nothing is removed."""
    entries = (path for path in sorted(folder.glob(f"??/*{ENTRY_SUFFIX}")) if ENTRY_KEY.fullmatch(path.stem))
    pack = find_pack(folder)
    return (*(path for path in entries if _is_damaged(path)), *(() if pack is None else pack.damaged_shards()))


def _is_damaged(path: Path) -> bool:
    try:
        _read(path)
    except _DamagedError:
        return True
    return False


class _DamagedError(Exception):
    """The bytes of an entry are not those that were stored under its name."""


def _read(path: Path) -> AnyArray:
    content = memoryview(path.read_bytes())
    body, seal = content[:-_DIGEST_BYTES], content[-_DIGEST_BYTES:]
    if seal != _seal(path.stem, body):
        raise _DamagedError(path)
    return _unpacked(body)


def _packed(array: AnyArray) -> bytes:
    if array.dtype.hasobject:
        raise ValueError(f"elements of type {array.dtype} cannot be stored")
    header: dict[str, object] = {"dtype": array.dtype.str, "shape": array.shape}
    elements = np.ascontiguousarray(array).tobytes()
    if array.dtype == np.uint8:
        header["coding"], elements = _ZSTD, zstandard.compress(elements, _ZSTD_LEVEL)
    return json.dumps(header).encode() + b"\n" + elements


def _unpacked(body: memoryview) -> AnyArray:
    header, _, elements = bytes(body).partition(b"\n")
    facts = json.loads(header)
    if facts.get("coding", _ZSTD) != _ZSTD:
        raise _DamagedError(facts["coding"])  # of a later release: as good as absent
    if "coding" in facts:
        elements = zstandard.decompress(elements)
    return np.frombuffer(elements, dtype=np.dtype(facts["dtype"])).reshape(facts["shape"]).copy()


def _seal(key: str, body: memoryview) -> bytes:
    return hashlib.blake2b(body, digest_size=_DIGEST_BYTES, key=key.encode()).digest()
