"""Where a training gets its clips: from video files through the cache, or from shards alone.

Both give the same clips, bit for bit, and differ in the order of an epoch: from files any order costs the same, shards
are read one after the other through a shuffle buffer.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from openmov.api.calibrating import EVALUATION_BATCH
from openmov.api.prepare import Prepared
from openmov.api.shard_data import PackedClips
from openmov.api.training_data import TrainingData, prepare_training
from openmov.api.wiring import Wiring
from openmov.data.records import Record
from openmov.data.source import TrainingClips, evaluation_batches
from openmov.runtime.distributed import World
from openmov.training.reading import ClipSource
from openmov.types import ClipBatch


@runtime_checkable
class Supply(Protocol):
    """The clips of a training."""

    @property
    def identity(self) -> str:
        """What decides the order of clips beside recipe and manifest; empty for nothing."""
        ...

    def prepare(self, data: TrainingData, *, shown: bool, world: World) -> Prepared:
        """Sees to it that every clip can be read. Raises StorageError."""
        ...

    def training(self, records: Sequence[Record], seed: int) -> ClipSource:
        """Augmented clips."""
        ...

    def evaluation(self, records: Sequence[Record]) -> Iterator[ClipBatch]:
        """The clips as in a test, in their order."""
        ...


@dataclass(frozen=True)
class FileSupply:
    """Video files, and the cache of what was made of them."""

    wiring: Wiring = field(repr=False)
    """Reads them."""
    workers: int
    """Threads."""
    identity: str = ""
    """Nothing else decides."""

    def prepare(self, data: TrainingData, *, shown: bool, world: World) -> Prepared:
        return prepare_training(self.wiring, data, workers=self.workers, shown=shown, world=world)

    def training(self, records: Sequence[Record], seed: int) -> ClipSource:
        return TrainingClips(self.wiring.reader(), records, seed, self.workers)

    def evaluation(self, records: Sequence[Record]) -> Iterator[ClipBatch]:
        return evaluation_batches(self.wiring.reader(), records, EVALUATION_BATCH, [], self.workers)


@dataclass(frozen=True)
class ShardSupply:
    """Shards in a folder or behind a web address; no video file is opened."""

    clips: PackedClips
    """Every clip of the training, found in them."""
    buffer: int
    """Clips of the shuffle buffer."""

    @property
    def identity(self) -> str:
        return f"{self.clips.store.pack.identity} through {self.buffer}"

    def prepare(self, data: TrainingData, *, shown: bool, world: World) -> Prepared:
        return Prepared((*data.train, *data.val), ())

    def training(self, records: Sequence[Record], seed: int) -> ClipSource:
        return self.clips.store.training(self.clips.of(records), seed, self.buffer)

    def evaluation(self, records: Sequence[Record]) -> Iterator[ClipBatch]:
        return self.clips.store.evaluation_batches(self.clips.of(records), EVALUATION_BATCH)
