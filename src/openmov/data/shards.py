"""Clips streamed out of shards: what the training loop and a test read from, without a video file in reach.

    steps --which clips, this process's--> shards one after the other, a few ranges at a time --> held until their batch

Fetched are the entries of the one view that an epoch looks at, by threads that stay a few requests ahead. Held are at
most the clips of the shuffle buffer and of those requests, so memory does not grow with the number of shards. Several
processes each fetch their own clips alone. Which clips a batch has, and what a clip is, does not depend on any of this.
"""

import hashlib
import json
import re
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from itertools import groupby, tee
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from pydantic import BaseModel, FiniteFloat, NonNegativeInt

from openmov.data.entries import FileEntries, StoredInput
from openmov.data.loader import collate, in_order
from openmov.data.reader import ClipDataset, Opened
from openmov.data.records import Record, Split
from openmov.data.segment import file_facts
from openmov.errors import ManifestError, StorageError
from openmov.media.decode import AudioStream, Decoder, MediaInfo, VideoStream
from openmov.store.cache import content_hash
from openmov.store.entry import DamagedError, array_of
from openmov.store.pack import MOST_ENTRY_BYTES, Pack
from openmov.types import Clip, ClipBatch


def packed_facts(record: Record, decoder: Decoder) -> dict[str, Any]:
    """What a pack says of a video, in plain values. Raises DecodeError."""
    info = file_facts(record.path, decoder)
    streams = {"video": info.video, "audio": info.audio}
    return {
        "id": record.video_id,
        "label": record.label,
        "split": record.split,
        "start": record.start_seconds,
        "end": record.end_seconds,
        "content": content_hash(record.path),
        "bytes": record.path.stat().st_size,
        "media": {
            "duration_seconds": info.duration_seconds,
            **{name: None if stream is None else asdict(stream) for name, stream in streams.items()},
        },
    }


class _Media(BaseModel, strict=True, cache_strings="none"):
    """What the header of a file said."""

    duration_seconds: float
    video: VideoStream | None
    audio: AudioStream | None


class _Line(BaseModel, strict=True, cache_strings="none"):
    """What a line has to say; the pack may be a stranger's."""

    shard: NonNegativeInt
    id: str
    label: str | None
    split: Split
    start: FiniteFloat | None
    end: FiniteFloat | None
    content: str
    bytes: NonNegativeInt
    media: _Media


@dataclass(frozen=True, slots=True)
class PackedVideo:
    """One line of a pack's list. There may be millions: what the line says is read from it when it is asked for."""

    line: str = field(repr=False)
    """As it stands in the list."""
    shard: int
    """Number of the tar file."""
    label: str | None
    """As it was packed, or as a manifest has it."""

    @classmethod
    def of_line(cls, line: str) -> "PackedVideo":
        """Raises ValueError for what is not such a line."""
        said = _Line.model_validate_json(line)
        return cls(line, said.shard, None if said.label is None else sys.intern(said.label))

    @property
    def video_id(self) -> str:
        """Its id."""
        return str(self._facts()["id"])

    @property
    def record(self) -> Record:
        """With its label; its path is its id, for there is no file."""
        facts = self._facts()
        name = str(facts["id"])
        return Record(name, Path(name), self.label, facts["start"], facts["end"], facts["split"])

    @property
    def content(self) -> str:
        """Hash of the file it was made from."""
        return str(self._facts()["content"])

    @property
    def num_bytes(self) -> int:
        """Of that file."""
        return int(self._facts()["bytes"])

    def with_label(self, label: str | None) -> "PackedVideo":
        """The same under another name, as a manifest has it."""
        return replace(self, label=label)

    def _facts(self) -> Any:
        return json.loads(self.line)

    def info(self) -> MediaInfo:
        """What the file holds."""
        media = _Line.model_validate_json(self.line).media
        return MediaInfo(Path(self.video_id), media.duration_seconds, media.video, media.audio)


class PackedEntries(FileEntries):
    """The entries of a packed video: their names, and the bytes that were fetched of them. Nothing is ever made."""

    def __init__(self, video: PackedVideo, contents: Mapping[str, bytes] | None = None) -> None:
        super().__init__(None, Path(video.video_id))
        self._content, self._contents, self._video_id = video.content, contents or {}, video.video_id

    def has(self, wanted: StoredInput) -> bool:
        return self.key(wanted) in self._contents

    def get(self, wanted: StoredInput) -> Any:
        """Raises StorageError where it was not fetched, or is not what is wanted."""
        key, step = self.key(wanted), wanted.step
        content = self._contents.get(key)
        if content is None:
            hint = "pack again with this recipe"
            raise StorageError(self._video_id, f"the shards hold no {step} as the recipe asks for", hint)
        try:
            array = array_of(content, key, MOST_ENTRY_BYTES)
        except DamagedError as error:
            raise StorageError(self._video_id, f"the shards hold a damaged {step} ({error})", "pack again") from error
        if not wanted.fits(array):
            what = f"the shards hold {array.dtype} of the shape {array.shape} for its {step}"
            raise StorageError(self._video_id, what, "pack again; do not trust it")
        return array

    def fill(self, wanted: StoredInput) -> None:
        raise AssertionError("a pack is not written to")


