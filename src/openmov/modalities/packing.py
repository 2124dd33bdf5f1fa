"""Writes a pack: samples into shards of about one size, the lists of both, then the file that says it is whole.

The same samples in the same order give the same bytes. A packing that was interrupted goes on: shards that are there
with their list are kept if they hold what they would hold now. Knows nothing of videos: a sample is a name, facts in
JSON and arrays under the names they have in it.
"""

import io
import json
import tarfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from openmov.modalities.packs import (
    FORMAT_VERSION,
    INDEX_FILE,
    PACK_FILE,
    SAMPLES_FILE,
    AnyArray,
    digest_of,
    npy_bytes,
    sorted_rows,
)
from openmov.runtime.atomic import atomic_file, write_text

_BLOCK = 512
_Row = tuple[str, int, int, bytes]
"""Key, size, offset, digest."""


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
    load: Callable[[str], AnyArray],
    *,
    shard_bytes: int,
    settings: Mapping[str, Any] | None = None,
    show: Callable[[int], None] = lambda _: None,
) -> int:
    """Packs the samples, whose entries `load` gives by key; returns how many bytes the shards have.

    `settings` are noted in the pack: plain values that say what the entries were made with. Raises StorageError.
    """
    rows: list[tuple[str, int, int, int, bytes]] = []
    shards: list[dict[str, Any]] = []
    lines: list[str] = []
    done = 0
    for number, group in enumerate(cut(samples, shard_bytes)):
        path = folder / f"shard-{number:06}.tar"
        entries = _kept(path, group)
        if entries is None:
            entries = _write_shard(path, group, load)
        rows += [(key, number, size, offset, digest) for key, size, offset, digest in entries]
        shards.append({"name": path.name, "bytes": path.stat().st_size, "samples": len(group)})
        lines += [json.dumps({"shard": number, **sample.facts}, ensure_ascii=False) + "\n" for sample in group]
        done += len(group)
        show(done)
    index = sorted_rows(rows)
    lists = {INDEX_FILE: index.tobytes(), SAMPLES_FILE: "".join(lines).encode()}
    for name, content in lists.items():
        with atomic_file(folder / name) as temporary:
            temporary.write_bytes(content)
    counts = {"format_version": FORMAT_VERSION, "entries": len(index), "samples": len(samples)}
    listed = {name: {"bytes": len(content), "digest": digest_of(content).hex()} for name, content in lists.items()}
    facts = {**counts, "lists": listed, "settings": dict(settings or {}), "shards": shards}
    write_text(folder / PACK_FILE, json.dumps(facts, indent=1, ensure_ascii=False) + "\n")
    return sum(shard["bytes"] for shard in shards)


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


def _list_of(path: Path) -> Path:
    return path.with_suffix(".json")


def _kept(path: Path, group: Sequence[Sample]) -> list[_Row] | None:
    """The rows of a shard that an earlier run finished, if it holds just these samples."""
    try:
        facts = json.loads(_list_of(path).read_text(encoding="utf-8"))
        same = facts["samples"] == _named(group) and path.stat().st_size == facts["bytes"]
    except (OSError, ValueError, KeyError):
        return None
    if not same:
        return None
    return [(key, size, offset, bytes.fromhex(digest)) for key, size, offset, digest in facts["entries"]]


def _named(group: Sequence[Sample]) -> list[list[Any]]:
    return [[sample.name, dict(sample.facts), dict(sample.keys)] for sample in group]


def _write_shard(path: Path, group: Sequence[Sample], load: Callable[[str], AnyArray]) -> list[_Row]:
    rows: list[_Row] = []
    _list_of(path).unlink(missing_ok=True)  # it belongs to the shard that is replaced
    with (
        atomic_file(path) as temporary,
        temporary.open("wb") as file,
        tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as tar,
    ):
        for sample in group:
            facts = json.dumps({**sample.facts, "entries": dict(sample.keys)}, ensure_ascii=False)
            _add(tar, f"{sample.name}.json", facts.encode())
            for member, key in sample.keys.items():
                content = npy_bytes(load(key))
                ending = "npy.gz" if content[:2] == b"\x1f\x8b" else "npy"
                offset = file.tell() + _BLOCK
                _add(tar, f"{sample.name}.{member}.{ending}", content)
                rows.append((key, len(content), offset, digest_of(content)))
    entries = [[key, size, offset, digest.hex()] for key, size, offset, digest in rows]
    facts_of_shard = {"bytes": path.stat().st_size, "samples": _named(group), "entries": entries}
    write_text(_list_of(path), json.dumps(facts_of_shard, ensure_ascii=False) + "\n")
    return rows


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)  # of no owner and no date: the same bytes every time
    member.size = len(content)
    tar.addfile(member, io.BytesIO(content))
