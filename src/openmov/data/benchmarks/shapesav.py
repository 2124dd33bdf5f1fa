"""ShapesAV, the synthetic world: its pool of clips as one more data set, a task being which label is asked.

The pool's own manifest is the annotation, its own vocabulary the split.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from openmov.data.benchmarks.layout import Layout, VideoFile
from openmov.data.benchmarks.listing import Benchmark, ListedClip, Listing, sha256_of
from openmov.data.manifest import load_manifest
from openmov.data.shapesav.vocabulary import Task
from openmov.errors import ManifestError
from openmov.text.vocabulary import Vocabulary, load_vocabulary


def shapesav(task: Task) -> Benchmark:
    """One task of the world."""
    return Benchmark(
        name=f"shapesav-{task}",
        title=f"ShapesAV-{task.capitalize()}",
        expected="a folder written by openmov shapesav write",
        vocabulary=partial(_vocabulary, task),
        listing=partial(_listing, task),
        keys_of=_keys_of_file,
    )


def _vocabulary(task: Task, folder: Path) -> Vocabulary:
    return load_vocabulary(folder / f"vocabulary-{task}.json")


def _keys_of_file(video: VideoFile) -> tuple[str, ...]:
    return (video.path.with_suffix("").as_posix(),)


def _listing(task: Task, layout: Layout, annotations: Sequence[Path]) -> Listing:
    if annotations:
        raise ManifestError(annotations[0], "is not needed: a pool has its own manifest", "leave out --annotations")
    path = layout.folder / f"manifest-{task}.csv"
    if not path.is_file():
        what = f"is no pool of ShapesAV: found {layout.found()}, expected manifest-{task}.csv"
        raise ManifestError(layout.folder, what, "write one with openmov shapesav write")
    records = load_manifest(path, check_files=False).records
    clips = tuple(ListedClip(one.video_id, one.label or "", one.split, (one.video_id,)) for one in records)
    return Listing(clips, (sha256_of(path),))