_STREAM = 0x57EA  # sets these draws apart from others made of the same (seed, epoch)


@dataclass(frozen=True)
class StreamOrder:
    """One epoch."""

    read: tuple[int, ...] = field(repr=False)
    """Positions of clips, in the order in which the shards give them."""
    given: tuple[int, ...] = field(repr=False)
    """The same, in the order in which they are handed out: given[i] is among the first i + buffer of `read`."""


def stream_order(shards: Sequence[Sequence[int]], buffer: int, seed: int, epoch: int) -> StreamOrder:
    """The order of an epoch; `shards` has the positions of each shard's clips, every clip once."""
    random = np.random.default_rng((seed, epoch, _STREAM))
    read = [clip for shard in random.permutation(len(shards)) for clip in shards[shard]]
    draws = random.random(len(read))
    size = max(1, buffer)
    held, coming = read[:size], iter(read[size:])
    given = []
    for draw in draws:
        place = int(draw * len(held))
        given.append(held[place])
        following = next(coming, None)
        if following is None:
            held[place] = held[-1]
            held.pop()
        else:
            held[place] = following
    return StreamOrder(tuple(read), tuple(given))


DEFAULT_BUFFER = 1000
"""Clips among which the next one is drawn; a clip of 16 flow pictures and 10 s of sound is about 0.9 MB."""
_CLIPS_A_REQUEST = 16


@runtime_checkable
class StepLike(Protocol):
    """What is asked of a step of a training."""

    @property
    def epoch(self) -> int:
        """Counted from 0."""
        ...

    @property
    def micro_batches(self) -> tuple[tuple[int, ...], ...]:
        """Positions of clips."""
        ...


@dataclass(frozen=True)
class ShardStore:
    """An open pack, with how to read clips from it."""

    reader: ClipDataset
    """Makes clips of entries."""
    pack: Pack
    """Where the entries are."""
    workers: int = 2
    """Threads that fetch, and as many that unpack."""

    def training(self, videos: Sequence[PackedVideo], seed: int, buffer: int = DEFAULT_BUFFER) -> "ShardClips":
        """The clips of a training."""
        return ShardClips(self, videos, seed, buffer)

    def evaluation_batches(self, videos: Sequence[PackedVideo], batch_size: int) -> Iterator[ClipBatch]:
        """Batches of all videos in their order, each with all its views. Raises StorageError."""
        groups = (videos[start : start + batch_size] for start in range(0, len(videos), batch_size))
        with closing(in_order(self._fetch_tests, groups, self.workers)) as fetched:
            for group in fetched:
                clips = [self.reader.evaluation_clip(video.record, _opened(video, held)) for video, held in group]
                yield collate(clips, self.reader.modalities)

    def fetch(self, wanted: Sequence[tuple[PackedVideo, Sequence[str]]]) -> list[Mapping[str, bytes]]:
        """Of each video, the entries with these keys. Raises StorageError."""
        try:
            found = self.pack.read([key for _, keys in wanted for key in keys])
        except KeyError as error:
            name = next(video.video_id for video, keys in wanted if error.args[0] in keys)
            what = f"hold not what the recipe asks of {name}"
            raise StorageError(self.pack.files.where(""), what, "pack again with this recipe") from error
        return [{key: found[key] for key in keys} for _, keys in wanted]

    def _fetch_tests(self, videos: Sequence[PackedVideo]) -> list[tuple[PackedVideo, Mapping[str, bytes]]]:
        wanted = [(video, evaluation_keys(self.reader, video)) for video in videos]
        return list(zip(videos, self.fetch(wanted), strict=True))


