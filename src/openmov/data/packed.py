"""A video as a pack knows it: what `openmov pack` says of it, and its entries without the file.

    Record, file --packed_facts--> a line of JSON --PackedVideo--> MediaInfo, PackedEntries --ClipReader--> Clip

Times and crops of a view follow from what the header of the file said, keys of entries from its content hash: both
are in the line, so a clip comes out bit for bit as it would from the file and the cache. Nothing here opens a video.
"""

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from openmov.data.entries import FileEntries
from openmov.data.records import Record
from openmov.data.segment import file_facts
from openmov.errors import StorageError
from openmov.media.decode import AudioStream, Decoder, MediaInfo, VideoStream
from openmov.modalities.cache import content_hash, step_key
from openmov.modalities.packs import array_of_npy


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
        """Raises ValueError, KeyError or TypeError for what is no such line."""
        facts = json.loads(line)
        label = facts["label"]
        video = cls(line, int(facts["shard"]), None if label is None else sys.intern(label))
        int(facts["bytes"]), str(facts["content"]), facts["media"], video._record(facts)
        return video

    @property
    def video_id(self) -> str:
        """Its id."""
        return str(self._facts()["id"])

    @property
    def record(self) -> Record:
        """With its label; its path is its id, for there is no file."""
        return self._record(self._facts())

    @property
    def content(self) -> str:
        """Hash of the file it was made from."""
        return str(self._facts()["content"])

    @property
    def num_bytes(self) -> int:
        """Of that file."""
        return int(self._facts()["bytes"])

    @property
    def media(self) -> Mapping[str, Any]:
        """What its header said."""
        media: Mapping[str, Any] = self._facts()["media"]
        return media

    def with_label(self, label: str | None) -> "PackedVideo":
        """The same under another name, as a manifest has it."""
        return replace(self, label=label)

    def _facts(self) -> Any:
        return json.loads(self.line)

    def _record(self, facts: Any) -> Record:
        name = str(facts["id"])
        return Record(name, Path(name), self.label, facts["start"], facts["end"], facts["split"])

    def info(self) -> MediaInfo:
        """What the file holds. Raises StorageError where another release packed it."""
        try:
            media, path = self.media, Path(self.video_id)
            video, audio = media["video"], media["audio"]
            pictures = None if video is None else VideoStream(**video)
            sound = None if audio is None else AudioStream(**audio)
            return MediaInfo(path, float(media["duration_seconds"]), pictures, sound)
        except (KeyError, TypeError, ValueError) as error:
            what = "was packed by a release of openmov that said other things of it"
            raise StorageError(self.video_id, what, "pack again") from error


class PackedEntries(FileEntries):
    """The entries of a packed video: their names, and the bytes that were fetched of them. Nothing is ever made."""

    def __init__(self, video: PackedVideo, contents: Mapping[str, bytes] | None = None) -> None:
        super().__init__(None, Path(video.video_id))
        self._content, self._contents, self._video_id = video.content, contents or {}, video.video_id

    def has(self, step: str, version: int, facts: Mapping[str, object]) -> bool:
        return self.key(step, version, facts) in self._contents

    def get(self, step: str, version: int, facts: Mapping[str, object], units: int, compute: Callable[[], Any]) -> Any:
        """Raises StorageError where it was not fetched."""
        content = self._contents.get(step_key(self._content, step, version, facts))
        if content is None:
            mend = "pack again with this recipe"
            raise StorageError(self._video_id, f"the shards hold no {step} as the recipe asks for", mend)
        return array_of_npy(content)

    def fill(
        self, step: str, version: int, facts: Mapping[str, object], units: int, compute: Callable[[], Any]
    ) -> None:
        raise AssertionError("a pack is not written to")
