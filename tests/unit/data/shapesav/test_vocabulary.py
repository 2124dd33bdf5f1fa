"""Laws of the class names and of the base / novel split."""

import pytest

from openmov.shapesav.vocabulary import (
    MOTIONS,
    SHAPES,
    SOUNDS,
    TASKS,
    Task,
    base_novel_split,
    class_names,
    label,
    phrase,
)

PUBLISHED_MOTION_NOVEL = ("a circle moving left", "a circle growing", "a circle shaking")
PUBLISHED_SOUND_NOVEL = ("a circle making a high tone", "a circle making noise", "a circle making a beeping sound")


@pytest.mark.parametrize(("task", "count"), [("motion", 64), ("sound", 64), ("both", 512)])
def test_every_combination_is_one_class(task: Task, count: int) -> None:
    assert len(set(class_names(task))) == len(class_names(task)) == count


def test_names_read_as_plain_language() -> None:
    assert label("motion", "star", "moving left", "a rising tone") == "a star moving left"
    assert label("sound", "star", "moving left", "a rising tone") == "a star making a rising tone"
    assert label("both", "star", "moving left", "a rising tone") == "a star moving left making a rising tone"
    assert phrase("star", colour="orange") == "an orange star"


@pytest.mark.parametrize(("task", "counts"), [("motion", (40, 24)), ("sound", (40, 24)), ("both", (320, 192))])
@pytest.mark.parametrize("seed", range(8))
def test_split_is_a_partition_with_every_word_in_base(task: Task, counts: tuple[int, int], seed: int) -> None:
    base, novel = base_novel_split(task, seed)
    assert (len(base), len(novel)) == counts
    assert set(base) | set(novel) == set(class_names(task))
    assert not set(base) & set(novel)
    asked = SHAPES + (MOTIONS if task != "sound" else ()) + (SOUNDS if task != "motion" else ())
    text = " | ".join(base) + " "
    assert all(word in text for word in asked)


def test_split_follows_its_seed() -> None:
    assert base_novel_split("motion", 3) == base_novel_split("motion", 3)
    assert base_novel_split("motion", 3) != base_novel_split("motion", 4)
    assert len({tuple(sorted(base_novel_split(task)[0])) for task in TASKS}) == 3


def test_published_split_stays_as_published() -> None:
    """Results are reported on it: a change of the drawing would silently change what they mean."""
    _, novel = base_novel_split("motion")
    assert novel[:3] == PUBLISHED_MOTION_NOVEL
    _, novel = base_novel_split("sound")
    assert novel[:3] == PUBLISHED_SOUND_NOVEL
