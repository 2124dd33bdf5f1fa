"""Frozen embeddings of many videos in a few large files that are mapped into memory.

    features.json             what they were made with, and how many there are
    videos.json               ids and content hashes of the videos, in the order of the rows
    train-0.safetensors ...   one file a seeded view: `embeddings` (videos, time, dim), `checksums` (videos,)
    test.safetensors          all views of a test: `embeddings` (videos, views, time, dim), `checksums`

An epoch of training looks at one seed, so its rows lie in one file. Written whole or not at all; a folder that was made
with another backbone, other views or another precision is refused, and so is one whose video has since become another
file. Every row is compared with its checksum each time it is read: opening a folder looks at no row. Numbers are of
single precision or bfloat16; NumPy has none, and there the 16 bits are whole numbers. Knows no network and opens no
video.
"""

import functools
import json
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np
import torch
from jaxtyping import Float, Float32, UInt16, UInt32
from torch import Tensor

from openmov.documents import parse_json, read_json
from openmov.errors import FeaturesError
from openmov.runtime.atomic import atomic_folder, refuse_foreign_folder, storage_errors
from openmov.store.cache import content_hash
from openmov.store.entry import digest_of, header_bytes

FEATURES_FILE, VIDEOS_FILE = "features.json", "videos.json"
FORMAT_VERSION = 3
Precision = Literal["fp32", "bf16"]
Stored = Float32[np.ndarray, "... dim"] | UInt16[np.ndarray, "... dim"]
BYTES: dict[Precision, int] = {"fp32": 4, "bf16": 2}
"""Of one number."""
DTYPES: dict[Precision, str] = {"fp32": "<f4", "bf16": "<u2"}
"""Of an array, as NumPy writes it."""
_NAMES: dict[Precision, str] = {"fp32": "F32", "bf16": "BF16"}
_ANEW = "make them anew with openmov prepare --features"
_CHECKSUM = np.dtype("<u4")
_HEADER_BYTES = 4096
"""Kept free at the beginning of a file until the number of its rows is known."""
_PARTS = ("train", "test")
Checksums = UInt32[np.ndarray, "rows"]


def stored_embeddings(embeddings: Float[Tensor, "... dim"], precision: Precision) -> Stored:
    """What is written. To bfloat16 numbers are rounded to the nearest, at most one part in 256 away."""
    if precision == "fp32":
        return embeddings.float().numpy()
    return embeddings.bfloat16().view(torch.int16).numpy().view(np.uint16)


def embeddings_of(stored: Stored) -> Float32[Tensor, "... dim"]:
    """What was written, in single precision; shares the memory of an array that is."""
    if stored.dtype == np.float32:
        return torch.from_numpy(stored)
    return torch.from_numpy(stored.view(np.int16)).view(torch.bfloat16).float()


@dataclass(frozen=True)
class FeatureFacts:
    """What decides every number."""

    backbone: str
    """Its name."""
    identity: str
    """Hash of its weights and preprocessing."""
    dim: int
    """Width of an embedding."""
    num_frames: int
    """Embeddings of a view."""
    precision: Precision
    """Of a number."""
    first_seed: int
    """Of the seeded views."""
    train_seeds: int
    """How many of them."""
    test_views: tuple[int, int]
    """Clips x crops."""
    pictures: Mapping[str, Any] = field(default_factory=dict)
    """Fields of the recipe that decide times, crops and pictures."""

    def require(self, asked: "FeatureFacts", where: Path) -> None:
        """Raises FeaturesError, naming both, unless a recipe that asks for `asked` may read these."""
        if self.identity != asked.identity:
            what = (
                f"was made with the backbone {self.backbone} ({self.identity}), and the recipe names {asked.backbone}"
            )
            raise FeaturesError(where, f"{what} ({asked.identity})", _ANEW)
        for what, mine, theirs in (
            ("precision", self.precision, asked.precision),
            ("test views", "x".join(map(str, self.test_views)), "x".join(map(str, asked.test_views))),
            *((name, self.pictures.get(name), value) for name, value in asked.pictures.items()),
        ):
            if mine != theirs:
                raise FeaturesError(where, f"was made with {what} {mine}, and the recipe asks for {theirs}", _ANEW)
        if not set(asked.seeds) <= set(self.seeds):
            held, wanted = _spoken(self.seeds), _spoken(asked.seeds)
            raise FeaturesError(where, f"holds the views of {held}, and the recipe asks for {wanted}", _ANEW)

    @property
    def seeds(self) -> range:
        """Of the training views."""
        return range(self.first_seed, self.first_seed + self.train_seeds)

    def shape(self, *, training: bool) -> tuple[int, ...]:
        """Of one video's row in one file."""
        one = (self.num_frames, self.dim)
        return one if training else (self.test_views[0] * self.test_views[1], *one)


