"""The clips of a manifest, looked up in shards: what differs is said before anything is trained.

--shards, manifest, recipe --> open pack --ids--> one packed video a clip
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from openmov.api.shard_settings import differing, shard_settings
from openmov.api.training_data import TrainingData
from openmov.api.wiring import Wiring
from openmov.data.packed import PackedVideo
from openmov.data.records import Record
from openmov.data.shard_clips import ShardStore, evaluation_keys, training_keys
from openmov.errors import DecodeError, ManifestError, RecipeError, StorageError
from openmov.store.cache import content_hash
from openmov.store.pack import Pack, open_pack
from openmov.store.remote import open_files

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


def find_clips(wiring: Wiring, data: TrainingData, shards: str | Path, *, workers: int) -> PackedClips:
    """Opens the shards, and finds every training and validation clip in them.

    Raises ManifestError where they hold other videos than the manifest lists, RecipeError where they were packed for
    another backbone, other views or other settings, StorageError where they cannot be read.
    """
    assert wiring.cache is not None
    opened = open_pack(open_files(shards), wiring.cache.folder / "shards")
    records = (*data.train, *data.val)
    videos = _packed(opened, frozenset(record.video_id for record in records))
    differences = _differences(records, videos)
    if differences:
        what = f"{opened.files.where('')} is not of this manifest: {'; '.join(differences)}"
        raise ManifestError(data.manifest, what, "pack again with this manifest, or give the one that was packed")
    store = ShardStore(wiring.reader(), opened, workers)
    _refuse_other_settings(wiring, store, videos.values())
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


def _refuse_other_settings(wiring: Wiring, store: ShardStore, videos: Iterable[PackedVideo]) -> None:
    """Looks whether what the recipe asks of the first training and validation clip of each shard is there."""
    firsts: dict[tuple[int, str], PackedVideo] = {}
    for video in videos:
        firsts.setdefault((video.shard, video.record.split), video)
    for (_, split), video in firsts.items():
        keys = (training_keys if split == "train" else evaluation_keys)(store.reader, video)
        if all(key in store.pack for key in keys):
            continue
        said = differing(store.pack.settings, shard_settings(wiring))
        what = "; ".join(said) or f"entries of {video.video_id} are not among them, though nothing else differs"
        where = store.pack.files.where("")
        raise RecipeError(where, f"was packed for another recipe: {what}", "pack again with this recipe, or change it")
