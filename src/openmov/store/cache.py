"""A folder of arrays, kept by what they were made from.

An entry exists if and only if it is complete: it is written beside its place and renamed into it, so two processes
may fill the same one at once, and a full disk or a kill leaves none. Its key covers the file's content, the step's
parameters and the version of the step's code, so nothing has to be thrown away by hand when one of them changes.

A folder may hold a pack as well: what is not there as a file of its own is looked for in it.

Knows nothing of videos and steps; their versions stand in their own modules (FLOW_VERSION, AUDIO_VERSION ...).
"""

import functools
import hashlib
import json
import logging
import os
import re
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from openmov.errors import DecodeError, StorageError
from openmov.runtime.atomic import atomic_file, storage_errors
from openmov.store.entry import ARRAY, SUFFIX, AnyArray, DamagedError, check, from_bytes, to_bytes
from openmov.store.pack import Pack, find_pack

_DIGEST_BYTES = 16
KEY = re.compile(r"[0-9a-f]{8,64}")
"""What the name of an entry is before its suffix: temporary files have other names."""
_log = logging.getLogger(__name__)


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
    """A folder of entries: `folder/ab/abcdef….safetensors`. Safe to share between threads and processes."""

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
        """Entries whose bytes had changed."""

    def __repr__(self) -> str:
        return f"ArrayCache({str(self.folder)!r}, hits={self.hits}, misses={self.misses}, damaged={self.damaged})"

    def require_writable(self) -> None:
        """Raises StorageError, to be told before hours of work that nothing can be stored."""
        with storage_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=self.folder).close()

    def __contains__(self, key: str) -> bool:
        return self.path_of(key).is_file() or (self.pack is not None and key in self.pack)

    def read(self, key: str) -> bytes | None:
        """The file of an entry as it lies on disk or in the pack, not checked; None where there is none.

        Raises StorageError where the folder cannot be read.
        """
        path = self.path_of(key)
        try:
            return path.read_bytes()
        except FileNotFoundError:
            return None if self.pack is None else self.pack.content(key)
        except OSError as error:
            raise StorageError(path, f"cannot be read ({error.strerror})", "choose another cache folder") from error

    def load_all(self, key: str) -> dict[str, AnyArray] | None:
        """The arrays of an entry by name, writable, or None where there is none.

        A damaged entry is removed (in a pack left alone) with a warning in the log, counted in `damaged`, and treated
        as absent. Raises StorageError where the folder cannot be read.
        """
        content, arrays = self.read(key), None
        if content is not None:
            try:
                arrays = from_bytes(content, key)
            except DamagedError as error:
                self._put_aside(key, error)
        self.hits += arrays is not None
        self.misses += arrays is None
        return arrays

    def load(self, key: str) -> AnyArray | None:
        """The array of an entry that holds one, likewise."""
        arrays = self.load_all(key)
        return None if arrays is None else arrays.get(ARRAY)

    def store_all(self, key: str, arrays: Mapping[str, AnyArray]) -> int:
        """Writes an entry, whole or not at all, in place of an older one; returns its size on disk in bytes.

        Raises StorageError; ValueError for elements that are Python objects.
        """
        content = to_bytes(key, arrays)
        with atomic_file(self.path_of(key)) as temporary:
            temporary.write_bytes(content)
        return len(content)

    def store(self, key: str, array: AnyArray) -> int:
        """Writes an entry of one array, likewise."""
        return self.store_all(key, {ARRAY: array})

    def get(self, key: str, compute: Callable[[], AnyArray]) -> AnyArray:
        """The entry; where there is none, what `compute` returns, stored first. Raises StorageError."""
        array = self.load(key)
        if array is None:
            array = compute()
            self.store(key, array)
        return array

    def path_of(self, key: str) -> Path:
        """Where the entry is, or would be. Raises ValueError for what is not a key."""
        if not KEY.fullmatch(key):
            raise ValueError(f"{key!r} is not a cache key: make it with step_key")
        return self.folder / key[:2] / f"{key}{SUFFIX}"

    def _put_aside(self, key: str, error: DamagedError) -> None:
        self.damaged += 1
        path = self.path_of(key)
        _log.warning("%s: the stored array is damaged (%s); it is made anew", path, error)
        with storage_errors(path), suppress(FileNotFoundError):  # in a pack, or another process was quicker
            path.unlink()


def verify(folder: Path) -> tuple[Path, ...]:
    """The damaged entries of a cache folder, and shards of a pack with damaged ones, sorted; nothing is removed."""
    entries = (path for path in sorted(folder.glob(f"??/*{SUFFIX}")) if KEY.fullmatch(path.stem))
    pack = find_pack(folder)
    return (*(path for path in entries if _is_damaged(path)), *(() if pack is None else pack.damaged_shards()))


def _is_damaged(path: Path) -> bool:
    try:
        check(path.read_bytes(), path.stem)
    except FileNotFoundError:  # another process removed it meanwhile
        return False
    except DamagedError:
        return True
    return False
