"""Where a training gets its clips: from video files through the cache, or from shards alone.

Both give the same clips, bit for bit, and differ in the order of an epoch: from files any order costs the same, shards
are read one after the other through a shuffle buffer.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

from openmov.build import Components
from openmov.data.loader import TrainLoader, evaluation_batches
from openmov.data.records import Record
from openmov.data.shards import PackedVideo, ShardStore, evaluation_keys, training_keys
from openmov.errors import DecodeError, ManifestError, RecipeError, StorageError
from openmov.prepare.entry_settings import differing, shard_settings
from openmov.prepare.video import Prepared
from openmov.runtime.distributed import World
from openmov.store.cache import content_hash
from openmov.store.pack import Pack, open_pack
from openmov.store.remote import open_files
from openmov.training.calibrate import EVALUATION_BATCH
from openmov.training.data import TrainingData, prepare_training
from openmov.training.loader import ClipSource
from openmov.types import ClipBatch

_HASHED = 16
"""Videos that are here are compared with the packed ones by size, and so many of them by content."""


@dataclass(frozen=True)
class PackedClips:
    """A pack that serves a training."""

    store: ShardStore = field(repr=False)
    """Reads it."""
    videos: Mapping[str, PackedVideo] = field(repr=False)
    """By id, with the labels of the manifest."""

    def of(self, records: Sequence[Record]) -> tuple[PackedVideo, ...]:
        """The packed videos of some clips of the manifest."""
        return tuple(self.videos[record.video_id].with_label(record.label) for record in records)


def find_clips(components: Components, data: TrainingData, shards: str | Path, *, workers: int) -> PackedClips:
    """Opens the shards, and finds every training and validation clip in them.

    Raises ManifestError where they hold other videos than the manifest lists, RecipeError where they were packed for
    another backbone, other views or other settings, StorageError where they cannot be read.
    """
    assert components.cache is not None
    opened = open_pack(open_files(shards), components.cache.folder / "shards")
    records = (*data.train, *data.val)
    videos = _packed(opened, frozenset(record.video_id for record in records))
    differences = _differences(records, videos)
    if differences:
        what = f"{opened.files.where('')} is not of this manifest: {'; '.join(differences)}"
        raise ManifestError(data.manifest, what, "pack again with this manifest, or give the one that was packed")
    store = ShardStore(components.dataset(), opened, workers)
    _refuse_other_settings(components, store, videos.values())
    return PackedClips(store, videos)


def _packed(pack: Pack, wanted: frozenset[str]) -> dict[str, PackedVideo]:
    """The videos of a pack, as far as they are wanted."""
    where, found = pack.files.where(""), {}
    for number, line in enumerate(pack.lines, start=1):
        try:
            video = PackedVideo.of_line(line)
        except ValueError as error:
            raise StorageError(where, f"has a damaged list of samples (line {number})", "pack again") from error
        if video.shard >= len(pack.names):
            raise StorageError(where, f"lists a sample in a shard that is not there (line {number})", "do not trust it")
        if video.video_id in wanted:
            found[video.video_id] = video
    return found


def _differences(records: Sequence[Record], videos: Mapping[str, PackedVideo]) -> list[str]:
    """One phrase for each way in which the two disagree, with how often and an example."""
    missing: list[str] = []
    labels: list[str] = []
    splits: list[str] = []
    segments: list[str] = []
    for record in records:
        name = record.video_id
        if name not in videos:
            missing.append(name)
            continue
        there = videos[name].record
        if there.label != record.label:
            labels.append(f"{name} is {there.label!r} there, {record.label!r} here")
        if there.split != record.split:
            splits.append(f"{name} is {there.split} there, {record.split} here")
        if _span(there) != _span(record):
            segments.append(name)
    faults = {
        "are missing": missing,
        "have another label": labels,
        "are packed for another split": splits,
        "are another segment": segments,
        "were made from a file with other content": _other_content(
            [(record, videos[record.video_id]) for record in records if record.video_id in videos]
        ),
    }
    return [f"{len(names)} of {len(records)} videos {what} ({names[0]})" for what, names in faults.items() if names]


def _span(record: Record) -> tuple[float | None, float | None]:
    return record.start_seconds, record.end_seconds


def _other_content(found: Sequence[tuple[Record, PackedVideo]]) -> list[str]:
    """Of the videos that are here: all by their size, some by their hash."""
    here = [(record, video) for record, video in found if record.path.is_file()]
    hashed = {record.video_id for record, _ in here[:: max(1, len(here) // _HASHED)]}
    return [
        record.video_id
        for record, video in here
        if record.path.stat().st_size != video.num_bytes
        or (record.video_id in hashed and _hash(record) != video.content)
    ]


def _hash(record: Record) -> str | None:
    try:
        return content_hash(record.path)
    except DecodeError:
        return None


def _refuse_other_settings(components: Components, store: ShardStore, videos: Iterable[PackedVideo]) -> None:
    """Looks whether what the recipe asks of the first training and validation clip of each shard is there."""
    firsts: dict[tuple[int, str], PackedVideo] = {}
    for video in videos:
        firsts.setdefault((video.shard, video.record.split), video)
    for (_, split), video in firsts.items():
        keys = (training_keys if split == "train" else evaluation_keys)(store.reader, video)
        if all(key in store.pack for key in keys):
            continue
        said = differing(store.pack.settings, shard_settings(components))
        what = "; ".join(said) or f"entries of {video.video_id} are not among them, though nothing else differs"
        where = store.pack.files.where("")
        raise RecipeError(where, f"was packed for another recipe: {what}", "pack again with this recipe, or change it")


@runtime_checkable
class DataSource(Protocol):
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
class FileSource:
    """Video files, and the cache of what was made of them."""

    components: Components = field(repr=False)
    """Reads them."""
    workers: int
    """Threads."""
    identity: str = ""
    """Nothing else decides."""

    def prepare(self, data: TrainingData, *, shown: bool, world: World) -> Prepared:
        return prepare_training(self.components, data, workers=self.workers, shown=shown, world=world)

    def training(self, records: Sequence[Record], seed: int) -> ClipSource:
        return TrainLoader(self.components.dataset(), records, seed, self.workers)

    def evaluation(self, records: Sequence[Record]) -> Iterator[ClipBatch]:
        return evaluation_batches(self.components.dataset(), records, EVALUATION_BATCH, [], self.workers)


@dataclass(frozen=True)
class ShardSource:
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
