"""JHMDB: 928 clips of 21 actions, a part of HMDB51 (Jhuang et al., ICCV 2013), with three official splits.

The videos (`ReCompress_Videos`, `Rec_JHMDB`) lie in a folder a class. The splits are files of their own, where the user
has them: `brush_hair_test_split1.txt` ..., a clip and 1 (training) or 2 (test) a line. Without them all are test clips.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from openmov.data.records import Split
from openmov.datasets.benchmark import Benchmark, ClassNames, Layout, ListedClip, Listing, read_annotation, sha256_of
from openmov.errors import ManifestError
from openmov.text.label_sets import load_label_set
from openmov.text.vocabulary import Vocabulary

_NAMES = load_label_set("jhmdb")
_SPLIT_FILE = re.compile(r"(.+)_test_split([123])\.txt")
_PARTS: dict[str, Split | None] = {"0": None, "1": "train", "2": "test"}


def _listing(layout: Layout, annotations: Sequence[Path]) -> Listing:
    """Every video in a class folder, with its part in each split that is given."""
    names = ClassNames(_NAMES)
    parts = _official_parts(annotations)
    clips = []
    for video in layout.videos:
        label = names.of_folder(video)
        if label is not None:
            official = tuple(parts.get((number, video.stem)) for number in (1, 2, 3)) if parts else ()
            key = (f"path {video.path}",)
            clips.append(ListedClip(str(video.path), label, "test", key, official_splits=official))
    notes = () if parts else ("no official split was given (--annotations): every clip is a test clip",)
    sources = tuple(map(sha256_of, annotations)) or (("class folders", ""),)
    return Listing(tuple(clips), sources, notes, complete=False)


def _official_parts(annotations: Sequence[Path]) -> dict[tuple[int, str], Split | None]:
    """By split and clip. Raises ManifestError for a file that is no split of JHMDB, naming the line."""
    parts: dict[tuple[int, str], Split | None] = {}
    for path in annotations:
        named = _SPLIT_FILE.fullmatch(path.name)
        if named is None or named[1] not in _NAMES.original:
            what = "is not a split of JHMDB"
            raise ManifestError(path, what, "expected files such as brush_hair_test_split1.txt")
        for number, line in enumerate(read_annotation(path).splitlines(), start=1):
            name, _, part = line.strip().rpartition(" ")
            if line.strip() and (not name or part not in _PARTS):
                raise ManifestError(path, f"line {number} is not a clip and 0, 1 or 2", "fetch the splits anew")
            if line.strip():
                parts[int(named[2]), Path(name.strip()).stem] = _PARTS[part]
    return parts


JHMDB = Benchmark(
    name="jhmdb",
    title="JHMDB",
    expected="class folders ('brush_hair') of .avi files",
    vocabulary=lambda folder: Vocabulary((), _NAMES.readable),
    listing=_listing,
    keys_of=lambda video: (),
)
