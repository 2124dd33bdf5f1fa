"""Fills the caches for a few videos, in this process, as training and evaluation do before they start.

What is there already is not done again; what cannot be read is counted and named. Interrupted at any moment it loses
at most the videos in hand.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass

from openmov.data.reader import ClipReader
from openmov.data.records import Record
from openmov.data.source import Unreadable
from openmov.errors import DecodeError
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
