"""Writes the pool of clips of the synthetic world."""

from dataclasses import dataclass
from pathlib import Path

from openmov.data.shapesav.pool import plan_pool, write_pool
from openmov.data.shapesav.vocabulary import Task
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
    plan = plan_pool(size.train_per_class, size.test_per_class, size.val_per_class, seed, scenes)
    if not plan.clips:
        raise RunFolderError(folder, "would be a pool without clips", "ask for at least one clip a class")
    with progress_bar("writing clips", len(plan.files), shown=shown) as show:
        write_pool(folder, plan, workers, lambda done, total: show(done))
    return len(plan.files)
