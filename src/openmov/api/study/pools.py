"""The pools of clips that stand for the data of studies: how large each is, and which of them a call needs.

A pool that has its manifests is whole; studies that do not look at one never write it.
"""

import csv
import io
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from openmov.api.shapesav import PoolSize, write_world
from openmov.api.study.layout import StudyFolders
from openmov.api.world_tasks import POOL_SEED
from openmov.data.shapesav.pool import plan_pool
from openmov.data.shapesav.vocabulary import COLOURS, SHAPES, TASKS, Task, phrase
from openmov.data.split import write_vocabulary
from openmov.runtime.atomic import write_text
from openmov.studies.scale import Scale
from openmov.text.vocabulary import Vocabulary

OTHER_SEED = POOL_SEED + 1
"""Of the other pool, whose names table 4 asks for."""
_CLASSES = 64
SCENES: dict[str, Task] = {"flow": "motion", "audio": "sound"}
"""Task of the pool of ShapesAV-Scenes, by the modality beside the video."""


@dataclass(frozen=True)
class Pool:
    """One folder of clips."""

    folder: Path
    """Where it lies."""
    size: PoolSize
    """Clips of each class."""
    seed: int = POOL_SEED
    """Decides every scene."""
    scenes: Task | None = None
    """The task whose classes have scenes of their own."""
    also: tuple[Literal["colour"], ...] = ()
    """How else its clips are listed: by colour and shape."""

    @property
    def num_clips(self) -> int:
        """Everything that is written."""
        tests = 2 if self.scenes else 1
        size = self.size
        return _CLASSES * (size.train_per_class + size.val_per_class + tests * size.test_per_class)

    @property
    def lists(self) -> frozenset[Path]:
        """Its manifests, written last: what has them is whole."""
        names = TASKS if self.scenes is None else (self.scenes, f"{self.scenes}-swapped")
        return frozenset(self.folder / f"manifest-{name}.csv" for name in (*names, *self.also))

    def write(self, *, workers: int, shown: bool) -> None:
        """What is complete stays. Raises RunFolderError for another pool, StorageError."""
        write_world(self.folder, self.size, self.seed, workers=workers, shown=shown, scenes=self.scenes)
        if "colour" in self.also:
            _write_colours(self)


def pools_of(folders: StudyFolders, scale: Scale) -> tuple[Pool, ...]:
    """All there are at a scale; nothing is written yet."""
    size = PoolSize(scale.train_per_class, scale.val_per_class, scale.test_per_class)
    scenes = PoolSize(scale.scenes_train_per_class, scale.scenes_val_per_class, scale.scenes_test_per_class)
    return (
        Pool(folders.clips, size),
        Pool(folders.others, PoolSize(0, 0, scale.other_per_class), OTHER_SEED, also=("colour",)),
        *(Pool(folders.scenes(task), scenes, scenes=task) for task in SCENES.values()),
    )


def pools_behind(manifests: Collection[Path], folders: StudyFolders, scale: Scale) -> tuple[Pool, ...]:
    """Those that hold these lists of clips."""
    return tuple(pool for pool in pools_of(folders, scale) if not pool.lists.isdisjoint(manifests))


def _write_colours(pool: Pool) -> None:
    """The same clips, asked for colour and shape."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["id", "path", "label", "split"])
    for clip in plan_pool(0, pool.size.test_per_class, 0, pool.seed).clips:
        name = phrase(clip.scene.shape, colour=clip.scene.colour)
        writer.writerow([clip.id, clip.path, name, clip.split])
    names = tuple(phrase(shape, colour=colour) for shape in SHAPES for colour in COLOURS)
    write_vocabulary(pool.folder / "vocabulary-colour.json", Vocabulary((), names))
    write_text(pool.folder / "manifest-colour.csv", text.getvalue())
