"""Laws of the pool: balance, files that are complete, and manifests that fit them."""

import csv
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from openmov.errors import RunFolderError
from openmov.shapesav.pool import PoolPlan, plan_pool, write_pool
from openmov.shapesav.vocabulary import TASKS, class_names, label
from openmov.text.vocabulary import load_vocabulary


def small(clips: int = 5, seed: int = 0) -> PoolPlan:
    plan = plan_pool(0, 1, 0, seed)
    return replace(plan, clips=plan.clips[:clips])


@pytest.mark.parametrize("counts", [(3, 1, 2), (9, 8, 0)])
def test_every_class_of_motion_and_of_sound_occurs_as_often_as_asked(counts: tuple[int, int, int]) -> None:
    train, test, val = counts
    plan = plan_pool(train, test, val, seed=5)
    for split, count in (("train", train), ("val", val), ("test", test)):
        scenes = [clip.scene for clip in plan.clips if clip.split == split]
        for task in TASKS[:2]:
            seen = Counter(label(task, scene.shape, scene.motion, scene.sound) for scene in scenes)
            assert all(seen[name] == count for name in class_names(task))
            assert sum(seen.values()) == 64 * count


def test_eight_clips_a_class_hold_every_class_of_both_once() -> None:
    plan = plan_pool(0, 8, 0, seed=1)
    seen = Counter(label("both", clip.scene.shape, clip.scene.motion, clip.scene.sound) for clip in plan.clips)
    assert set(seen) == set(class_names("both"))
    assert set(seen.values()) == {1}


def test_no_scene_and_no_id_occurs_twice() -> None:
    plan = plan_pool(4, 2, 1, seed=0)
    assert len({clip.id for clip in plan.clips}) == len({clip.scene.seed for clip in plan.clips}) == len(plan.clips)


def test_plan_follows_its_seed_and_more_training_leaves_the_test_alone() -> None:
    def tested(plan: PoolPlan) -> list[object]:
        return [clip for clip in plan.clips if clip.split == "test"]

    assert plan_pool(2, 1, 1, seed=3) == plan_pool(2, 1, 1, seed=3)
    assert tested(plan_pool(2, 1, 1, seed=3)) == tested(plan_pool(5, 1, 0, seed=3))
    assert tested(plan_pool(2, 1, 1, seed=3)) != tested(plan_pool(2, 1, 1, seed=4))


def test_negative_counts_are_refused() -> None:
    with pytest.raises(ValueError, match="below 0"):
        plan_pool(-1, 1, 0, seed=0)


def test_files_manifests_and_vocabularies_fit_each_other(tmp_path: Path) -> None:
    plan, calls = small(), []
    write_pool(tmp_path, plan, workers=1, progress=lambda done, total: calls.append((done, total)))
    assert calls == [(done, 5) for done in range(6)]
    for task in TASKS:
        vocabulary = load_vocabulary(tmp_path / f"vocabulary-{task}.json")
        with (tmp_path / f"manifest-{task}.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        assert [row["id"] for row in rows] == [clip.id for clip in plan.clips]
        for row, clip in zip(rows, plan.clips, strict=True):
            assert (tmp_path / row["path"]).stat().st_size > 1000
            assert row["split"] == "test"
            assert row["label"] == label(task, clip.scene.shape, clip.scene.motion, clip.scene.sound)
            assert row["label"] in vocabulary.names
    assert json.loads((tmp_path / "pool.json").read_text())["clips_per_class"] == {"train": 0, "val": 0, "test": 1}


def test_writing_again_makes_only_what_is_missing(tmp_path: Path) -> None:
    plan = small()
    write_pool(tmp_path, plan)
    paths = [tmp_path / clip.path for clip in plan.clips]
    before = [path.read_bytes() for path in paths]
    stamps = [path.stat().st_mtime_ns for path in paths]
    paths[2].unlink()
    write_pool(tmp_path, plan)
    assert [path.read_bytes() for path in paths] == before
    assert [i for i, path in enumerate(paths) if path.stat().st_mtime_ns != stamps[i]] == [2]


def test_worker_processes_write_the_same_files(tmp_path: Path) -> None:
    write_pool(tmp_path / "one", small(3), workers=1)
    write_pool(tmp_path / "two", small(3), workers=2)
    for clip in small(3).clips:
        assert (tmp_path / "one" / clip.path).read_bytes() == (tmp_path / "two" / clip.path).read_bytes()


def test_a_folder_with_another_pool_is_refused(tmp_path: Path) -> None:
    write_pool(tmp_path, small(1))
    kept = sorted(tmp_path.rglob("*"))
    with pytest.raises(RunFolderError, match="another pool"):
        write_pool(tmp_path, small(1, seed=1))
    assert sorted(tmp_path.rglob("*")) == kept
