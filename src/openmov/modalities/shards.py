"""A pack read from anywhere: its lists are fetched once, its entries by ranges of its shards.

    pack.json, samples.jsonl, index.bin --> which videos are in it, and where each entry lies
    keys --index--> ranges, neighbours read as one --> the bytes of the entries, compared with their digests

Only `pack.json` is asked for each time; the two lists are kept beside the other caches under its hash, so processes of
one machine share them. What is held in memory is one line a video; the index is mapped. Knows nothing of videos.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from openmov.errors import StorageError
from openmov.modalities.packs import (
    FORMAT_VERSION,
    INDEX_FILE,
    PACK_FILE,
    ROW,
    SAMPLES_FILE,
    digest_of,
    find_row,
    new_digest,
)
from openmov.runtime.atomic import atomic_file
from openmov.runtime.places import FolderPlace, Place

_PIECE = 1 << 24
"""Lists are fetched in pieces of this size, and no request asks for more where entries lie close together."""


@dataclass(frozen=True)
class Shards:
    """An open pack. Safe to share between threads."""

    place: Place
    """Where it lies."""
    names: tuple[str, ...]
    """The tar files."""
    lines: tuple[str, ...] = field(repr=False)
    """One line of JSON a sample, in the order of the shards: `shard` (its number) and what was said of it."""
    index: np.ndarray[Any, np.dtype[Any]] = field(repr=False)
    """Rows sorted by key, mapped into memory."""
    settings: Mapping[str, Any] = field(repr=False)
    """What the entries were made with."""
    identity: str
    """Hash of its lists: another one for other samples, entries or sizes."""

    def row(self, key: str) -> Any:
        """Where an entry lies, or None."""
        return find_row(self.index, key)

    def read(self, keys: Sequence[str]) -> dict[str, bytes]:
        """The .npy files of entries that are there, by key. Raises StorageError naming the shard, KeyError."""
        rows = {key: self.row(key) for key in dict.fromkeys(keys)}
        missing = [key for key, row in rows.items() if row is None]
        if missing:
            raise KeyError(missing[0])
        found: dict[str, bytes] = {}
        ordered = sorted(rows.items(), key=lambda item: (int(item[1]["shard"]), int(item[1]["offset"])))
        for group in self._together(ordered):
            found |= self._read_group(group)
        return found

    def _together(self, ordered: Sequence[tuple[str, Any]]) -> Iterator[list[tuple[str, Any]]]:
        """Neighbours in one shard that are cheaper read with what lies between them."""
        group: list[tuple[str, Any]] = []
        for key, row in ordered:
            if group:
                first, last = group[0][1], group[-1][1]
                gap = int(row["offset"]) - int(last["offset"]) - int(last["size"])
                span = int(row["offset"]) + int(row["size"]) - int(first["offset"])
                if row["shard"] != last["shard"] or gap > self.place.gap_bytes or span > _PIECE:
                    yield group
                    group = []
            group.append((key, row))
        if group:
            yield group

    def _read_group(self, group: Sequence[tuple[str, Any]]) -> dict[str, bytes]:
        first, last = group[0][1], group[-1][1]
        name, start = self.names[int(first["shard"])], int(first["offset"])
        content = self.place.read(name, start, int(last["offset"]) + int(last["size"]) - start)
        found = {}
        for key, row in group:
            begin = int(row["offset"]) - start
            entry = content[begin : begin + int(row["size"])]
            if digest_of(entry) != row["digest"].tobytes():
                what = "holds other bytes than its index says"
                raise StorageError(self.place.where(name), what, "copy or upload the pack anew")
            found[key] = entry
        return found


def open_shards(place: Place, kept: Path) -> Shards:
    """The pack at a place; lists that come over the network are kept in the folder `kept`.

    Raises StorageError for what is no pack, of another version, or without a list of samples.
    """
    content = place.read(PACK_FILE)
    identity = hashlib.sha256(content).hexdigest()[:16]
    where = place.where(PACK_FILE)
    try:
        facts = json.loads(content)
        if facts["format_version"] != FORMAT_VERSION:
            raise StorageError(where, f"has format version {facts['format_version']}", "read it with a newer openmov")
        if "lists" not in facts:
            raise StorageError(where, "is of a pack without a list of its samples", "run openmov pack again")
        names = tuple(str(shard["name"]) for shard in facts["shards"])
        counts = int(facts["entries"]), int(facts["samples"])
        lists = [_List(name, **facts["lists"][name]) for name in (INDEX_FILE, SAMPLES_FILE)]
        settings = dict(facts["settings"])
    except (ValueError, KeyError, TypeError) as error:
        raise StorageError(where, "is damaged", "copy the pack anew") from error
    if any(Path(name).name != name for name in names):
        raise StorageError(where, "names a shard outside its folder", "do not trust it")
    index, samples = (one.at_hand(place, kept / identity) for one in lists)
    rows = np.memmap(index, ROW, "r") if counts[0] else np.empty(0, ROW)
    lines = tuple(samples.read_text(encoding="utf-8").split("\n")[:-1])
    if (len(rows), len(lines)) != counts:
        raise StorageError(where, "is of another pack than its lists", "copy the pack anew")
    return Shards(place, names, lines, rows, settings, identity)


@dataclass(frozen=True)
class _List:
    """A file of a pack that is needed whole."""

    name: str
    bytes: int
    digest: str

    def at_hand(self, place: Place, kept: Path) -> Path:
        """The list as a file of this machine, with the bytes that pack.json says."""
        if isinstance(place, FolderPlace):
            path = place.folder / self.name
            if not (path.is_file() and self._is(path)):
                raise StorageError(path, "is missing, cut off, or of another pack", "copy the pack anew")
            return path
        path = kept / self.name
        if path.is_file() and self._is(path):
            return path
        with atomic_file(path) as temporary:
            with temporary.open("wb") as file:
                for start in range(0, self.bytes, _PIECE):
                    file.write(place.read(self.name, start, min(_PIECE, self.bytes - start)))
            if not self._is(temporary):
                raise StorageError(place.where(self.name), "is of another pack than pack.json", "upload the pack anew")
        return path

    def _is(self, path: Path) -> bool:
        with path.open("rb") as file:
            return hashlib.file_digest(file, new_digest).hexdigest() == self.digest
