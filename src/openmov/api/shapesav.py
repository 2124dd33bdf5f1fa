"""Writes the pool of clips of the synthetic world."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from openmov.data.shapesav.families import NUM_FAMILIES
from openmov.data.shapesav.pool import PooledScene, PoolPlan, plan_pool, write_pool
from openmov.data.shapesav.vocabulary import PUBLISHED_SEED, TASKS, Task
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
    """The same pool with the background families of ShapesAV-Scenes dealt to its classes by a published draw.

    In the order of the classes, all classes of a motion would have one tint and all of a shape one grating: what base
    classes taught of tints would then name the motion of a novel class, whose family is meant to say nothing.
    """
    if plan.scenes is None:
        return plan
    families = np.random.default_rng([PUBLISHED_SEED, 7, TASKS.index(plan.scenes)]).permutation(NUM_FAMILIES).tolist()

    def moved(clips: tuple[PooledScene, ...]) -> tuple[PooledScene, ...]:
        return tuple(replace(clip, scene=replace(clip.scene, family=families[clip.scene.family])) for clip in clips)

    return replace(plan, clips=moved(plan.clips), swapped=moved(plan.swapped))
