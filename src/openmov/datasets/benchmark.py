"""What a data set says it holds: clips with their labels and splits, and the names their files may go by.

Knows nothing of folders.
"""

import hashlib
import os
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from openmov.data.records import Split
from openmov.errors import ManifestError
from openmov.text.label_sets import LabelSet
from openmov.text.vocabulary import Vocabulary

VIDEO_SUFFIXES = frozenset({".mp4", ".avi", ".mkv", ".webm", ".mov", ".m4v"})
"""Small letters; a file's own may be large."""

_SPLIT_WORD = re.compile(r"(?:^|.*[_-])(train|val|valid|validate|validation|test)(?:[_-].*|$)|(training|testing)")


@dataclass(frozen=True)
class VideoFile:
    """One video file."""

    path: PurePosixPath
    """Relative to the folder that was searched."""
    is_empty: bool = False
    """Whether it has no byte."""
    outside: bool = False
    """Whether it is a link to a file that lies elsewhere."""

    @property
    def stem(self) -> str:
        """The name without its suffix."""
        return self.path.stem

    @property
    def folders(self) -> tuple[str, ...]:
        """The folders above it, the nearest first."""
        return self.path.parent.parts[::-1]


@dataclass(frozen=True)
class Layout:
    """What lies in a folder."""

    folder: Path
    """Absolute, links followed."""
    videos: tuple[VideoFile, ...] = field(repr=False)
    """Sorted by path."""
    other: Counter[str] = field(repr=False)
    """How many files of each other suffix there are ('' for none)."""

    def found(self) -> str:
        """In words, for an error: `3 .zip files in 2 folders ('a', 'b')`."""
        tops = sorted({video.path.parts[0] for video in self.videos if len(video.path.parts) > 1})
        flat = [video.path.name for video in self.videos if len(video.path.parts) == 1]
        parts = [f"{len(tops)} folders with videos ({_few(tops)})"] if tops else []
        parts += [f"{len(flat)} videos in no folder ({_few(flat)})"] if flat else []
        parts += [f"{count} {suffix or 'suffixless'} files" for suffix, count in self.other.most_common(3)]
        return ", ".join(parts) or "nothing"


def look_into(folder: Path) -> Layout:
    """Every video under `folder`; links to folders are followed, each folder once.

    Raises ManifestError where there is no such folder, or no video in it.
    """
    if not folder.is_dir():
        raise ManifestError(folder, "is not a folder", "name the folder that holds the videos")
    root = folder.resolve()
    videos: list[VideoFile] = []
    other: Counter[str] = Counter()
    for path in _files(root):
        suffix = path.suffix.lower()
        if suffix in VIDEO_SUFFIXES:
            videos.append(_video(root, path))
        else:
            other[suffix] += 1
    layout = Layout(root, tuple(sorted(videos, key=lambda video: video.path)), other)
    if not videos:
        expected = f"expected videos ({', '.join(sorted(VIDEO_SUFFIXES))})"
        raise ManifestError(folder, f"holds no video: found {layout.found()}", f"{expected}, in class folders or flat")
    return layout


def split_of(video: VideoFile, is_class: Callable[[str], bool] = lambda folder: False) -> Split | None:
    """The split a folder above the file names: `train`, `videos_val`, `kinetics_400_test`; validation stays `val`.

    A folder named after a class says nothing of a split, whatever its words ("train_whistling").
    """
    for name in video.folders:
        word = None if is_class(name) else _SPLIT_WORD.fullmatch(name.lower())
        if word:
            return {"tr": "train", "va": "val", "te": "test"}[(word[1] or word[2])[:2]]  # type: ignore[return-value]
    return None


def fold(name: str) -> str:
    """What is left of a name when spaces, underscores, quotes, brackets and capitals do not count."""
    return re.sub(r"[^a-z0-9]+", "", name.lower())


def _files(root: Path) -> Iterator[Path]:
    seen: set[str] = set()
    for place, folders, names in os.walk(root, followlinks=True):
        real = os.path.realpath(place)
        if real in seen:  # a link in a circle
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(place, name) for name in names if not name.startswith("."))


def _video(root: Path, path: Path) -> VideoFile:
    real = path.resolve()
    size = real.stat().st_size if real.is_file() else 0
    return VideoFile(PurePosixPath(path.relative_to(root).as_posix()), size == 0, not real.is_relative_to(root))


def _few(names: list[str], shown: int = 3) -> str:
    return ", ".join(repr(name) for name in names[:shown]) + (" ..." if len(names) > shown else "")


@dataclass(frozen=True)
class ListedClip:
    """One clip of a data set."""

    clip_id: str
    """Unique in the data set: `ID_SSSSSS_EEEEEE`, `class/clip`."""
    label: str
    """Its class, in plain words."""
    split: Split
    """What it is for."""
    keys: tuple[str, ...]
    """What its file may be found by, the surest first (see Benchmark.keys_of)."""
    span_seconds: tuple[float, float] | None = None
    """Where it lies in the video it was cut from, if a file may hold more than the clip."""
    official_splits: tuple[Split | None, ...] = ()
    """What it is for in each official split, None where it is in neither part; empty where there is only one."""


