"""Writes the pool of clips of the synthetic world."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from openmov.data.shapesav.pool import PooledScene, PoolPlan, plan_pool, write_pool
from openmov.data.shapesav.vocabulary import PUBLISHED_SEED, TASKS, Task, base_novel_split, class_names
from openmov.errors import RunFolderError
from openmov.runtime.progress import progress_bar


@dataclass(frozen=True)
class PoolSize:
    """Clips of each class, alike for the motion and the sound task."""

    train_per_class: int = 24
    """Training clips."""
    val_per_class: int = 2
    """Validation clips."""
    test_per_class: int = 8
    """Test clips."""


def write_world(
    folder: Path, size: PoolSize, seed: int, *, workers: int, shown: bool = True, scenes: Task | None = None
) -> int:
    """Writes media files, manifests and vocabularies with `workers` processes; what is complete stays.

    `scenes` is the task of ShapesAV-Scenes: backgrounds go with its classes, and there is a second, swapped test set.
    Returns the number of clips. Raises RunFolderError where the folder holds another pool, or one without a single
    clip is asked for, StorageError.
    """
    plan = dealt(plan_pool(size.train_per_class, size.test_per_class, size.val_per_class, seed, scenes))
    if not plan.clips:
        raise RunFolderError(folder, "would be a pool without clips", "ask for at least one clip a class")
    with progress_bar("writing clips", len(plan.files), shown=shown) as show:
        write_pool(folder, plan, workers, lambda done, total: show(done))
    return len(plan.files)


def dealt(plan: PoolPlan) -> PoolPlan:
    """The same pool with the background families of novel classes dealt among them by a published draw.

    A family's tint goes with the motion (or sound) of its class and its grating with the shape, which a small network
    learns of base classes in few steps. Of a novel class they would then tell the name, though its family was never
    seen, while the family of a novel class is meant to say nothing.
    """
    if plan.scenes is None:
        return plan
    family_of = _dealt_families(plan.scenes)

    def moved(clips: tuple[PooledScene, ...]) -> tuple[PooledScene, ...]:
        return tuple(
            replace(clip, scene=replace(clip.scene, family=family_of.get(clip.scene.family, clip.scene.family)))
            for clip in clips
        )

    return replace(plan, clips=moved(plan.clips), swapped=moved(plan.swapped))


def _dealt_families(task: Task) -> dict[int | None, int]:
    """Of novel classes: a family as planned, to that dealt in its place."""
    novel = frozenset(base_novel_split(task)[1])
    families = [place for place, name in enumerate(class_names(task)) if name in novel]
    drawn = np.random.default_rng([PUBLISHED_SEED, 7, TASKS.index(task)]).permutation(families).tolist()
    return dict(zip(families, drawn, strict=True))
