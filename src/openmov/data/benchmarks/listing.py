"""What a data set says it holds: clips with their labels and splits, and the names their files may go by.

Knows nothing of folders.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from openmov.data.benchmarks.layout import Layout, VideoFile, fold
from openmov.data.records import Split
from openmov.errors import ManifestError
from openmov.text.label_sets import LabelSet
from openmov.text.vocabulary import Vocabulary


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
        raise ManifestError(path, f"is no text (byte {error.start})", "unpack it first") from error