@dataclass(frozen=True)
class StoredFeatures:
    """A folder of them, open for reading. Safe to share between threads."""

    folder: Path
    """Where it lies."""
    facts: FeatureFacts
    """What they were made with."""
    rows: Mapping[bool, Mapping[str, int]] = field(repr=False)
    """Of the videos with training views (True), and of those with the views of a test."""
    contents: Mapping[str, str] = field(repr=False)
    """Hash of every video's bytes."""
    arrays: Mapping[str, Stored] = field(repr=False)
    """By file, mapped into memory."""
    checksums: Mapping[str, Checksums] = field(repr=False)
    """By file, of its rows."""

    def training(self, video_ids: Sequence[str], seed: int) -> Float32[torch.Tensor, "batch time dim"] | None:
        """One seeded view of each; None where one of them is not there. Raises FeaturesError naming a damaged row."""
        return self._take(f"train-{seed}.safetensors", video_ids, training=True)

    def test(self, video_ids: Sequence[str]) -> Float32[torch.Tensor, "batch views time dim"] | None:
        """All views of a test of each; None where one of them is not there. Raises FeaturesError likewise."""
        return self._take(_TEST, video_ids, training=False)

    def holds(self, video_id: str, *, training: bool) -> bool:
        """Whether a video's views are there."""
        return video_id in self.rows[training]

    def require_same(self, video_id: str, path: Path) -> None:
        """Raises FeaturesError where the file is another than the one whose embeddings these are."""
        if self.contents.get(video_id) != content_hash(path):
            what = f"holds embeddings of another file than the {path} there is now"
            raise FeaturesError(self.folder, what, _ANEW)

    def _take(self, name: str, video_ids: Sequence[str], *, training: bool) -> Float32[torch.Tensor, "..."] | None:
        rows = self.rows[training]
        try:
            places = [rows[video_id] for video_id in video_ids]
        except KeyError:
            return None
        taken = np.take(self.arrays[name], places, axis=0)
        checksums = self.checksums[name]
        for video_id, place, row in zip(video_ids, places, taken, strict=True):
            if checksum(name, video_id, row) != checksums[place]:
                what = f"holds other bytes for {video_id} than were written"
                raise FeaturesError(self.folder / name, what, "copy the folder anew, or " + _ANEW)
        return embeddings_of(taken)


def open_features(folder: Path, asked: FeatureFacts) -> StoredFeatures:
    """Features for a recipe. Raises FeaturesError where there are none, or they were made for another."""
    facts, counts, digest = _read_facts(folder)
    facts.require(asked, folder)
    try:
        content = (folder / VIDEOS_FILE).read_bytes()
        if digest_of(content) != digest:
            raise _damaged(folder / VIDEOS_FILE)
        videos = parse_json(content)
        rows = {part == "train": {one: row for row, (one, _) in enumerate(videos[part])} for part in _PARTS}
        contents = {one: content for part in _PARTS for one, content in videos[part]}
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise _damaged(folder / VIDEOS_FILE) from error
    if {part: len(rows[part == "train"]) for part in _PARTS} != counts:
        raise _damaged(folder / VIDEOS_FILE)
    arrays, checksums = {}, {}
    for part in _PARTS:
        shape = (counts[part], *facts.shape(training=part == "train"))
        for name in _files(facts, training=part == "train"):
            arrays[name], checksums[name] = _mapped(folder / name, shape, facts.precision)
    return StoredFeatures(folder, facts, rows, contents, arrays, checksums)


def checksum(name: str, video_id: str, row: Stored) -> int:
    """CRC-32 of a row's bytes as they lie on disk, begun with its place: a row in another's place is found too."""
    return zlib.crc32(row.data, zlib.crc32(f"{name}\0{video_id}".encode(errors="surrogateescape")))


class FeatureWriter:
    """Takes the videos one by one; made by `write_features`."""

    def __init__(self, facts: FeatureFacts, files: Mapping[str, BinaryIO]) -> None:
        self._facts, self._files = facts, files
        self._checksums: dict[str, list[int]] = {name: [] for name in files}
        self.videos: dict[str, list[tuple[str, str]]] = {part: [] for part in _PARTS}
        """Id and content hash, by part, in the order of the rows."""
        for file in files.values():
            file.seek(_HEADER_BYTES)

    def add(self, video_id: str, content: str, views: Sequence[Stored], *, training: bool) -> None:
        """All seeded views of a training clip, or all views of a test."""
        names, one = _files(self._facts, training=training), (self._facts.num_frames, self._facts.dim)
        assert len(views) == (len(names) if training else self._facts.shape(training=False)[0])
        assert all(view.shape == one and view.dtype == DTYPES[self._facts.precision] for view in views)
        rows = views if training else [np.stack(views)]
        for name, row in zip(names, rows, strict=True):
            row = np.ascontiguousarray(row)
            self._files[name].write(row.tobytes())
            self._checksums[name].append(checksum(name, video_id, row))
        self.videos["train" if training else "test"].append((video_id, content))

    def finish(self) -> None:
        """Checksums, and what the headers say."""
        for name, file in self._files.items():
            found = np.array(self._checksums[name], _CHECKSUM)
            file.write(found.tobytes())
            file.seek(0)
            shape = (len(found), *self._facts.shape(training=name != _TEST))
            file.write(_header(shape, self._facts.precision))


