"""The pool of clips on disk: one set of media files, and for each task a manifest and a base / novel split.

    plan_pool(...) -> which scene is which file        (pure; every task's classes occur equally often)
    write_pool(...) -> test/000123.mp4 ..., manifest-motion.csv, vocabulary-motion.json ..., pool.json
    with scenes    -> swapped/000123.mp4 ..., manifest-motion-swapped.csv too, for the task that has them

A file exists if and only if it is complete, so an interrupted pool is finished by writing it again. The manifests come
last: a pool that has them is whole. Manifests list the clips of novel classes too: which are trained on, the vocabulary
beside them says.
"""

import csv
import io
import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Literal

import numpy as np

from openmov.errors import OpenMovError, RunFolderError
from openmov.media.encode import write_clip
from openmov.runtime.atomic import write_text
from openmov.runtime.interrupts import leave_to_parent
from openmov.runtime.progress import progress_bar
from openmov.shapesav.families import placed, swapped
from openmov.shapesav.render import render_frames
from openmov.shapesav.scene import RATE_FPS, RATE_HZ, WORLD_VERSION, Scene
from openmov.shapesav.sound import render_waveform
from openmov.shapesav.vocabulary import (
    COLOURS,
    MOTIONS,
    PUBLISHED_SEED,
    SHAPES,
    SOUNDS,
    TASKS,
    Task,
    base_novel_split,
    label,
)

Split = Literal["train", "val", "test"]

_SPLITS: tuple[Split, ...] = ("train", "val", "test")
_GENERATOR = f"openmov.data.shapesav version {WORLD_VERSION}"
_FAMILIES = "those of novel classes dealt by a draw"
"""In `pool.json` of ShapesAV-Scenes: an older pool, of families in the order of the classes, is another one."""


@dataclass(frozen=True)
class PooledScene:
    """One clip of the pool."""

    id: str
    """Its name in manifests: `train/000123`."""
    split: Split
    """Trained on, kept to choose the best epoch by, or tested on."""
    scene: Scene
    """What it shows."""

    @property
    def path(self) -> str:
        """Where it lies, relative to the pool's folder."""
        return f"{self.id}.mp4"


@dataclass(frozen=True)
class PoolSize:
    """Clips of each class, alike for the motion and the sound task."""

    train_per_class: int = 24
    """Training clips."""
    val_per_class: int = 2
    """Validation clips."""
    test_per_class: int = 8
    """Test clips."""


@dataclass(frozen=True)
class PoolPlan:
    """All clips of a pool."""

    seed: int
    """Decides every scene."""
    train_per_class: int
    """Training clips of each (shape, motion) and of each (shape, sound)."""
    validation_per_class: int
    """The same for validation; these are in addition."""
    test_per_class: int
    """The same for testing."""
    clips: tuple[PooledScene, ...]
    """In the order of the manifests."""
    scenes: Task | None = None
    """The task whose classes have background families (ShapesAV-Scenes); None for the plain world of all tasks."""
    swapped: tuple[PooledScene, ...] = ()
    """With scenes: the test clips once more, in families of other classes."""

    @property
    def tasks(self) -> tuple[Task, ...]:
        """Those it has manifests for."""
        return TASKS if self.scenes is None else (self.scenes,)

    @property
    def files(self) -> tuple[PooledScene, ...]:
        """Everything that is rendered."""
        return self.clips + self.swapped


def plan_pool(
    train_per_class: int, test_per_class: int, validation_per_class: int, seed: int, scenes: Task | None = None
) -> PoolPlan:
    """Chooses the scenes. In each split every (shape, motion) and every (shape, sound) occurs exactly the asked times.

    Each of the three splits draws from its own stream, so more training clips leave the test clips as they were.
    `scenes` is a task whose classes have background families; all else of a clip is as in the plain pool. Raises
    ValueError for counts below 0 and for a task with more classes than there are families.
    """
    counts = {"train": train_per_class, "val": validation_per_class, "test": test_per_class}
    for name, count in counts.items():
        if count < 0:
            raise ValueError(f"{name} clips per class: {count} is below 0")
    parts = {split: _plan_split(split, counts[split], seed) for split in _SPLITS}
    again: list[PooledScene] = []
    if scenes is not None:
        shown = [clip.scene for clip in parts["test"]]
        others = swapped(scenes, shown, np.random.default_rng([seed, 6]))
        again = [PooledScene(f"swapped/{place:06d}", "test", scene) for place, scene in enumerate(others)]
        parts = {split: _placed(scenes, clips, split, seed) for split, clips in parts.items()}
    clips = tuple(clip for split in _SPLITS for clip in parts[split])
    return PoolPlan(seed, train_per_class, validation_per_class, test_per_class, clips, scenes, tuple(again))


def write_pool(
    folder: Path, plan: PoolPlan, workers: int = 1, progress: Callable[[int, int], None] | None = None
) -> None:
    """Writes the media files that are not there yet, in `workers` processes, then manifests and vocabularies.

    `progress(done, total)` is called after every file. Raises RunFolderError where the folder holds another pool,
    StorageError where it cannot be written.
    """
    _claim(folder, plan)
    report = progress or (lambda done, total: None)
    missing = [clip for clip in plan.files if not (folder / clip.path).exists()]
    done, total = len(plan.files) - len(missing), len(plan.files)
    report(done, total)
    for count in _written(folder, missing, workers):
        done += count
        report(done, total)
    for task in plan.tasks:
        write_text(folder / f"vocabulary-{task}.json", _vocabulary(task))
        if plan.swapped:
            write_text(folder / f"manifest-{task}-swapped.csv", _manifest(task, plan.swapped))
        write_text(folder / f"manifest-{task}.csv", _manifest(task, plan.clips))


