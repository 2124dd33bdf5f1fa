"""Laws of ShapesAV-Scenes: whose clips are taken where, and that a place shows."""

import csv
from collections import Counter, defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from openmov.errors import RunFolderError
from openmov.shapesav.families import NUM_FAMILIES, families_of, family_pattern
from openmov.shapesav.pool import PooledScene, PoolPlan, plan_pool, write_pool
from openmov.shapesav.render import background
from openmov.shapesav.vocabulary import Task, base_novel_split, class_names, label

SCENED: tuple[Task, ...] = ("motion", "sound")


def named(task: Task, clip: PooledScene) -> str:
    return label(task, clip.scene.shape, clip.scene.motion, clip.scene.sound)


@pytest.mark.parametrize("task", SCENED)
def test_eight_of_ten_clips_of_a_class_lie_in_its_own_family_in_every_split(task: Task) -> None:
    plan = plan_pool(10, 5, 5, seed=3, scenes=task)
    own = families_of(task)
    for split, count in (("train", 8), ("val", 4), ("test", 4)):
        clips = [clip for clip in plan.clips if clip.split == split]
        faithful = Counter(named(task, clip) for clip in clips if clip.scene.family == own[named(task, clip)])
        assert set(faithful.values()) == {count}
        assert set(faithful) == set(own)


@pytest.mark.parametrize("task", SCENED)
def test_every_class_has_a_family_of_its_own_and_a_base_class_that_of_its_place(task: Task) -> None:
    places, (base, novel) = {name: place for place, name in enumerate(class_names(task))}, base_novel_split(task)
    families = families_of(task)
    assert sorted(families.values()) == list(range(NUM_FAMILIES))
    assert {name: families[name] for name in base} == {name: places[name] for name in base}
    assert {families[name] for name in novel} == {places[name] for name in novel}


@pytest.mark.parametrize("task", SCENED)
def test_what_base_classes_teach_of_tints_and_gratings_names_no_novel_class(task: Task) -> None:
    """Of base classes a tint is a motion's and a grating a shape's; of 24 novel ones by chance in three each."""
    families, places = families_of(task), {name: place for place, name in enumerate(class_names(task))}
    for names, told in ((base_novel_split(task)[0], range(40, 41)), (base_novel_split(task)[1], range(6))):
        assert sum(families[name] % 8 == places[name] % 8 for name in names) in told
        assert sum(families[name] // 8 == places[name] // 8 for name in names) in told


@pytest.mark.parametrize(("task", "first"), [("motion", [34, 22, 26, 24, 53]), ("sound", [34, 4, 14, 29, 22])])
def test_the_draw_is_the_published_one(task: Task, first: list[int]) -> None:
    families = families_of(task)
    assert [families[name] for name in base_novel_split(task)[1][: len(first)]] == first


@pytest.mark.parametrize("task", SCENED)
def test_no_family_of_a_novel_class_is_seen_with_a_base_class(task: Task) -> None:
    plan = plan_pool(5, 5, 2, seed=0, scenes=task)
    base, novel = map(frozenset, base_novel_split(task))
    seen = defaultdict(set)
    for clip in plan.files:
        seen[named(task, clip) in base].add(clip.scene.family)
    own = families_of(task)
    assert seen[True] == {own[name] for name in base}
    assert seen[False] == {own[name] for name in novel}


def test_a_swapped_clip_is_the_test_clip_in_the_place_of_another_class() -> None:
    plan = plan_pool(2, 6, 1, seed=1, scenes="motion")
    own = families_of("motion")
    tested = [clip for clip in plan.clips if clip.split == "test"]
    assert len(plan.swapped) == len(tested)
    for before, after in zip(tested, plan.swapped, strict=True):
        assert replace(after.scene, family=None) == replace(before.scene, family=None)
        assert after.split == "test"
        assert after.scene.family != own[named("motion", after)]


def test_all_but_the_place_is_as_in_the_plain_world() -> None:
    plain, scened = plan_pool(3, 2, 1, seed=4), plan_pool(3, 2, 1, seed=4, scenes="sound")
    assert not plain.swapped
    assert [replace(clip, scene=replace(clip.scene, family=None)) for clip in scened.clips] == list(plain.clips)


def test_a_task_of_more_classes_than_families_is_refused() -> None:
    with pytest.raises(ValueError, match="512 classes"):
        plan_pool(1, 1, 1, seed=0, scenes="both")
    with pytest.raises(ValueError, match="families 0 to 63"):
        family_pattern(NUM_FAMILIES, np.random.default_rng(0))


def test_a_place_shows_more_in_its_colour_and_grating_than_two_clips_of_it_differ() -> None:
    """Spectra without phase: two clips of one family are alike, clips of different families are not."""

    def looks(seed: int, family: int | None) -> np.ndarray:
        picture = background(seed, family).astype(np.float64)
        waves = np.abs(np.fft.rfft2(picture.mean(axis=-1)))[:12, :12].ravel() / 64**2
        return np.concatenate([picture.mean(axis=(0, 1)) - picture.mean(), waves[1:]])

    plain = [looks(seed, None) for seed in range(20)]
    assert np.abs(np.mean(plain, axis=0)[:3]).max() < 3  # the plain world has no colour
    found = {family: np.mean([looks(seed, family)[:3] for seed in range(20)], axis=0) for family in range(8)}
    distances = [np.linalg.norm(found[a] - found[b]) for a in range(8) for b in range(a)]
    assert min(distances) > 5


def small(task: Task) -> PoolPlan:
    plan = plan_pool(0, 1, 0, 0, task)
    return replace(plan, clips=plan.clips[:2], swapped=plan.swapped[:2])


def test_files_and_both_lists_are_written_for_the_task_alone(tmp_path: Path) -> None:
    write_pool(tmp_path, small("motion"))
    assert {path.name for path in tmp_path.glob("*.csv")} == {"manifest-motion.csv", "manifest-motion-swapped.csv"}
    for name, folder in (("manifest-motion.csv", "test"), ("manifest-motion-swapped.csv", "swapped")):
        with (tmp_path / name).open(newline="") as file:
            rows = list(csv.DictReader(file))
        assert [row["path"] for row in rows] == [f"{folder}/{number:06d}.mp4" for number in range(2)]
        assert all((tmp_path / row["path"]).stat().st_size > 1000 for row in rows)
    with pytest.raises(RunFolderError, match="another pool"):
        write_pool(tmp_path, replace(small("motion"), scenes=None, swapped=()))
