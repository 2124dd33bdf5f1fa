"""Many cache entries in a few large files: shards in WebDataset's tar form, with an index for reading any entry.

    shard-000000.tar ...   samples, one a video: HASH.json, HASH.flow0.safetensors, HASH.audio0.safetensors ...
    shard-000000.json      what is in it and the digest of all its bytes, by which an interrupted packing goes on
    index.bin              one row an entry, sorted by key: where it lies, and the digest of its bytes
    samples.jsonl          one line a sample, in the order of the shards: which video it is, and what that holds
    pack.json              the shards and their sizes; written last, so that a pack is whole or none

Every member is JSON or an entry, byte for byte as in the cache, and no name holds a dot before the extension. The index
is mapped into memory and searched, not loaded: any entry costs one search and one read, and ten million entries no
start-up. A pack may come from a stranger: what its lists say is checked against each other and against the sizes of its
files before it is used, and no list is read without a limit.

The same samples in the same order give the same bytes. Knows nothing of videos.
"""

import fcntl
import hashlib
import io
import json
import os
import re
import tarfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from openmov.documents import parse_json, read_json
from openmov.errors import StorageError
from openmov.runtime.atomic import atomic_file, storage_errors, write_text
from openmov.store.entry import SUFFIX, DamagedError, check, digest_of
from openmov.store.remote import FolderFiles, RemoteFiles

PACK_FILE, INDEX_FILE, SAMPLES_FILE = "pack.json", "index.bin", "samples.jsonl"
FORMAT_VERSION = 2
_OURS = re.compile(r"shard-\d{6,}\.(tar|json)|\.(shard-\d{6,}|pack|index|samples)\..*tmp.*")
"""Shards and their lists; and what a packing that was killed left half-written."""
_SHARD = re.compile(r"shard-\d{6,}\.tar")
_ROW = np.dtype(
    [("high", "<u8"), ("low", "<u8"), ("shard", "<u4"), ("size", "<u4"), ("offset", "<u8"), ("digest", "V16")]
)
"""One entry: 48 bytes."""
_BLOCK = 512
"""Of a tar."""
_PIECE = 1 << 24
"""Lists are fetched in pieces of this size, and no request asks for more where entries lie close together."""
_MOST_FACTS_BYTES = 1 << 26
"""Of pack.json: that of half a million shards."""
_MOST_LINE_BYTES = 1 << 16
"""Of a sample in samples.jsonl, on average."""
MOST_ENTRY_BYTES = 1 << 30
"""Of an entry of a pack, packed or unpacked."""


class _Place(NamedTuple):
    """Where an entry lies."""

    shard: int
    offset: int
    size: int
    digest: bytes


