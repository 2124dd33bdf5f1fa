"""Many videos, read in parallel: the batches of a training, the batches of a test.

Training reads what was prepared, so a file that fails there is an error. A test goes on without it and lists it.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from openmov.data.batching import collate, collate_features
from openmov.data.reader import ClipReader
from openmov.data.records import Record
from openmov.errors import DecodeError
from openmov.runtime.daemon_pool import DaemonPool
from openmov.types import Clip, ClipBatch


@dataclass(frozen=True)
class Unreadable:
    """A video that could not be read."""

    record: Record
    """Which."""
    error: DecodeError
    """Why, and what to do."""


class TrainingClips:
    """The training clips, one seeded view each: what the training loop reads from."""

    def __init__(self, reader: ClipReader, records: Sequence[Record], seed: int, workers: int = 1) -> None:
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
    reader: ClipReader, records: Sequence[Record], batch_size: int, unreadable: list[Unreadable], workers: int = 1
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
