"""A data set from outside: folders called `k=CLASS`, and a text file that says which clips are for testing.

A data set is a `Benchmark`: its class names, what there should be by its lists, and what a file may be found by. Which
files are there, which are broken, the manifest, the vocabulary and the account of it are the library's.
"""

from collections.abc import Sequence
from pathlib import Path

from openmov import DATASETS, Benchmark, Layout, ListedClip, Listing, ManifestError, VideoFile, Vocabulary

TEST_LIST = "testlist.txt"


def class_names(folder: Path) -> Vocabulary:
    """The folders' names; every second class is novel."""
    names = sorted(path.name.removeprefix("k=") for path in folder.iterdir() if path.name.startswith("k="))
    return Vocabulary(tuple(names[::2]), tuple(names[1::2]))


def list_clips(layout: Layout, annotations: Sequence[Path]) -> Listing:
    """Every clip in a class folder; those of the list are for testing, the others for training."""
    if not annotations:
        raise ManifestError(layout.folder, f"needs its {TEST_LIST}", f"give it with --annotations {TEST_LIST}")
    test = set(annotations[0].read_text().split())
    clips = tuple(
        ListedClip(
            clip_id=video.path.with_suffix("").as_posix(),
            label=video.folders[0].removeprefix("k="),
            split="test" if video.stem in test else "train",
            keys=(video.stem,),
        )
        for video in layout.videos
    )
    return Listing(clips, ((annotations[0].name, "given"),))


def keys_of(video: VideoFile) -> tuple[str, ...]:
    """A file is found by its name without the suffix."""
    return (video.stem,)


FOLDERS = Benchmark(
    name="k-folders",
    title="K-Folders",
    expected="folders called k=CLASS",
    vocabulary=class_names,
    listing=list_clips,
    keys_of=keys_of,
)


def register() -> None:
    """What an installed package does with an entry point in the group `openmov.datasets`."""
    DATASETS.register("k-folders", FOLDERS)