@dataclass(frozen=True)
class Pack:
    """An open pack. Safe to share between threads."""

    files: RemoteFiles
    """Where it lies."""
    names: tuple[str, ...]
    """The tar files."""
    sizes: tuple[int, ...] = field(repr=False)
    """Of each, in bytes."""
    index: np.ndarray[Any, np.dtype[Any]] = field(repr=False)
    """Rows sorted by key, mapped into memory."""
    settings: Mapping[str, Any] = field(repr=False)
    """What the entries were made with."""
    identity: str
    """Hash of its lists: another one for other samples, entries or sizes."""
    samples: "_List" = field(repr=False)
    """The list of samples, not read yet."""
    kept: Path | None = field(repr=False)
    """Where lists that come over the network are kept."""

    def __len__(self) -> int:
        return len(self.index)

    def __contains__(self, key: str) -> bool:
        return self._place(key) is not None

    @cached_property
    def lines(self) -> tuple[str, ...]:
        """One line of JSON a sample, in the order of the shards: `shard` (its number) and what was said of it.

        Raises StorageError where the list is another than pack.json says.
        """
        text = self.samples.fetch(self.files, self.kept).read_bytes()
        try:
            lines = tuple(text.decode().split("\n")[:-1])
        except UnicodeDecodeError as error:
            raise self.samples.damaged(self.files) from error
        if len(lines) != self.samples.count:
            raise self.samples.damaged(self.files)
        return lines

    def content(self, key: str) -> bytes | None:
        """The entry, not checked, or None. Raises StorageError where its shard cannot be read."""
        place = self._place(key)
        return None if place is None else self.files.read(self.names[place.shard], place.offset, place.size)

    def read(self, keys: Sequence[str]) -> dict[str, bytes]:
        """Entries by key, compared with the index; neighbours are read as one.

        Raises StorageError naming the shard, KeyError for what is not there.
        """
        places = {}
        for key in dict.fromkeys(keys):
            place = self._place(key)
            if place is None:
                raise KeyError(key)
            places[key] = place
        found: dict[str, bytes] = {}
        for group in self._together(sorted(places.items(), key=lambda item: item[1][:2])):
            found |= self._read_group(group)
        return found

    def damaged_shards(self) -> tuple[Path, ...]:
        """Those of a folder that hold a damaged entry, or are missing. Reads everything."""
        found: dict[Path, None] = {}
        for row in sorted(self.index, key=lambda row: (int(row["shard"]), int(row["offset"]))):
            key = f"{int(row['high']):016x}{int(row['low']):016x}"
            try:
                check(self.content(key) or b"", key)
            except (DamagedError, StorageError):
                number = int(row["shard"])
                name = self.names[number] if number < len(self.names) else INDEX_FILE
                found[Path(self.files.where(name))] = None
        return tuple(found)

    def _place(self, key: str) -> _Place | None:
        """Raises StorageError for a row that lies in no shard."""
        if len(key) != 32:
            return None
        high, low = _halves(key)
        row = int(np.searchsorted(self.index["high"], np.uint64(high)))
        while row < len(self.index) and int(self.index["high"][row]) == high:
            if int(self.index["low"][row]) == low:
                found = self.index[row]
                shard, offset, size = (int(found[name]) for name in ("shard", "offset", "size"))
                if shard >= len(self.names) or offset + size > self.sizes[shard] or size > MOST_ENTRY_BYTES:
                    where = self.files.where(INDEX_FILE)
                    raise StorageError(where, "says of an entry that it lies outside the shards", "do not trust it")
                return _Place(shard, offset, size, found["digest"].tobytes())
            row += 1
        return None

    def _together(self, ordered: Sequence[tuple[str, _Place]]) -> Iterator[list[tuple[str, _Place]]]:
        """Neighbours in one shard that are cheaper read with what lies between them."""
        group: list[tuple[str, _Place]] = []
        for key, place in ordered:
            if group:
                first, last = group[0][1], group[-1][1]
                gap, span = place.offset - last.offset - last.size, place.offset + place.size - first.offset
                if place.shard != last.shard or not 0 <= gap <= self.files.gap_bytes or span > _PIECE:
                    yield group
                    group = []
            group.append((key, place))
        if group:
            yield group

    def _read_group(self, group: Sequence[tuple[str, _Place]]) -> dict[str, bytes]:
        first, last = group[0][1], group[-1][1]
        content = self.files.read(self.names[first.shard], first.offset, last.offset + last.size - first.offset)
        found = {}
        for key, place in group:
            begin = place.offset - first.offset
            entry = content[begin : begin + place.size]
            if digest_of(entry) != place.digest.hex():
                what = "holds other bytes than its index says"
                raise StorageError(self.files.where(self.names[place.shard]), what, "copy or upload the pack anew")
            found[key] = entry
        return found


def find_pack(folder: Path) -> Pack | None:
    """The pack in a folder of this machine, or None; its entries prove themselves, and its lists are not read.

    Raises StorageError for one of another version, damaged or cut off.
    """
    try:
        state = (folder / PACK_FILE).stat()
    except OSError:
        return None
    return _found(folder, state.st_mtime_ns)


@lru_cache(maxsize=64)
def _found(folder: Path, _: int) -> Pack:
    return open_pack(FolderFiles(folder), None)


def open_pack(files: RemoteFiles, kept: Path | None) -> Pack:
    """A pack from anywhere. Its lists are compared with what pack.json says; those that come over the network are kept
    in the folder `kept` (of a folder of this machine None may be given: then the index is not read through).

    Only pack.json is asked for each time; lists are kept under its hash, so processes of one machine share them. Raises
    StorageError for what is not a pack, or one of another version, or one whose lists disagree.
    """
    content, where = files.read_all(PACK_FILE, _MOST_FACTS_BYTES), files.where(PACK_FILE)
    try:
        facts = parse_json(content)
        version = facts["format_version"]
        if version != FORMAT_VERSION:
            older = isinstance(version, int) and version < FORMAT_VERSION
            hint = "pack anew with openmov pack" if older else "read it with a newer openmov"
            raise StorageError(where, f"has format version {version}, and this openmov reads {FORMAT_VERSION}", hint)
        names = tuple(str(shard["name"]) for shard in facts["shards"])
        sizes = tuple(_count(shard["bytes"]) for shard in facts["shards"])
        lists = facts["lists"]
        index = _List(INDEX_FILE, _count(facts["entries"]), **lists[INDEX_FILE])
        samples = _List(SAMPLES_FILE, _count(facts["samples"]), **lists[SAMPLES_FILE])
        settings = dict(facts["settings"])
        _count(index.bytes), _count(samples.bytes)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise StorageError(where, "is damaged", "copy the pack anew") from error
    if not all(_SHARD.fullmatch(name) for name in names):
        raise StorageError(where, "names a shard outside its folder", "do not trust it")
    # An entry takes two blocks of a tar at least, and every list is a list of what is in the shards.
    if index.bytes != index.count * _ROW.itemsize or 2 * _BLOCK * max(index.count, samples.count) > sum(sizes):
        raise StorageError(where, "does not agree with itself about its entries", "copy the pack anew")
    if samples.bytes > samples.count * _MOST_LINE_BYTES:
        raise StorageError(where, "has a list of samples that is too long", "do not trust it")
    identity = hashlib.sha256(content).hexdigest()[:16]
    kept = None if kept is None else kept / identity
    path = index.fetch(files, kept)
    rows = np.memmap(path, _ROW, "r") if index.count else np.empty(0, _ROW)
    return Pack(files, names, sizes, rows, settings, identity, samples, kept)


