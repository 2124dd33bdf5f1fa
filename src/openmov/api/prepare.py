"""Fills the caches for a list of videos: everything that needs a file to be decoded, once.

What is there already is not done again; what cannot be read is counted and named. Interrupted at any moment it loses
at most the videos in hand.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from openmov.api.wiring import wire
from openmov.config.schema import Recipe
from openmov.data.manifest import load_manifest
from openmov.data.reader import ClipReader
from openmov.data.records import SPLITS, Record
from openmov.data.source import Unreadable
from openmov.errors import DecodeError, ManifestError
from openmov.runtime.progress import progress_bar


@dataclass(frozen=True)
class Prepared:
    """What can be used, and what cannot."""

    records: tuple[Record, ...]
    """The readable ones, in the given order."""
    unreadable: tuple[Unreadable, ...]
    """The others, with reasons."""


def fill_caches(
    reader: ClipReader,
    records: Sequence[Record],
    *,
    training: bool,
    workers: int,
    title: str = "preparing",
    shown: bool = True,
) -> Prepared:
    """Stores flow, spectrograms and frozen embeddings of every view training (or a test) will look at.

    Raises StorageError where the cache cannot be written.
    """
    failed: dict[int, Unreadable] = {}

    def one(index: int) -> None:
        try:
            reader.store(records[index], training=training)
        except DecodeError as error:
            failed[index] = Unreadable(records[index], error)

    with progress_bar(title, len(records), shown=shown) as show, ThreadPoolExecutor(max(1, workers)) as pool:
        futures = [pool.submit(one, index) for index in range(len(records))]
        try:
            for done, future in enumerate(as_completed(futures), start=1):
                future.result()
                show(done)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    kept = tuple(record for index, record in enumerate(records) if index not in failed)
    return Prepared(kept, tuple(failed[index] for index in sorted(failed)))


def prepare_manifest(
    recipe: Recipe, manifest: Path, split: str = "all", *, cache_folder: Path, workers: int = 2, shown: bool = True
) -> Prepared:
    """Prepares the training clips of a manifest for training, all others for a test; `split` takes one split alone.

    Raises ManifestError (also where there is no such video), BackboneError, StorageError.
    """
    listed = load_manifest(manifest)
    chosen = [name for name in SPLITS if split in (name, "all")]
    by_split = {name: [record for record in listed.records if record.split == name] for name in chosen}
    if not any(by_split.values()):
        what = "lists no video" if split == "all" else f"lists no video in the split {split!r}"
        raise ManifestError(manifest, what, "add some, or choose another --split")
    reader = wire(recipe, cache_folder).reader()
    parts = [
        fill_caches(
            reader, records, training=name == "train", workers=workers, title=f"preparing {name} clips", shown=shown
        )
        for name, records in by_split.items()
    ]
    return Prepared(
        tuple(record for part in parts for record in part.records),
        tuple(one for part in parts for one in part.unreadable),
    )
