"""Background families are dealt to classes so that no part of a family tells a part of the name."""

from collections import defaultdict
from dataclasses import replace

import pytest

from openmov.api.shapesav import dealt
from openmov.data.shapesav.families import NUM_FAMILIES
from openmov.data.shapesav.pool import PoolPlan, plan_pool
from openmov.data.shapesav.vocabulary import Task, class_names, label

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
def test_every_class_keeps_a_family_of_its_own(task: Task) -> None:
    own = own_families(dealt(plan_pool(10, 0, 0, seed=0, scenes=task)))
    assert sorted(own.values()) == list(range(NUM_FAMILIES))


@pytest.mark.parametrize("task", SCENED)
def test_a_tint_tells_no_motion_and_a_grating_no_shape(task: Task) -> None:
    """In the order of the classes both would: of the 8 classes of one motion all had the same tint."""
    plan = plan_pool(10, 0, 0, seed=0, scenes=task)
    for families, alike in ((own_families(plan), 8), (own_families(dealt(plan)), 4)):
        in_order = [families[name] for name in class_names(task)]
        tints = [[in_order[shape * 8 + word] % TINTS for shape in range(8)] for word in range(8)]
        gratings = [[in_order[shape * 8 + word] // TINTS for word in range(8)] for shape in range(8)]
        most = max(max(map(group.count, group)) for group in (*tints, *gratings))
        assert most == alike if alike == 8 else most <= alike


@pytest.mark.parametrize(("task", "first"), [("motion", [31, 7, 27, 10]), ("sound", [50, 33, 38, 25])])
def test_the_draw_is_the_published_one(task: Task, first: list[int]) -> None:
    own = own_families(dealt(plan_pool(10, 0, 0, seed=0, scenes=task)))
    assert [own[name] for name in class_names(task)[: len(first)]] == first


def test_clips_are_the_same_but_for_their_family_and_plain_ones_all_the_same() -> None:
    plan = plan_pool(2, 2, 1, seed=3, scenes="sound")
    for before, after in zip(plan.files, dealt(plan).files, strict=True):
        assert replace(before, scene=replace(before.scene, family=None)) == replace(
            after, scene=replace(after.scene, family=None)
        )
    plain = plan_pool(2, 2, 1, seed=3)
    assert dealt(plain) == plain
