"""The videos that lie in a folder, whatever its layout: class folders, split folders, flat, links to other folders.

Knows nothing of what the files should be called.
"""

import os
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from openmov.data.records import Split
from openmov.errors import ManifestError

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
        raise ManifestError(folder, "is no folder", "name the folder that holds the videos")
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
