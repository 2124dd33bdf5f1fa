"""A video as a pack knows it: what `openmov pack` says of it, and its entries without the file.

    Record, file --packed_facts--> a line of JSON --PackedVideo--> MediaInfo, PackedEntries --ClipReader--> Clip

Times and crops of a view follow from what the header of the file said, keys of entries from its content hash: both
are in the line, so a clip comes out bit for bit as it would from the file and the cache. Nothing here opens a video.
"""

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel, FiniteFloat, NonNegativeInt

from openmov.data.entries import FileEntries, StoredInput
from openmov.data.records import Record, Split
from openmov.data.segment import file_facts
from openmov.errors import StorageError
from openmov.media.decode import AudioStream, Decoder, MediaInfo, VideoStream
from openmov.store.cache import content_hash
from openmov.store.entry import DamagedError, array_of
from openmov.store.pack import MOST_ENTRY_BYTES


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
            mend = "pack again with this recipe"
            raise StorageError(self._video_id, f"the shards hold no {step} as the recipe asks for", mend)
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
