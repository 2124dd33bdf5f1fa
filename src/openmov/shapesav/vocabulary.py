"""The words of the world: shapes, colours, motions, sounds, and the classes each task makes of them.

A task is which label is asked of the same scenes: the motion, the sound or both. Knows nothing of pixels or samples.
"""

from itertools import product
from typing import Literal

import numpy as np

Task = Literal["motion", "sound", "both"]

TASKS: tuple[Task, ...] = ("motion", "sound", "both")
SHAPES = ("circle", "square", "triangle", "star", "cross", "ring", "diamond", "heart")
COLOURS = ("red", "green", "blue", "yellow", "purple", "orange")
MOTIONS = (
    "moving left",
    "moving right",
    "moving up",
    "moving down",
    "growing",
    "shrinking",
    "spinning",
    "shaking",
)
SOUNDS = (
    "a low tone",
    "a high tone",
    "a rising tone",
    "a falling tone",
    "noise",
    "a beeping sound",
    "a buzzing sound",
    "a clicking sound",
)

NUM_BASE: dict[Task, int] = {"motion": 40, "sound": 40, "both": 320}
"""How many of a task's classes are base."""

PUBLISHED_SEED = 2026
"""The seed of the base / novel splits that results are reported on."""


def phrase(shape: str, motion: str | None = None, sound: str | None = None, colour: str | None = None) -> str:
    """What a scene is called: `a star moving left making a rising tone`; what is None is not mentioned."""
    thing = f"{colour} {shape}" if colour else shape
    article = "an" if thing[0] in "aeiou" else "a"
    parts = [f"{article} {thing}", motion, f"making {sound}" if sound else None]
    return " ".join(part for part in parts if part)


def label(task: Task, shape: str, motion: str, sound: str) -> str:
    """The class of a scene in one task."""
    return phrase(shape, None if task == "sound" else motion, None if task == "motion" else sound)


def class_names(task: Task) -> tuple[str, ...]:
    """All classes of a task: 64 for motion and sound, 512 for both; by shape, then motion, then sound."""
    return tuple(label(task, *triple) for triple in _triples(task))


def base_novel_split(task: Task, seed: int = PUBLISHED_SEED) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Base and novel class names of a task, each in the order of `class_names`.

    Drawn by the seed, and drawn again until every shape, motion and sound occurs among the base classes.
    """
    triples, rng = _triples(task), np.random.default_rng([seed, TASKS.index(task)])
    while True:
        chosen = set(rng.permutation(len(triples))[: NUM_BASE[task]].tolist())
        if _complete([triples[i] for i in chosen], triples):
            names = class_names(task)
            base = tuple(name for i, name in enumerate(names) if i in chosen)
            return base, tuple(name for i, name in enumerate(names) if i not in chosen)


def _triples(task: Task) -> list[tuple[str, str, str]]:
    """One (shape, motion, sound) a class; a word the task does not ask for is held at its first value."""
    return list(product(SHAPES, MOTIONS[: 1 if task == "sound" else 8], SOUNDS[: 1 if task == "motion" else 8]))


def _complete(chosen: list[tuple[str, str, str]], triples: list[tuple[str, str, str]]) -> bool:
    """Whether the chosen triples hold every word that all triples hold."""
    return all(set(a) == set(b) for a, b in zip(zip(*chosen, strict=True), zip(*triples, strict=True), strict=True))
