"""Data sets with three official splits in class folders: UCF101 and HMDB51. Their lists ship with the package.

The full set is every listed clip, and what else lies in a folder named after a class: HMDB51's lists leave out some
395 of its clips. In the full set every clip is a test clip, for these data sets test what was trained elsewhere.
"""

import hashlib
import lzma
from collections import Counter
from collections.abc import Sequence
from functools import cache, partial
from importlib import resources
from pathlib import Path

from openmov.data.records import Split
from openmov.datasets.benchmark import Benchmark, ClassNames, Layout, ListedClip, Listing, VideoFile, fold
from openmov.datasets.published import all_novel
from openmov.errors import ManifestError
from openmov.text.label_sets import load_label_set


@cache
def official_list(name: str) -> tuple[tuple[str, str], ...]:
    """Both columns of a packaged list: `ucf101`, `hmdb51` or `vggsound-test`."""
    data = (resources.files("openmov.datasets") / "lists" / f"{name}.tsv.xz").read_bytes()
    rows = (line.split("\t") for line in lzma.decompress(data).decode("utf-8").splitlines())
    return tuple((first, second) for first, second in rows)


def list_sha256(name: str) -> tuple[str, str]:
    """Name and SHA-256 of a packaged list, uncompressed."""
    text = "".join(f"{first}\t{second}\n" for first, second in official_list(name))
    return f"{name}, as packaged", hashlib.sha256(text.encode()).hexdigest()


_PART: dict[str, Split | None] = {"0": None, "1": "train", "2": "test"}
NUM_SPLITS = 3


def list_clips(name: str, layout: Layout, annotations: Sequence[Path]) -> Listing:
    """What the packaged list names, and what else lies in class folders.

    Raises ManifestError for annotation files: the official ones are here already.
    """
    if annotations:
        what = f"is not needed: the three official splits of {name} ship with this package"
        raise ManifestError(annotations[0], what, "leave out --annotations")
    rows, names = official_list(name), ClassNames(load_label_set(name))
    folded = Counter(fold(clip.partition("/")[2]) for clip, _ in rows)
    clips = [_clip(clip, parts, names, folded) for clip, parts in rows]
    more = [_unlisted(video, label) for video, label in _beyond(layout, names, clips)]
    notes = (f"{len(more)} clips are in none of the three splits; the full set holds them",) if more else ()
    return Listing((*clips, *more), (list_sha256(name),), notes)


def keys_of_file(video: VideoFile) -> tuple[str, ...]:
    """The name as it is, and what is left of it by tools that replace odd letters."""
    return (f"= {video.stem}", f"~ {fold(video.stem)}")


def _clip(clip: str, parts: str, names: ClassNames, folded: Counter[str]) -> ListedClip:
    folder, _, stem = clip.partition("/")
    loose = (f"~ {fold(stem)}",) if folded[fold(stem)] == 1 else ()  # where it can mean nothing else
    official = tuple(_PART[part] for part in parts)
    return ListedClip(clip, names.labels.readable_of[folder], "test", (f"= {stem}", *loose), None, official)


def _beyond(layout: Layout, names: ClassNames, clips: Sequence[ListedClip]) -> list[tuple[VideoFile, str]]:
    """Videos in class folders that no list names."""
    listed = {key for clip in clips for key in clip.keys}
    strangers = (video for video in layout.videos if listed.isdisjoint(keys_of_file(video)))
    return [(video, label) for video in strangers if (label := names.of_folder(video)) is not None]


def _unlisted(video: VideoFile, label: str) -> ListedClip:
    return ListedClip(str(video.path), label, "test", (f"path {video.path}",), None, (None,) * NUM_SPLITS)


UCF101 = Benchmark(
    name="ucf101",
    title="UCF101",
    expected="class folders ('ApplyEyeMakeup') or flat, files called v_ApplyEyeMakeup_g01_c01.avi",
    vocabulary=partial(all_novel, "ucf101"),
    listing=partial(list_clips, "ucf101"),
    keys_of=keys_of_file,
)


HMDB51 = Benchmark(
    name="hmdb51",
    title="HMDB51",
    expected="class folders ('brush_hair') or flat, files called April_09_brush_hair_u_nm_np1_ba_goo_0.avi",
    vocabulary=partial(all_novel, "hmdb51"),
    listing=partial(list_clips, "hmdb51"),
    keys_of=keys_of_file,
)
