"""Background families of ShapesAV-Scenes: what a place looks like, and which class's clips are taken where.

    family k   a tint and a grating of its own over the world's patches and grain; the place of base class k, while
               those of novel classes are dealt among them by a published draw (decision 39)
    training, validation, ordinary test   80 % of a class's clips lie in its own family, the others in families of
                                          other classes of its role (base or novel)
    swapped test   the clips of the ordinary test, each in a family of another class of its role

So the families of novel classes are never seen in training and nothing about them tells a name, and of a base clip
the place alone tells the class in four cases of five. Shape, motion, sound, colour and pose of every clip are those of
the plain world. Knows nothing of files.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float64

from openmov.shapesav.scene import SIZE_PX, Scene
from openmov.shapesav.vocabulary import PUBLISHED_SEED, TASKS, Task, base_novel_split, class_names, label

OWN_SHARE = 0.8
"""Of a class's clips in its own family, rounded to whole clips."""

_TINTS, _ORIENTATIONS = 8, 4
_TINT, _GRATING = 20.0, 10.0
"""Strength of the tint and of the grating, in grey levels: the tiny CLIP, which never saw a family, still names 93 % of
the shapes (plain world: over 99 %; at 32 and 24: 57 %)."""
_WAVELENGTHS_PX = (14.0, 6.5)
NUM_FAMILIES = _TINTS * _ORIENTATIONS * len(_WAVELENGTHS_PX)


def family_pattern(family: int, rng: np.random.Generator) -> Float64[np.ndarray, "height width 3"]:
    """What a family adds to a backdrop, in grey levels; where its grating begins is drawn from `rng`.

    Raises ValueError for a family that is none.
    """
    if not 0 <= family < NUM_FAMILIES:
        raise ValueError(f"there are background families 0 to {NUM_FAMILIES - 1}, not {family}")
    kind, tint = divmod(family, _TINTS)
    wavelength, orientation = divmod(kind, _ORIENTATIONS)
    hue = 2 * np.pi * tint / _TINTS
    colour = _TINT * np.cos(hue - np.array([0, 2, 4]) * np.pi / 3)
    angle, (x, y) = np.pi * orientation / _ORIENTATIONS, np.meshgrid(np.arange(SIZE_PX), np.arange(SIZE_PX))
    along = (x * np.cos(angle) + y * np.sin(angle)) / _WAVELENGTHS_PX[wavelength]
    grating = _GRATING * np.sin(2 * np.pi * (along + rng.uniform()))
    return np.asarray(grating[..., None] + colour)


def placed(task: Task, scenes: Sequence[Scene], rng: np.random.Generator) -> list[Scene]:
    """The same scenes in families: of each class round(80 %) in its own, the rest in others of its role."""
    number, mates = _classes(task)
    names = [label(task, scene.shape, scene.motion, scene.sound) for scene in scenes]
    families = [number[name] for name in names]
    for name in number:
        clips = [place for place, found in enumerate(names) if found == name]
        away = rng.permutation(clips)[round(OWN_SHARE * len(clips)) :].tolist()
        for place, family in zip(away, rng.choice(mates[name], len(away)).tolist(), strict=True):
            families[place] = family
    return _in_families(scenes, families)


def swapped(task: Task, scenes: Sequence[Scene], rng: np.random.Generator) -> list[Scene]:
    """The same scenes, each in the family of another class of its role."""
    _, mates = _classes(task)
    names = [label(task, scene.shape, scene.motion, scene.sound) for scene in scenes]
    return _in_families(scenes, [int(rng.choice(mates[name])) for name in names])


def families_of(task: Task) -> dict[str, int]:
    """The family of each class. Raises ValueError for a task with more classes than families.

    In the order of the classes a tint goes with a motion (or sound) and a grating with a shape, which base classes
    teach in few steps. Were it so of novel classes too, a place never seen would name them: theirs are dealt by a draw.
    """
    names = class_names(task)
    if len(names) > NUM_FAMILIES:
        raise ValueError(f"{len(names)} classes of the task {task} are more than {NUM_FAMILIES} background families")
    family = {name: place for place, name in enumerate(names)}
    novel = [name for name in names if name in base_novel_split(task)[1]]
    rng = np.random.default_rng([PUBLISHED_SEED, 7, TASKS.index(task)])
    drawn = rng.permutation([family[name] for name in novel]).tolist()
    return family | dict(zip(novel, drawn, strict=True))


def _in_families(scenes: Sequence[Scene], families: Sequence[int]) -> list[Scene]:
    return [replace(scene, family=family) for scene, family in zip(scenes, families, strict=True)]


def _classes(task: Task) -> tuple[dict[str, int], dict[str, list[int]]]:
    """The family of each class; and the families of the other classes of its role.

    Raises ValueError for a task with more classes than families.
    """
    roles, number = base_novel_split(task), families_of(task)
    mates = {name: [number[mate] for mate in role if mate != name] for role in roles for name in role}
    return number, mates
