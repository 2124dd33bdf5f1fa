"""ShapesAV, the synthetic world: its pool of clips as one more data set, a task being which label is asked.

The pool's own manifest is the annotation, its own vocabulary the split.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from openmov.data.manifest import load_manifest
from openmov.datasets.benchmark import Benchmark, Layout, ListedClip, Listing, VideoFile, sha256_of
from openmov.errors import ManifestError
from openmov.shapesav.vocabulary import Task
from openmov.text.vocabulary import Vocabulary, load_vocabulary


def shapesav(task: Task) -> Benchmark:
    """One task of the world."""
    write = "openmov shapesav write"
    return _benchmark(task, f"shapesav-{task}", f"ShapesAV-{task.capitalize()}", f"manifest-{task}.csv", write)


def shapesav_scenes(task: Task, *, swapped: bool = False) -> Benchmark:
    """One task of the world in which scenes go with classes: whole, or its test clips with the scenes swapped."""
    end, also = ("-swapped", ", scenes swapped") if swapped else ("", "")
    name, title = f"shapesav-scenes-{task}{end}", f"ShapesAV-Scenes, {task}{also}"
    return _benchmark(task, name, title, f"manifest-{task}{end}.csv", f"openmov shapesav write --scenes {task}")


def _benchmark(task: Task, name: str, title: str, manifest: str, write: str) -> Benchmark:
    return Benchmark(
        name=name,
        title=title,
        expected=f"a folder written by {write}",
        vocabulary=partial(_vocabulary, task),
        listing=partial(_listing, manifest, write),
        keys_of=_keys_of_file,
    )


def _vocabulary(task: Task, folder: Path) -> Vocabulary:
    return load_vocabulary(folder / f"vocabulary-{task}.json")


def _keys_of_file(video: VideoFile) -> tuple[str, ...]:
    return (video.path.with_suffix("").as_posix(),)


def _listing(manifest: str, write: str, layout: Layout, annotations: Sequence[Path]) -> Listing:
    if annotations:
        raise ManifestError(annotations[0], "is not needed: a pool has its own manifest", "leave out --annotations")
    path = layout.folder / manifest
    if not path.is_file():
        what = f"is not a pool of ShapesAV: found {layout.found()}, expected {manifest}"
        raise ManifestError(layout.folder, what, f"write one with {write}")
    records = load_manifest(path, check_files=False).records
    clips = tuple(ListedClip(one.video_id, one.label or "", one.split, (one.video_id,)) for one in records)
    return Listing(clips, (sha256_of(path),))
