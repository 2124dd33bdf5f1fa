"""ShapesAV as the data of the studies: its tasks as sides of the paper, other names for table 4, tracks of our own.

The first other set asks the 64 names of ShapesAV-Motion again, of new scenes: the 40 that were trained on are among
them, as many names of UCF101 are among those of Kinetics. The second asks for colour and shape ("a red star"): names
none of which was trained on, and of something that training had no reason to keep.

Beyond the paper, ShapesAV-Scenes stands beside either side, with a second, swapped test; and ShapesAV-Both asks the
pool of the two sides for shape, motion and sound at once.

A pool of clips that has its manifests is whole; studies that do not look at one never write it.
"""

import csv
import io
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from openmov.data.split import write_vocabulary
from openmov.experiments.data import Clips, DataNote, StudyData, Track
from openmov.experiments.folders import StudyFolders
from openmov.experiments.scale import Scale
from openmov.runtime.atomic import write_text
from openmov.shapesav.pool import PoolSize, plan_pool, write_world
from openmov.shapesav.vocabulary import COLOURS, MOTIONS, SHAPES, SOUNDS, TASKS, Task, phrase
from openmov.text.vocabulary import Vocabulary

POOL_SEED = 2026
"""Of the pool whose clips are trained on."""
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


LARGER = "shapesav-tiny-wide"
"""The wider tiny CLIP."""
UNDER_OWN = ("baselines.prompts=null", "video.num_frames=8")
"""What stays the recipe's where authors' values are asked for: the tiny CLIP does not know the words of ActionCLIP's
templates, and a clip of two seconds has no 32 frames."""
UNDER_OWN_SAID = (
    "ActionCLIP and X-CLIP keep the templates of the other methods, whose words the tiny CLIP knows, and X-CLIP and "
    "ViFi-CLIP their 8 frames: a clip of two seconds has no 32."
)
_LAYERS = {3: "1", 6: "2", 9: "3"}
"""The tiny CLIP has 4 layers."""
_SIDES = {"flow": "Motion", "audio": "Sound"}
_PARTS = {
    "flow": {phrase(shape, motion=motion): motion for shape in SHAPES for motion in MOTIONS},
    "audio": {phrase(shape, sound=sound): sound for shape in SHAPES for sound in SOUNDS},
}
"""What flow and sound can tell of a name: neither shows the colour, and nothing heard tells the shape."""
_RECIPES = {"flow": "shapesav-motion", "audio": "shapesav-sound"}


def world_data(folders: StudyFolders, scale: Scale, overrides: tuple[str, ...] = ()) -> StudyData:
    """What ShapesAV is at a scale; nothing is written yet."""
    of_a_class = scale.train_per_class, scale.val_per_class, scale.test_per_class
    every = ("training.keep_epochs=false", f"training.epochs={scale.epochs}", *overrides)
    return StudyData(
        title=f"ShapesAV ({scale.name})",
        tracks={
            **{extra: _side(extra, task, folders, of_a_class) for extra, task in _SIDES.items()},
            "both": Track(_task("Both", folders.clips), "", "shapesav-both", per_class=of_a_class),
            **{f"scenes_{extra}": _with_scenes(extra, folders, scale) for extra in SCENES},
        },
        targets={
            "first": _task("Motion", folders.others, "ShapesAV-Motion, new scenes"),
            "second": _task("Colour", folders.others, "ShapesAV-Colour, new scenes"),
        },
        cache=folders.work / "cache",
        larger=LARGER,
        overrides=every,
        layers=_LAYERS,
        seeds=scale.seeds,
        scale=scale,
        notes=_NOTES,
        named="--data shapesav" + (" --quick" if scale.name == "quick" else ""),
    )


def _side(extra: str, task: str, folders: StudyFolders, of_a_class: tuple[int, int, int]) -> Track:
    """One side of the paper."""
    return Track(_task(task, folders.clips), extra, _RECIPES[extra], per_class=of_a_class, parts=_PARTS[extra])


def _with_scenes(extra: str, folders: StudyFolders, scale: Scale) -> Track:
    """One task of ShapesAV-Scenes, and its test clips with the scenes swapped."""
    task = SCENES[extra]
    folder, title = folders.scenes(task), f"ShapesAV-Scenes, {task}"
    clips = Clips(title, folder / f"manifest-{task}.csv", folder / f"vocabulary-{task}.json")
    swapped = Clips(f"{title}, swapped", folder / f"manifest-{task}-swapped.csv", clips.vocabulary)
    of_a_class = scale.scenes_train_per_class, scale.scenes_val_per_class, scale.scenes_test_per_class
    return Track(clips, extra, _RECIPES[extra], {"swapped": swapped}, of_a_class)


def _task(name: str, folder: Path, title: str = "") -> Clips:
    task = name.lower()
    return Clips(title or f"ShapesAV-{name}", folder / f"manifest-{task}.csv", folder / f"vocabulary-{task}.json")


_NOTES = (
    DataNote(
        "ShapesAV is a synthetic world: ShapesAV-Motion stands in for Kinetics-700 and ShapesAV-Sound for VGGSound, a "
        "tiny CLIP for ViT-B/16 and a wider one for ViT-L/14. The paper's numbers stand beside ours for the pattern, "
        "never for the number."
    ),
    DataNote(
        "In ShapesAV-Sound a class is a shape and a sound, and nothing heard tells the shape: sound alone can be "
        "right, at best, in one of 8 cases among all 64 names, about one of 5 among the base and one of 3 among the "
        "novel ones."
    ),
    DataNote(
        "In table 4 ShapesAV-Motion's base classes are trained on. For UCF101 stand ShapesAV-Motion's 64 names asked "
        "of new scenes, 40 of which were trained on (UCF101 shares names with Kinetics too); for HMDB51 stand 48 names "
        "of colour and shape, none of which was.",
        frozenset({"table4"}),
    ),
)