@dataclass(frozen=True)
class Listing:
    """All clips of a data set, as far as they are known."""

    clips: tuple[ListedClip, ...] = field(repr=False)
    """In the order of the lists."""
    sources: tuple[tuple[str, str], ...]
    """Name and SHA-256 (or a word on the origin) of every list."""
    notes: tuple[str, ...] = ()
    """What else was listed and is not used, in words."""
    complete: bool = True
    """Whether a clip that is not listed does not belong; false where the folder itself is the list."""


@dataclass(frozen=True)
class Benchmark:
    """A data set: one of `catalogue`."""

    name: str
    """As on the command line."""
    title: str
    """As its authors write it."""
    expected: str
    """Which layout and names of files are understood, for people."""
    vocabulary: Callable[[Path], Vocabulary] = field(repr=False)
    """Class names with their roles; is given the videos' folder, which most ignore."""
    listing: Callable[[Layout, Sequence[Path]], Listing] = field(repr=False)
    """What there should be, by annotation files (or, without, by what the folder says)."""
    keys_of: Callable[[VideoFile], tuple[str, ...]] = field(repr=False)
    """What a file may be found by."""
    note: str = ""
    """What a reader of results must know."""


class ClassNames:
    """Class names as they occur in annotation files and as names of folders, to names in plain words."""

    def __init__(self, labels: LabelSet) -> None:
        self.labels = labels
        self._exact = labels.readable_of
        self._folded = {fold(name): plain for name, plain in self._exact.items()}

    def find(self, text: str) -> str | None:
        """The class a text means: exactly, or with spaces, underscores, quotes, brackets and capitals ignored."""
        return self._exact.get(text) or self._folded.get(fold(text))

    def of_folder(self, video: VideoFile) -> str | None:
        """The class that the nearest folder above a file is named after."""
        return next((name for folder in video.folders if (name := self.find(folder))), None)


def sha256_of(path: Path) -> tuple[str, str]:
    """Name and hash of an annotation file. Raises ManifestError."""
    return path.name, hashlib.sha256(read_bytes(path)).hexdigest()


def read_bytes(path: Path) -> bytes:
    """An annotation file. Raises ManifestError where it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        what = f"cannot be read ({type(error).__name__})"
        raise ManifestError(path, what, "name an annotation file of the data set") from error


def read_annotation(path: Path) -> str:
    """The text of an annotation file. Raises ManifestError where it is none."""
    try:
        return read_bytes(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ManifestError(path, f"is not text (byte {error.start})", "unpack it first") from error


@dataclass(frozen=True)
class Matched:
    """What was found."""

    files: dict[str, VideoFile] = field(repr=False)
    """By clip id."""
    doubled: tuple[str, ...]
    """Files that are second copies of a clip."""
    strangers: tuple[str, ...]
    """Files that are no listed clip."""


def match(
    clips: Sequence[ListedClip], videos: Iterable[VideoFile], keys_of: Callable[[VideoFile], tuple[str, ...]]
) -> Matched:
    """The file of every clip that has one."""
    index: defaultdict[str, list[VideoFile]] = defaultdict(list)
    listed = list(videos)
    for video in listed:
        for key in (*keys_of(video), f"path {video.path}"):
            index[key].append(video)
    files: dict[str, VideoFile] = {}
    taken: set[VideoFile] = set()
    doubled: set[VideoFile] = set()
    for level in range(max((len(clip.keys) for clip in clips), default=0)):
        placed = {}
        for clip in clips:
            if clip.clip_id not in files and level < len(clip.keys):
                free = [video for video in index.get(clip.keys[level], ()) if video not in taken]
                if free:
                    placed[clip.clip_id], *rest = sorted(free, key=lambda video: _misplaced(video, clip))
                    doubled.update(rest)
        files |= placed
        taken.update(placed.values())
    strangers = [video for video in listed if video not in taken and video not in doubled]
    return Matched(files, _paths(doubled - taken), _paths(strangers))


def _misplaced(video: VideoFile, clip: ListedClip) -> tuple[bool, bool, bool, str]:
    """Sorts first what is readable, in a folder of the clip's class and of its split; then by path."""
    in_class = any(fold(folder) == fold(clip.label) for folder in video.folders)
    in_split = ("train" if clip.split == "train" else "held out") == _kind(video)
    return video.is_empty or video.outside, not in_class, not in_split, str(video.path)


def _kind(video: VideoFile) -> str:
    part = split_of(video)
    return "" if part is None else "train" if part == "train" else "held out"


def _paths(videos: Iterable[VideoFile]) -> tuple[str, ...]:
    return tuple(sorted(str(video.path) for video in videos))