class ShardClips:
    """The training clips, one seeded view each, in the order of a shuffle buffer over shuffled shards."""

    def __init__(self, store: ShardStore, videos: Sequence[PackedVideo], seed: int, buffer: int) -> None:
        self._store, self._videos, self._seed, self._buffer = store, tuple(videos), seed, buffer
        self._pool = ThreadPoolExecutor(max(1, store.workers), thread_name_prefix="openmov-unpack")
        places = sorted(range(len(videos)), key=lambda place: videos[place].shard)
        self._in_hand: dict[int, str] = {}
        self._shards = [list(group) for _, group in groupby(places, key=lambda place: videos[place].shard)]

    def __len__(self) -> int:
        return len(self._videos)

    def order(self, epoch: int) -> Sequence[int]:
        """Positions of all clips, in the order in which this epoch is best trained on."""
        return self._order(epoch).given

    def file_of(self, video_id: str) -> str:
        """The shard a clip is read from, and which one it is."""
        shard = next(video.shard for video in self._videos if video.video_id == video_id)
        return f"{self._where(shard)} ({video_id})"

    def files_in_hand(self) -> tuple[str, ...]:
        """Shards that are being fetched from at this moment."""
        return tuple(dict.fromkeys(self._in_hand.copy().values()))

    def _where(self, shard: int) -> str:
        return self._store.pack.files.where(self._store.pack.names[shard])

    def batch(self, indices: Sequence[int], epoch: int) -> ClipBatch:
        """The clips at these positions, fetched for this batch alone."""
        held = dict(self._fetch([(epoch, index) for index in indices]))
        return self._batch([(epoch, index) for index in indices], held)

    def batches(self, steps: Iterable[StepLike]) -> Iterator[ClipBatch]:
        """The micro-batches of `steps` in order, fetched ahead. Raises StorageError naming the shard."""
        to_fetch, to_give = tee(steps)
        held: dict[tuple[int, int], Mapping[str, bytes]] = {}
        with closing(in_order(self._fetch, self._requests(to_fetch), max(2, self._store.workers))) as fetched:
            for step in to_give:
                for micro in step.micro_batches:
                    asked = [(step.epoch, index) for index in micro]
                    while any(one not in held for one in asked):
                        held |= next(fetched)
                    yield self._batch(asked, held)

    def _requests(self, steps: Iterable[StepLike]) -> Iterator[list[tuple[int, int]]]:
        """(epoch, position) of the clips of all steps, in the order of the shards, a few of one shard at a time."""
        for epoch, group in groupby(steps, key=lambda step: step.epoch):
            ours = {index for step in group for micro in step.micro_batches for index in micro}
            ordered = [index for index in self._order(epoch).read if index in ours]
            for _, of_shard in groupby(ordered, key=lambda index: self._videos[index].shard):
                clips = list(of_shard)
                for start in range(0, len(clips), _CLIPS_A_REQUEST):
                    yield [(epoch, index) for index in clips[start : start + _CLIPS_A_REQUEST]]

    def _order(self, epoch: int) -> StreamOrder:
        return stream_order(self._shards, self._buffer, self._seed, epoch)

    def _fetch(self, clips: Sequence[tuple[int, int]]) -> dict[tuple[int, int], Mapping[str, bytes]]:
        wanted = []
        for epoch, index in clips:
            video = self._videos[index]
            entries = self._store.reader.clip_entries(video.record, epoch, self._seed, _opened(video))
            wanted.append((video, [entry.key for entry in entries]))
        thread = threading.get_ident()
        self._in_hand[thread] = self._where(wanted[0][0].shard) if wanted else ""
        try:
            return dict(zip(clips, self._store.fetch(wanted), strict=True))
        finally:
            del self._in_hand[thread]

    def _batch(self, clips: Sequence[tuple[int, int]], held: dict[tuple[int, int], Mapping[str, bytes]]) -> ClipBatch:
        """Takes the clips out of `held`."""
        reader = self._store.reader

        def unpack(clip: tuple[int, int]) -> Clip:
            epoch, index = clip
            video = self._videos[index]
            return reader.training_clip(video.record, epoch, self._seed, _opened(video, held[clip]))

        unpacked = list(self._pool.map(unpack, clips))
        for clip in clips:
            held.pop(clip, None)
        return collate(unpacked, reader.modalities)


def evaluation_keys(reader: ClipDataset, video: PackedVideo) -> list[str]:
    """Keys of all that a test looks up of a video."""
    return _keys(reader, video, training=False)


def training_keys(reader: ClipDataset, video: PackedVideo) -> list[str]:
    """Keys of all that training looks up of a video, in whatever epoch."""
    return _keys(reader, video, training=True)


def _keys(reader: ClipDataset, video: PackedVideo, *, training: bool) -> list[str]:
    entries = reader.entries(video.record, training=training, opened=_opened(video))
    return [entry.key for entry in entries]


def _opened(video: PackedVideo, contents: Mapping[str, bytes] | None = None) -> Opened:
    return Opened(video.info(), PackedEntries(video, contents))


@dataclass(frozen=True)
class Shard:
    """Part `number` of `count`; 3/64."""

    number: int
    """From 1."""
    count: int
    """Of all parts."""

    @classmethod
    def parse(cls, text: str) -> "Shard":
        """`3/64`. Raises ManifestError for anything else."""
        found = re.fullmatch(r"(\d{1,9})/(\d{1,9})", text)
        if found is None or not 1 <= int(found[1]) <= int(found[2]):
            raise ManifestError("--shard", f"{text!r} is not part of a whole", "write 1/64 to 64/64")
        return cls(int(found[1]), int(found[2]))

    def holds(self, video_id: str) -> bool:
        """Whether a video is in this part."""
        digest = hashlib.blake2b(video_id.encode(errors="surrogateescape"), digest_size=8).digest()
        return int.from_bytes(digest, "big") % self.count == self.number - 1

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"


WHOLE = Shard(1, 1)
"""All of the list."""