def write_world(
    folder: Path, size: PoolSize, seed: int, *, workers: int, shown: bool = True, scenes: Task | None = None
) -> int:
    """Writes media files, manifests and vocabularies with `workers` processes; what is complete stays.

    `scenes` is the task of ShapesAV-Scenes: backgrounds go with its classes, and there is a second, swapped test set.
    Returns the number of clips. Raises RunFolderError where the folder holds another pool, or one without a single
    clip is asked for, StorageError.
    """
    plan = plan_pool(size.train_per_class, size.test_per_class, size.val_per_class, seed, scenes)
    if not plan.clips:
        raise RunFolderError(folder, "would be a pool without clips", "ask for at least one clip a class")
    with progress_bar("writing clips", len(plan.files), shown=shown) as show:
        write_pool(folder, plan, workers, lambda done, total: show(done))
    return len(plan.files)


def write_scene(folder: Path, clip: PooledScene) -> None:
    """Renders one clip into its file: H.264 pictures and AAC sound."""
    write_clip(folder / clip.path, render_frames(clip.scene), RATE_FPS, render_waveform(clip.scene), RATE_HZ)


def _plan_split(split: Split, per_class: int, seed: int) -> list[PooledScene]:
    rng = np.random.default_rng([seed, _SPLITS.index(split)])
    scenes = [
        Scene(shape, str(rng.choice(COLOURS)), motion, sound, int(rng.integers(2**62)))
        for shape in SHAPES
        for motion, sound in _couples(per_class, rng)
    ]
    order = rng.permutation(len(scenes)).tolist()  # so that any stretch of files is a mixture
    return [PooledScene(f"{split}/{place:06d}", split, scenes[i]) for place, i in enumerate(order)]


def _placed(task: Task, clips: list[PooledScene], split: Split, seed: int) -> list[PooledScene]:
    rng = np.random.default_rng([seed, 5, _SPLITS.index(split)])
    scenes = placed(task, [clip.scene for clip in clips], rng)
    return [replace(clip, scene=scene) for clip, scene in zip(clips, scenes, strict=True)]


def _couples(per_class: int, rng: np.random.Generator) -> list[tuple[str, str]]:
    """`per_class` rounds, each pairing the 8 motions with the 8 sounds one to one; 8 rounds make every pair once."""
    couples = []
    for round_ in range(per_class):
        if round_ % 8 == 0:
            sounds, offsets = rng.permutation(SOUNDS), rng.permutation(8)
        shift = int(offsets[round_ % 8])
        couples += [(motion, str(sounds[(i + shift) % 8])) for i, motion in enumerate(MOTIONS)]
    return couples


def _claim(folder: Path, plan: PoolPlan) -> None:
    """Writes `pool.json`, or checks that it is this very pool's."""
    path = folder / "pool.json"
    counts = {"train": plan.train_per_class, "val": plan.validation_per_class, "test": plan.test_per_class}
    facts: dict[str, Any] = {"generator": _GENERATOR, "seed": plan.seed, "clips_per_class": counts}
    if plan.scenes is not None:
        facts |= {"scenes": plan.scenes, "families": _FAMILIES}
    text = json.dumps(facts, indent=2) + "\n"
    if not path.exists():
        _refuse_foreign(folder)
        write_text(path, text)
    elif path.read_text(encoding="utf-8", errors="replace") != text:
        raise RunFolderError(folder, "holds another pool of clips", "choose another folder, or delete this one")


def _refuse_foreign(folder: Path) -> None:
    """A kill while `pool.json` was being written leaves only its temporary, which is hidden."""
    found = sorted(one.name for one in folder.iterdir() if not one.name.startswith(".")) if folder.is_dir() else []
    if found:
        shown = ", ".join(found[:3]) + (" ..." if len(found) > 3 else "")
        raise RunFolderError(folder, f"holds other files ({shown})", "choose another folder, or an empty one")


def _written(folder: Path, clips: list[PooledScene], workers: int) -> Iterator[int]:
    """Writes the clips; yields 1 for each."""
    write = partial(write_scene, folder)
    if workers <= 1:
        for clip in clips:
            write(clip)
            yield 1
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=leave_to_parent) as processes:
        try:
            for _ in processes.map(write, clips, chunksize=8):
                yield 1
        except BrokenProcessPool as error:
            what = "a process that writes clips was ended by the system"
            raise OpenMovError(folder, what, "give more memory or lower --workers, and run it again") from error
        finally:
            processes.shutdown(cancel_futures=True)


def _manifest(task: Task, clips: Sequence[PooledScene]) -> str:
    """CSV of id, path, label, split; paths relative to the manifest's folder."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["id", "path", "label", "split"])
    for clip in clips:
        name = label(task, clip.scene.shape, clip.scene.motion, clip.scene.sound)
        writer.writerow([clip.id, clip.path, name, clip.split])
    return text.getvalue()


def _vocabulary(task: Task) -> str:
    """JSON of the task's base and novel classes by the published split."""
    base, novel = base_novel_split(task, PUBLISHED_SEED)
    fields = {
        "name": f"shapesav-{task}",
        "base": base,
        "novel": novel,
        "prompts": "kinetics700",
        "seed": PUBLISHED_SEED,
        "generator": _GENERATOR,
    }
    return json.dumps(fields, indent=2) + "\n"