@dataclass(frozen=True)
class _List:
    """A file of a pack that is needed whole."""

    name: str
    count: int
    bytes: int
    digest: str

    def fetch(self, files: RemoteFiles, kept: Path | None) -> Path:
        """The list as a file of this machine, with the bytes that pack.json says. Raises StorageError."""
        if isinstance(files, FolderFiles):
            path = files.folder / self.name
            if not self._is(path, whole=kept is not None or self.name != INDEX_FILE):
                raise StorageError(path, "is missing, cut off, or of another pack", "copy the pack anew")
            return path
        assert kept is not None
        path = kept / self.name
        if self._is(path, whole=True):
            return path
        with atomic_file(path) as temporary:
            with temporary.open("wb") as file:
                for start in range(0, self.bytes, _PIECE):
                    file.write(files.read(self.name, start, min(_PIECE, self.bytes - start)))
            if not self._is(temporary, whole=True):
                raise self.damaged(files)
        return path

    def damaged(self, files: RemoteFiles) -> StorageError:
        return StorageError(files.where(self.name), "is of another pack than pack.json", "copy or upload the pack anew")

    def _is(self, path: Path, *, whole: bool) -> bool:
        try:
            return path.stat().st_size == self.bytes and (not whole or _file_digest(path) == self.digest)
        except OSError:
            return False


@dataclass(frozen=True)
class Sample:
    """What belongs together in a shard."""

    name: str
    """Hex digits: no dot, for WebDataset takes everything after the first one for the extension."""
    facts: Mapping[str, Any]
    """For people and programs that read the shard without us."""
    keys: Mapping[str, str]
    """Member (such as flow0) to the entry's key in the cache."""
    num_bytes: int
    """About what it will take, by which shards are cut."""


def write_pack(
    folder: Path,
    samples: Sequence[Sample],
    read: Callable[[str], bytes],
    *,
    shard_bytes: int,
    settings: Mapping[str, Any] | None = None,
    show: Callable[[int], None] = lambda _: None,
) -> int:
    """Packs the samples, whose entries `read` gives by key; returns how many bytes the shards have.

    A packing that was interrupted goes on: shards that are there are kept if they hold, byte for byte, what they would
    hold now. What an earlier one left in the folder and this one does not need is removed. `settings` are noted in the
    pack: plain values that say what the entries were made with. Raises StorageError, also where the folder holds files
    of such names that no packing wrote, or another process packs there.
    """
    with _alone(folder):
        refuse_foreign(folder)
        rows: list[tuple[str, int, int, int, bytes]] = []
        shards: list[dict[str, Any]] = []
        lines: list[str] = []
        done = 0
        for number, group in enumerate(cut(samples, shard_bytes)):
            path = folder / f"shard-{number:06}.tar"
            entries = _kept(path, group)
            if entries is None:
                with storage_errors(folder):  # what it names is about to be other files: a pack is whole or none
                    (folder / PACK_FILE).unlink(missing_ok=True)
                entries = _write_shard(path, group, read)
            rows += [(key, number, size, offset, bytes.fromhex(digest)) for key, size, offset, digest in entries]
            shards.append({"name": path.name, "bytes": path.stat().st_size, "samples": len(group)})
            lines += [json.dumps({"shard": number, **sample.facts}, ensure_ascii=False) + "\n" for sample in group]
            done += len(group)
            show(done)
        index = _sorted_rows(rows)
        lists = {INDEX_FILE: index.tobytes(), SAMPLES_FILE: "".join(lines).encode()}
        for name, content in lists.items():
            with atomic_file(folder / name) as temporary:
                temporary.write_bytes(content)
        counts = {"format_version": FORMAT_VERSION, "entries": len(index), "samples": len(samples)}
        listed = {name: {"bytes": len(content), "digest": digest_of(content)} for name, content in lists.items()}
        facts = {**counts, "lists": listed, "settings": dict(settings or {}), "shards": shards}
        _remove_others(folder, {PACK_FILE, *lists, *(name for shard in shards for name in _names(shard["name"]))})
        write_text(folder / PACK_FILE, json.dumps(facts, indent=1, ensure_ascii=False) + "\n")
        return sum(shard["bytes"] for shard in shards)


