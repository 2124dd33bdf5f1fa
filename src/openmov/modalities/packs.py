"""Many cache entries in a few large files: shards in WebDataset's tar form, with an index for reading any entry.

    shard-000000.tar ...   samples, one a video: HASH.json, HASH.flow0.npy.gz, HASH.audio0.npy ...
    index.bin              one row an entry, sorted by key: where it lies, and the digest of its bytes
    samples.jsonl          one line a sample, in the order of the shards: which video it is, and what that holds
    pack.json              the shards and their sizes; written last, so that a pack is whole or none

Every member is JSON or an .npy file (of 8 bits: gzipped), which `webdataset` decodes without unpickling anything, and
whose names hold no dot before the extension. The index is mapped into memory and searched, not loaded: any entry
costs one search and one read, and ten million entries no start-up.
"""

import hashlib
import json
import re
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from openmov.errors import StorageError

PACK_FILE, INDEX_FILE, SAMPLES_FILE = "pack.json", "index.bin", "samples.jsonl"
FORMAT_VERSION = 1
ROW = np.dtype(
    [("high", "<u8"), ("low", "<u8"), ("shard", "<u4"), ("size", "<u4"), ("offset", "<u8"), ("digest", "V16")]
)
"""One entry: 48 bytes."""
_NPY = re.compile(
    rb"\x93NUMPY\x01\x00..\{'descr': '([^']+)', 'fortran_order': False, 'shape': \(([0-9, ]*)\), \} *\n", re.S
)
_GZIP_WINDOW = 31  # zlib's way of saying: with gzip's header

AnyArray = np.ndarray[Any, np.dtype[Any]]


class DamagedPackError(Exception):
    """The bytes of a packed entry are not those that were packed; says in which shard."""


def digest_of(content: bytes) -> bytes:
    """16 bytes by which damage is noticed."""
    hashed = new_digest()
    hashed.update(content)
    return hashed.digest()


def new_digest() -> "hashlib.blake2b":
    """What digests are made with."""
    return hashlib.blake2b(digest_size=16)


def halves(key: str) -> tuple[int, int]:
    """A key of 32 hex digits as two numbers."""
    return int(key[:16], 16), int(key[16:], 16)


@dataclass(frozen=True)
class Pack:
    """A folder of shards, open for reading. Safe to share between threads."""

    folder: Path
    """Where it lies."""
    shards: tuple[str, ...]
    """Names of the tar files."""
    index: np.ndarray[Any, np.dtype[Any]]
    """Rows sorted by key, mapped into memory."""

    def __repr__(self) -> str:
        return f"Pack({str(self.folder)!r}, {len(self.shards)} shards, {len(self.index)} entries)"

    def __len__(self) -> int:
        return len(self.index)

    def __contains__(self, key: str) -> bool:
        return self._row(key) is not None

    def load(self, key: str) -> AnyArray | None:
        """The entry, writable, or None. Raises DamagedPackError, StorageError where its shard cannot be read."""
        row = self._row(key)
        return None if row is None else array_of_npy(self._content(row))

    def damaged_shards(self) -> tuple[Path, ...]:
        """Those that hold a damaged entry, or are missing. Reads everything."""
        found: dict[Path, None] = {}
        for row in sorted(self.index, key=lambda row: (int(row["shard"]), int(row["offset"]))):
            path = self.folder / self.shards[int(row["shard"])]
            try:
                self._content(row)
            except (DamagedPackError, StorageError):
                found[path] = None
        return tuple(found)

    def _row(self, key: str) -> Any:
        return find_row(self.index, key)

    def _content(self, row: Any) -> bytes:
        path = self.folder / self.shards[int(row["shard"])]
        try:
            with path.open("rb") as file:
                file.seek(int(row["offset"]))
                content = file.read(int(row["size"]))
        except OSError as error:
            raise StorageError(path, f"cannot be read ({error.strerror})", "copy the pack anew") from error
        if digest_of(content) != row["digest"].tobytes():
            raise DamagedPackError(path)
        return content


def find_pack(folder: Path) -> Pack | None:
    """The pack in a folder, or None where there is none. Raises StorageError for one of another version or cut off."""
    path = folder / PACK_FILE
    try:
        state = path.stat()
    except OSError:
        return None
    return _open(folder, state.st_mtime_ns)


@lru_cache(maxsize=64)
def _open(folder: Path, _: int) -> Pack:
    path, index = folder / PACK_FILE, folder / INDEX_FILE
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
        if facts["format_version"] != FORMAT_VERSION:
            raise StorageError(path, f"has format version {facts['format_version']}", "read it with a newer openmov")
        if index.stat().st_size != facts["entries"] * ROW.itemsize:
            raise StorageError(index, "is cut off, or of another pack", "copy the pack anew")
        shards = tuple(shard["name"] for shard in facts["shards"])
        if any(Path(name).name != name for name in shards):
            raise StorageError(path, "names a shard outside its folder", "do not trust it")
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise StorageError(path, "is damaged", "copy the pack anew") from error
    rows = np.memmap(index, ROW, "r") if facts["entries"] else np.empty(0, ROW)
    return Pack(folder, shards, rows)


def find_row(index: np.ndarray[Any, np.dtype[Any]], key: str) -> Any:
    """The row of an entry in an index sorted by key, or None."""
    if len(key) != 32:
        return None
    high, low = halves(key)
    place = int(np.searchsorted(index["high"], np.uint64(high)))
    while place < len(index) and int(index["high"][place]) == high:
        if int(index["low"][place]) == low:
            return index[place]
        place += 1
    return None


def npy_bytes(array: AnyArray) -> bytes:
    """An .npy file of version 1; gzipped where the elements are of 8 bits. The same array gives the same bytes."""
    array = np.asarray(array, order="C")
    shape = f"({', '.join(map(str, array.shape))}{',' if array.ndim == 1 else ''})"
    facts = f"{{'descr': '{array.dtype.str}', 'fortran_order': False, 'shape': {shape}, }}"
    padded = facts + " " * (-(len(facts) + 11) % 64) + "\n"
    content = b"\x93NUMPY\x01\x00" + len(padded).to_bytes(2, "little") + padded.encode() + array.tobytes()
    if array.dtype != np.uint8:
        return content
    packer = zlib.compressobj(6, wbits=_GZIP_WINDOW)
    return packer.compress(content) + packer.flush()


def array_of_npy(content: bytes) -> AnyArray:
    """The array of `npy_bytes`. Its header is read without NumPy's parser, which is not safe among threads."""
    if content[:2] == b"\x1f\x8b":
        content = zlib.decompress(content, wbits=_GZIP_WINDOW)
    header = _NPY.match(content)
    if header is None:
        raise ValueError("no .npy file of ours")
    shape = tuple(int(part) for part in header[2].replace(b" ", b"").split(b",") if part)
    return np.frombuffer(content, np.dtype(header[1].decode()), offset=header.end()).reshape(shape).copy()


def sorted_rows(rows: Iterable[tuple[str, int, int, int, bytes]]) -> np.ndarray[Any, np.dtype[Any]]:
    """The index of (key, shard, size, offset, digest); of a key that is there twice, the first."""
    made = np.array(
        [(*halves(key), shard, size, offset, np.void(digest)) for key, shard, size, offset, digest in rows], ROW
    )
    order = np.lexsort((np.arange(len(made)), made["low"], made["high"]))
    ordered = made[order]
    fresh = np.ones(len(ordered), bool)
    fresh[1:] = (ordered["high"][1:] != ordered["high"][:-1]) | (ordered["low"][1:] != ordered["low"][:-1])
    return ordered[fresh]