def refuse_other_folder(folder: Path) -> None:
    """Raises StorageError where `folder` holds anything but stored features, which alone are written anew."""
    refuse_foreign_folder(folder, _holds_features_alone)


@contextmanager
def write_features(folder: Path, facts: FeatureFacts) -> Iterator[FeatureWriter]:
    """Fills a folder anew: it appears whole when the block is done, in place of an older one. Raises StorageError,
    also for a folder that holds anything else."""
    with atomic_folder(folder, replaces=_holds_features_alone) as made, storage_errors(folder):
        with ExitStack() as files:
            names = [*_files(facts, training=True), *_files(facts, training=False)]
            writer = FeatureWriter(facts, {name: files.enter_context((made / name).open("wb")) for name in names})
            yield writer
            writer.finish()
        videos = json.dumps(writer.videos, ensure_ascii=False).encode()
        (made / VIDEOS_FILE).write_bytes(videos)
        counts = {part: len(writer.videos[part]) for part in _PARTS}
        header = {"format_version": FORMAT_VERSION, "facts": asdict(facts), "videos": counts}
        header["videos_digest"] = digest_of(videos)
        (made / FEATURES_FILE).write_text(json.dumps(header, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


_TEST = "test.safetensors"
_OURS = re.compile(r"(features|videos)\.json|(train-\d+|test)\.(safetensors|bin|crc)")


def _holds_features_alone(folder: Path) -> bool:
    """Whether openmov made a folder, of whatever format version, and everything in it."""
    try:
        header = json.loads((folder / FEATURES_FILE).read_text(encoding="utf-8"))
        made = "format_version" in header and {"backbone", "identity"} <= set(header["facts"])
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return made and all(_OURS.fullmatch(entry.name) and entry.is_file() for entry in folder.iterdir())


def _files(facts: FeatureFacts, *, training: bool) -> list[str]:
    return [f"train-{seed}.safetensors" for seed in facts.seeds] if training else [_TEST]


def _header(shape: Sequence[int], precision: Precision) -> bytes:
    tensors = [("embeddings", _NAMES[precision], list(shape)), ("checksums", "U32", [shape[0]])]
    return header_bytes({"precision": precision}, tensors, total_bytes=_HEADER_BYTES)


def _read_facts(folder: Path) -> tuple[FeatureFacts, dict[str, int], str]:
    """The facts, how many videos there are of each part, and the digest of their list."""
    path = folder / FEATURES_FILE
    try:
        header = read_json(path)
        if header["format_version"] != FORMAT_VERSION:
            what = f"has format version {header['format_version']}, and this openmov reads {FORMAT_VERSION}"
            raise FeaturesError(path, what, _ANEW)
        said = header["facts"]
        facts = FeatureFacts(**{**said, "test_views": tuple(said["test_views"])})
        return facts, {part: int(header["videos"][part]) for part in _PARTS}, str(header["videos_digest"])
    except FileNotFoundError as error:
        raise FeaturesError(folder, "holds no stored embeddings", _ANEW) from error
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise _damaged(path) from error


def _mapped(path: Path, shape: tuple[int, ...], precision: Precision) -> tuple[Stored, Checksums]:
    """Rows and checksums. A file of another size is not mapped: reading behind its end would end the process."""
    kind, wanted = np.dtype(DTYPES[precision]), _header(shape, precision)
    num_bytes = functools.reduce(int.__mul__, shape, kind.itemsize)
    try:
        with path.open("rb") as file:
            header = file.read(_HEADER_BYTES)
        if header != wanted or path.stat().st_size != _HEADER_BYTES + num_bytes + shape[0] * _CHECKSUM.itemsize:
            raise FeaturesError(path, "is cut off, or of another folder", "copy the folder anew")
    except OSError as error:
        raise _damaged(path) from error
    if not shape[0]:
        return np.empty(shape, kind), np.empty(0, _CHECKSUM)
    rows = np.memmap(path, kind, "r", _HEADER_BYTES, shape)
    return rows, np.memmap(path, _CHECKSUM, "r", _HEADER_BYTES + num_bytes, (shape[0],))


def _damaged(path: Path) -> FeaturesError:
    return FeaturesError(path, "is missing or damaged", "copy the folder anew, or " + _ANEW)


def _spoken(seeds: Iterable[int]) -> str:
    first, *others = seeds
    return f"seeds {first} to {others[-1]}" if others else f"seed {first}"
