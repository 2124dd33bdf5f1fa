"""ShapesAV as the data of the studies: two tasks of one pool, and for table 4 another pool with other names.

The first other set asks the 64 names of ShapesAV-Motion again, of new scenes: the 40 that were trained on are among
them, as many names of UCF101 are among those of Kinetics. The second asks for colour and shape ("a red star"): names
none of which was trained on, and of something that training had no reason to keep.
"""

import csv
import io
from pathlib import Path

from openmov.api.shapesav import PoolSize, write_world
from openmov.api.study.layout import StudyFolders
from openmov.api.study.stage import Arm, Clips, Stage
from openmov.api.world_tasks import POOL_SEED
from openmov.data.shapesav.pool import plan_pool
from openmov.data.shapesav.vocabulary import COLOURS, SHAPES, phrase
from openmov.data.split import write_vocabulary
from openmov.runtime.atomic import write_text
from openmov.studies.scale import Scale
from openmov.text.vocabulary import Vocabulary

OTHER_SEED = POOL_SEED + 1
"""Of the other pool."""
LARGER = "shapesav-tiny-wide"
"""The wider tiny CLIP."""
_LAYERS = {3: "1", 6: "2", 9: "3"}
"""The tiny CLIP has 4 layers."""


def world_stage(folders: StudyFolders, scale: Scale, overrides: tuple[str, ...] = ()) -> Stage:
    """What ShapesAV is at a scale; nothing is written yet."""
    every = ("training.keep_epochs=false", f"training.epochs={scale.epochs}", *overrides)
    return Stage(
        title=f"ShapesAV ({scale.name})",
        arms={
            "flow": Arm(_task("Motion", folders.clips), "flow", "shapesav-motion"),
            "audio": Arm(_task("Sound", folders.clips), "audio", "shapesav-sound"),
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


def write_world_of(folders: StudyFolders, scale: Scale, *, workers: int, shown: bool) -> None:
    """Writes both pools and the names; what is complete stays. Raises RunFolderError for another pool, StorageError."""
    size = PoolSize(scale.train_per_class, scale.val_per_class, scale.test_per_class)
    write_world(folders.clips, size, POOL_SEED, workers=workers, shown=shown)
    write_world(folders.others, PoolSize(0, 0, scale.other_per_class), OTHER_SEED, workers=workers, shown=shown)
    _write_colours(folders.others, scale)


def num_clips(scale: Scale) -> int:
    """Clips of both pools together."""
    return 64 * (scale.train_per_class + scale.val_per_class + scale.test_per_class + scale.other_per_class)


def _task(name: str, folder: Path, title: str = "") -> Clips:
    task = name.lower()
    return Clips(title or f"ShapesAV-{name}", folder / f"manifest-{task}.csv", folder / f"vocabulary-{task}.json")


def _write_colours(folder: Path, scale: Scale) -> None:
    """The same clips, asked for colour and shape."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["id", "path", "label", "split"])
    for clip in plan_pool(0, scale.other_per_class, 0, OTHER_SEED).clips:
        name = phrase(clip.scene.shape, colour=clip.scene.colour)
        writer.writerow([clip.id, clip.path, name, clip.split])
    names = tuple(phrase(shape, colour=colour) for shape in SHAPES for colour in COLOURS)
    write_vocabulary(folder / "vocabulary-colour.json", Vocabulary((), names))
    write_text(folder / "manifest-colour.csv", text.getvalue())


_NOTES = (
    "ShapesAV is a synthetic world: ShapesAV-Motion stands in for Kinetics-700 and ShapesAV-Sound for VGGSound, a tiny "
    "CLIP for ViT-B/16 and a wider one for ViT-L/14. The paper's numbers stand beside ours for the pattern, never for "
    "the number.",
    "The wider tiny CLIP names shapes and reads drawn motions as the usual one does, but its pretraining never came to "
    "read the drawn sounds (13.5 % of 8, by chance 12.5; the usual one 99.9): its words for sounds mean less, and "
    "table 3's columns with sound are to be read with that in mind.",
    "In ShapesAV-Sound a class is a shape and a sound, and nothing heard tells the shape: sound alone can be right, at "
    "best, in one of 8 cases among all 64 names, about one of 5 among the base and one of 3 among the novel ones.",
    "In table 4 ShapesAV-Motion's base classes are trained on. For UCF101 stand ShapesAV-Motion's 64 names asked of "
    "new scenes, 40 of which were trained on (UCF101 shares names with Kinetics too); for HMDB51 stand 48 names of "
    "colour and shape, none of which was.",
)
