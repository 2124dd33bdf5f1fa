"""`openmov pack`: what was prepared for a list of videos, in shards for object storage and training from few files.

    manifest, recipe --entries--> samples, one a video --cache--> shards, index, pack.json

The folder that comes out is a cache folder: `--cache` of every verb reads it. `openmov train --shards` needs nothing
else of the videos, from a folder or over HTTP. Within a split the order is that of a hash of the videos' ids: lists
are often sorted by class, and a reader that goes through the shards should not meet the classes one by one.
"""

from collections import Counter
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from openmov.build import build_components
from openmov.config.schema import Recipe
from openmov.data.entries import Entry
from openmov.data.loader import Unreadable
from openmov.data.manifest import load_manifest
from openmov.data.reader import ClipDataset
from openmov.data.records import SPLITS, Record
from openmov.data.shards import packed_facts
from openmov.errors import DecodeError, ManifestError, StorageError
from openmov.prepare.entry_settings import shard_settings
from openmov.runtime.progress import note, progress_bar
from openmov.store.cache import ArrayCache, step_key
from openmov.store.entry import DamagedError, check
from openmov.store.pack import Sample, refuse_foreign, write_pack

DEFAULT_SHARD_BYTES = 256_000_000


@dataclass(frozen=True)
class Packed:
    """What was packed."""

    folder: Path
    """Where."""
    samples: int
    """Videos."""
    num_bytes: int
    """Of all shards."""
    unreadable: tuple[Unreadable, ...]
    """Videos that are not in it."""


def pack_manifest(
    recipe: Recipe,
    manifest: Path,
    out: Path,
    split: str = "all",
    *,
    cache_folder: Path,
    frames: bool = False,
    shard_bytes: int = DEFAULT_SHARD_BYTES,
    shown: bool = True,
    root: Path | None = None,
) -> Packed:
    """Packs every entry that training (of training clips) or a test (of the others) asks for.

    Videos that cannot be read are left out and listed. Raises ManifestError, BackboneError; StorageError also where a
    readable video lacks an entry.
    """
    listed = load_manifest(manifest, root=root, say=note)
    names = [name for name in SPLITS if split in (name, "all")]
    records = [record for name in names for record in listed.records if record.split == name]
    if not records:
        raise ManifestError(manifest, "lists no such video", "add some, or choose another --split")
    refuse_foreign(out)
    components = build_components(recipe, cache_folder)
    assert components.cache is not None
    samples, unreadable = _samples(components.dataset(), records, frames=frames)
    _require_all(components.cache, samples)
    with progress_bar("packing", len(samples), shown=shown) as show:
        read, facts = partial(_entry, components.cache), shard_settings(components)
        num_bytes = write_pack(out, samples, read, shard_bytes=shard_bytes, settings=facts, show=show)
    return Packed(out, len(samples), num_bytes, tuple(unreadable))


def _samples(reader: ClipDataset, records: list[Record], *, frames: bool) -> tuple[list[Sample], list[Unreadable]]:
    samples: list[Sample] = []
    unreadable: list[Unreadable] = []
    for record in records:
        training = record.split == "train"
        try:
            entries = reader.entries(record, training=training, frames=frames)
        except DecodeError as error:
            unreadable.append(Unreadable(record, error))
            continue
        name = step_key(record.video_id, "sample", 1, {"training": training})
        facts = packed_facts(record, reader.decoder)
        samples.append(Sample(name, facts, _members(entries), sum(entry.num_bytes for entry in entries)))
    return sorted(samples, key=lambda sample: (SPLITS.index(sample.facts["split"]), sample.name)), unreadable


def _members(entries: tuple[Entry, ...]) -> dict[str, str]:
    """flow0, flow1 ..., in the order of the views."""
    counted: Counter[str] = Counter()
    members = {}
    for entry in entries:
        members[f"{entry.step}{counted[entry.step]}"] = entry.key
        counted[entry.step] += 1
    return members


def _require_all(cache: ArrayCache, samples: list[Sample]) -> None:
    lacking = [sample for sample in samples if not all(key in cache for key in sample.keys.values())]
    if lacking:
        what = f"lacks entries of {len(lacking)} videos, such as {lacking[0].facts['id']}"
        raise StorageError(cache.folder, what, "run openmov prepare first")


def _entry(cache: ArrayCache, key: str) -> bytes:
    content = cache.read(key)
    try:
        check(content or b"", key)
    except DamagedError as error:
        raise StorageError(cache.folder, f"its entry {key} is damaged", "run openmov prepare --verify") from error
    assert content is not None
    return content