def refuse_foreign(folder: Path) -> None:
    """Raises StorageError where packing would write over a file that no packing wrote: to ask before hours of work."""
    found = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    shards = {name for name in found if _SHARD.fullmatch(name)}
    foreign = [name for name in shards if f"{name[:-4]}.json" not in found]
    lists = found & {PACK_FILE, INDEX_FILE, SAMPLES_FILE}
    foreign += [] if shards - set(foreign) else sorted(lists)
    if PACK_FILE in lists and b'"format_version"' not in (folder / PACK_FILE).read_bytes()[:1000]:
        foreign.append(PACK_FILE)
    if foreign:
        what = f"holds {min(foreign)}, which openmov pack did not write"
        raise StorageError(folder, what, "choose another folder, or an empty one")


def cut(samples: Iterable[Sample], shard_bytes: int) -> Iterator[list[Sample]]:
    """Groups of neighbours of at least `shard_bytes`, but for the last."""
    group: list[Sample] = []
    size = 0
    for sample in samples:
        group.append(sample)
        size += sample.num_bytes
        if size >= shard_bytes:
            yield group
            group, size = [], 0
    if group:
        yield group


_Row = tuple[str, int, int, str]
"""Key, size, offset, digest."""


def _kept(path: Path, group: Sequence[Sample]) -> list[_Row] | None:
    """The rows of a shard that an earlier run finished, if it holds just these samples and no bit is another."""
    try:
        facts = read_json(path.with_suffix(".json"))
        if facts["samples"] != _named(group) or facts["digest"] != _file_digest(path):
            return None
        return [(str(key), int(size), int(offset), str(digest)) for key, size, offset, digest in facts["entries"]]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def _named(group: Sequence[Sample]) -> list[list[Any]]:
    return [[sample.name, dict(sample.facts), dict(sample.keys)] for sample in group]


def _write_shard(path: Path, group: Sequence[Sample], read: Callable[[str], bytes]) -> list[_Row]:
    rows: list[_Row] = []
    with atomic_file(path) as temporary:
        with temporary.open("wb") as file, tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as tar:
            for sample in group:
                facts = json.dumps({**sample.facts, "entries": dict(sample.keys)}, ensure_ascii=False)
                _add(tar, f"{sample.name}.json", facts.encode())
                for member, key in sample.keys.items():
                    content = read(key)
                    rows.append((key, len(content), file.tell() + _BLOCK, digest_of(content)))
                    _add(tar, f"{sample.name}.{member}{SUFFIX}", content)
        # Its list before the shard: a kill in between leaves a list of other bytes, and the shard is written anew.
        facts_of_shard = {"digest": _file_digest(temporary), "samples": _named(group), "entries": rows}
        write_text(path.with_suffix(".json"), json.dumps(facts_of_shard, ensure_ascii=False) + "\n")
    return rows


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)  # of no owner and no date: the same bytes every time
    member.size = len(content)
    tar.addfile(member, io.BytesIO(content))


def _names(shard: str) -> tuple[str, str]:
    return shard, f"{shard[:-4]}.json"


def _remove_others(folder: Path, needed: set[str]) -> None:
    for path in folder.iterdir():
        if path.name not in needed and _OURS.fullmatch(path.name):
            with storage_errors(path):
                path.unlink(missing_ok=True)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One packing at a time in a folder; where the file system has no locks, whoever calls sees to that."""
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StorageError(folder, "another openmov pack is writing there", "wait for it") from error
        except OSError:
            pass
        yield
    finally:
        with suppress(OSError):
            os.close(handle)


def _file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def _count(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise ValueError(f"{value!r} does not count anything")
    return value


def _halves(key: str) -> tuple[int, int]:
    return int(key[:16], 16), int(key[16:], 16)


def _sorted_rows(rows: Iterable[tuple[str, int, int, int, bytes]]) -> np.ndarray[Any, np.dtype[Any]]:
    """The index of (key, shard, size, offset, digest); of a key that is there twice, the first."""
    made = np.array(
        [(*_halves(key), shard, size, offset, np.void(digest)) for key, shard, size, offset, digest in rows], _ROW
    )
    order = np.lexsort((np.arange(len(made)), made["low"], made["high"]))
    ordered = made[order]
    fresh = np.ones(len(ordered), bool)
    fresh[1:] = (ordered["high"][1:] != ordered["high"][:-1]) | (ordered["low"][1:] != ordered["low"][:-1])
    return ordered[fresh]
