"""Background families of novel classes are dealt so that no part of a family tells a part of the name."""

from collections import defaultdict
from dataclasses import replace

import pytest

from openmov.api.shapesav import dealt
from openmov.data.shapesav.families import NUM_FAMILIES
from openmov.data.shapesav.pool import PoolPlan, plan_pool
from openmov.data.shapesav.vocabulary import Task, base_novel_split, class_names, label

SCENED: tuple[Task, ...] = ("motion", "sound")
TINTS = 8


def own_families(plan: PoolPlan) -> dict[str, int]:
    """The family most clips of a class lie in, by its name."""
    assert plan.scenes is not None
    found: dict[str, list[int]] = defaultdict(list)
    for clip in plan.clips:
        assert clip.scene.family is not None
        found[label(plan.scenes, clip.scene.shape, clip.scene.motion, clip.scene.sound)].append(clip.scene.family)
    return {name: max(set(families), key=families.count) for name, families in found.items()}


@pytest.mark.parametrize("task", SCENED)
def test_every_class_keeps_a_family_of_its_own_and_a_base_class_the_planned_one(task: Task) -> None:
    plan = plan_pool(10, 0, 0, seed=0, scenes=task)
    before, after = own_families(plan), own_families(dealt(plan))
    base, novel = base_novel_split(task)
    assert sorted(after.values()) == list(range(NUM_FAMILIES))
    assert {name: after[name] for name in base} == {name: before[name] for name in base}
    assert {after[name] for name in novel} == {before[name] for name in novel}


@pytest.mark.parametrize("task", SCENED)
def test_what_base_classes_teach_of_tints_and_gratings_names_no_novel_class(task: Task) -> None:
    """Of base classes a tint is a motion's and a grating a shape's; of 24 novel ones by chance in three each."""
    plan = plan_pool(10, 0, 0, seed=0, scenes=task)
    for families, told in ((own_families(plan), range(24, 25)), (own_families(dealt(plan)), range(6))):
        novel = base_novel_split(task)[1]
        place = {name: number for number, name in enumerate(class_names(task))}
        assert sum(families[name] % TINTS == place[name] % 8 for name in novel) in told
        assert sum(families[name] // TINTS == place[name] // 8 for name in novel) in told


@pytest.mark.parametrize(("task", "first"), [("motion", [34, 22, 26, 24, 53]), ("sound", [34, 4, 14, 29, 22])])
def test_the_draw_is_the_published_one(task: Task, first: list[int]) -> None:
    own = own_families(dealt(plan_pool(10, 0, 0, seed=0, scenes=task)))
    assert [own[name] for name in base_novel_split(task)[1][: len(first)]] == first


def test_clips_are_the_same_but_for_their_family_and_plain_ones_all_the_same() -> None:
    plan = plan_pool(2, 2, 1, seed=3, scenes="sound")
    for before, after in zip(plan.files, dealt(plan).files, strict=True):
        assert replace(before, scene=replace(before.scene, family=None)) == replace(
            after, scene=replace(after.scene, family=None)
        )
    plain = plan_pool(2, 2, 1, seed=3)
    assert dealt(plain) == plain
