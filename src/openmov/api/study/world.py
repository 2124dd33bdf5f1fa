"""ShapesAV as the data of the studies: its tasks as sides of the paper, other names for table 4, sides of our own.

The first other set asks the 64 names of ShapesAV-Motion again, of new scenes: the 40 that were trained on are among
them, as many names of UCF101 are among those of Kinetics. The second asks for colour and shape ("a red star"): names
none of which was trained on, and of something that training had no reason to keep.

Beyond the paper, ShapesAV-Scenes stands beside either side, with a second, swapped test; and ShapesAV-Both asks the
pool of the two sides for shape, motion and sound at once.
"""

from pathlib import Path

from openmov.api.study.layout import StudyFolders
from openmov.api.study.pools import SCENES
from openmov.api.study.stage import Arm, Clips, Stage, StageNote
from openmov.data.shapesav.vocabulary import MOTIONS, SHAPES, SOUNDS, phrase
from openmov.studies.scale import Scale

LARGER = "shapesav-tiny-wide"
"""The wider tiny CLIP."""
UNDER_OWN = ("baselines.prompts=null", "video.num_frames=8")
"""What stays the recipe's where authors' values are asked for: the tiny CLIP does not know the words of ActionCLIP's
templates, and a clip of two seconds has no 32 frames."""
UNDER_OWN_SAID = (
    "ActionCLIP keeps the templates of the other methods, whose words the tiny CLIP knows, and ViFi-CLIP their 8 "
    "frames: a clip of two seconds has no 32."
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


def world_stage(folders: StudyFolders, scale: Scale, overrides: tuple[str, ...] = ()) -> Stage:
    """What ShapesAV is at a scale; nothing is written yet."""
    of_a_class = scale.train_per_class, scale.val_per_class, scale.test_per_class
    every = ("training.keep_epochs=false", f"training.epochs={scale.epochs}", *overrides)
    return Stage(
        title=f"ShapesAV ({scale.name})",
        arms={
            **{extra: _side(extra, task, folders, of_a_class) for extra, task in _SIDES.items()},
            "both": Arm(_task("Both", folders.clips), "", "shapesav-both", per_class=of_a_class),
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


def _side(extra: str, task: str, folders: StudyFolders, of_a_class: tuple[int, int, int]) -> Arm:
    """One side of the paper."""
    return Arm(_task(task, folders.clips), extra, _RECIPES[extra], per_class=of_a_class, parts=_PARTS[extra])


def _with_scenes(extra: str, folders: StudyFolders, scale: Scale) -> Arm:
    """One task of ShapesAV-Scenes, and its test clips with the scenes swapped."""
    task = SCENES[extra]
    folder, title = folders.scenes(task), f"ShapesAV-Scenes, {task}"
    clips = Clips(title, folder / f"manifest-{task}.csv", folder / f"vocabulary-{task}.json")
    swapped = Clips(f"{title}, swapped", folder / f"manifest-{task}-swapped.csv", clips.vocabulary)
    of_a_class = scale.scenes_train_per_class, scale.scenes_val_per_class, scale.scenes_test_per_class
    return Arm(clips, extra, _RECIPES[extra], {"swapped": swapped}, of_a_class)


def _task(name: str, folder: Path, title: str = "") -> Clips:
    task = name.lower()
    return Clips(title or f"ShapesAV-{name}", folder / f"manifest-{task}.csv", folder / f"vocabulary-{task}.json")


_NOTES = (
    StageNote(
        "ShapesAV is a synthetic world: ShapesAV-Motion stands in for Kinetics-700 and ShapesAV-Sound for VGGSound, a "
        "tiny CLIP for ViT-B/16 and a wider one for ViT-L/14. The paper's numbers stand beside ours for the pattern, "
        "never for the number."
    ),
    StageNote(
        "In ShapesAV-Sound a class is a shape and a sound, and nothing heard tells the shape: sound alone can be "
        "right, at best, in one of 8 cases among all 64 names, about one of 5 among the base and one of 3 among the "
        "novel ones."
    ),
    StageNote(
        "In table 4 ShapesAV-Motion's base classes are trained on. For UCF101 stand ShapesAV-Motion's 64 names asked "
        "of new scenes, 40 of which were trained on (UCF101 shares names with Kinetics too); for HMDB51 stand 48 names "
        "of colour and shape, none of which was.",
        frozenset({"table4"}),
    ),
)
