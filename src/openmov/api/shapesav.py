"""Writes the pool of clips of the synthetic world."""

from dataclasses import dataclass
from pathlib import Path

from openmov.data.shapesav.pool import plan_pool, write_pool
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


def write_world(folder: Path, size: PoolSize, seed: int, *, workers: int, shown: bool = True) -> int:
    """Writes media files, manifests and vocabularies; what is complete stays. Returns the number of clips."""
    plan = plan_pool(size.train_per_class, size.test_per_class, size.val_per_class, seed)
    with progress_bar("writing clips", len(plan.clips), shown=shown) as show:
        write_pool(folder, plan, workers, lambda done, total: show(done))
    return len(plan.clips)
