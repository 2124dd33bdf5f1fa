"""Many videos, read in parallel: the batches of a training, the batches of a test.

Training reads what was prepared, so a file that fails there is an error. A test goes on without it and lists it.
"""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import torch
from jaxtyping import Float
from torch import Tensor

from openmov.data.reader import ClipDataset
from openmov.data.records import Record
from openmov.errors import DecodeError
from openmov.runtime.workers import DaemonPool
from openmov.types import Clip, ClipBatch, Modality


def collate(clips: Sequence[Clip], modalities: frozenset[Modality]) -> ClipBatch:
    """One batch of clips with equally many views, in their order, with the `modalities` that any of them has.

    Stored video embeddings count as video. Raises ValueError where some clips carry those and others frames.
    """
    wanted = [modality for modality in Modality if modality in modalities]
    held = [modality for modality in wanted if any(modality in clip.present for clip in clips)]
    stored = [clip.frozen for clip in clips]
    inputs = {
        modality: _stacked([clip.inputs.get(modality) for clip in clips])
        for modality in held
        if any(modality in clip.inputs for clip in clips)
    }
    if any(frozen is not None for frozen in stored) and Modality.VIDEO in inputs:
        raise ValueError("some clips carry stored video embeddings, others frames")
    return ClipBatch(
        tuple(clip.video_id for clip in clips),
        inputs,
        {modality: torch.tensor([modality in clip.present for clip in clips]) for modality in held},
        _stacked(stored) if any(frozen is not None for frozen in stored) else None,
        tuple(clip.label for clip in clips),
    )


def collate_features(records: Sequence[Record], features: Float[Tensor, "batch time dim"]) -> ClipBatch:
    """One batch of clips of which nothing but one view's stored video embeddings is looked at."""
    return ClipBatch(
        tuple(record.video_id for record in records),
        {},
        {Modality.VIDEO: torch.ones(len(records), dtype=torch.bool)},
        features[:, None],
        tuple(record.label for record in records),
    )


def _stacked(values: Sequence[Tensor | None]) -> Tensor:
    """Stacked along a new first axis, zeros where there is none."""
    shape = next(value for value in values if value is not None)
    return torch.stack([torch.zeros_like(shape) if value is None else value for value in values])


@dataclass(frozen=True)
class Unreadable:
    """A video that could not be read."""

    record: Record
    """Which."""
    error: DecodeError
    """Why, and what to do."""


class TrainLoader:
    """The training clips, one seeded view each: what the training loop reads from."""

    def __init__(self, reader: ClipDataset, records: Sequence[Record], seed: int, workers: int = 1) -> None:
        self._reader, self._records, self._seed = reader, tuple(records), seed
        self._pool = DaemonPool(workers, "openmov-read")
        self._files = {record.video_id: str(record.path) for record in self._records}
        self._in_hand: dict[int, None] = {}

    def __len__(self) -> int:
        return len(self._records)

    def batch(self, indices: Sequence[int], epoch: int) -> ClipBatch:
        """The clips at these positions as augmented in `epoch`. Raises DecodeError, FeaturesError."""
        records = [self._records[index] for index in indices]
        features = self._reader.training_features(records, epoch)
        if features is not None:
            return collate_features(records, features)

        def read(index: int) -> Clip:
            self._in_hand[index] = None
            try:
                return self._reader.training_clip(self._records[index], epoch, self._seed)
            finally:
                self._in_hand.pop(index, None)

        return collate(self._pool.map(read, indices), self._reader.modalities)

    def file_of(self, video_id: str) -> str:
        """Where a clip is read from."""
        return self._files[video_id]

    def files_in_hand(self) -> tuple[str, ...]:
        """What is being read at this moment, the longest first."""
        return tuple(str(self._records[index].path) for index in tuple(self._in_hand))


def evaluation_batches(
    reader: ClipDataset, records: Sequence[Record], batch_size: int, unreadable: list[Unreadable], workers: int = 1
) -> Iterator[ClipBatch]:
    """Batches of all videos in their order, each with all its views; what cannot be read is added to `unreadable`."""

    def read(record: Record) -> Clip | Unreadable:
        try:
            return reader.evaluation_clip(record)
        except DecodeError as error:
            return Unreadable(record, error)

    with ThreadPoolExecutor(max(1, workers), thread_name_prefix="openmov-read") as pool:
        for start in range(0, len(records), batch_size):
            read_ones = list(pool.map(read, records[start : start + batch_size]))
            unreadable += [one for one in read_ones if isinstance(one, Unreadable)]
            clips = [one for one in read_ones if isinstance(one, Clip)]
            if clips:
                yield collate(clips, reader.modalities)


Item = TypeVar("Item")
Result = TypeVar("Result")


def in_order(read: Callable[[Item], Result], items: Iterable[Item], workers: int) -> Generator[Result, None, None]:
    """`read` of every item, in the items' order; with one worker each when it is asked for, in the caller's thread.

    With more, that many threads read ahead, and no more than that many results wait: memory does not grow with the
    number of items. What `read` raises comes out in its place. Closing the iterator waits for the reads begun only.
    """
    if workers <= 1:
        yield from map(read, items)
        return
    waiting: deque[Future[Result]] = deque()
    pool = ThreadPoolExecutor(workers, thread_name_prefix="openmov-read")
    try:
        for item in items:
            waiting.append(pool.submit(read, item))
            if len(waiting) > workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
