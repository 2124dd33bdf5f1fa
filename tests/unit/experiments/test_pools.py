"""A study writes the clips it looks at and no others, and the plan says how long that takes."""

from pathlib import Path

import pytest

from openmov.experiments.catalogue import find_studies
from openmov.experiments.folders import StudyFolders
from openmov.experiments.plan import Estimate, StudyPlan, Work, make_plan
from openmov.experiments.scale import FULL, QUICK, SECONDS_PER_1000_CLIPS, SECONDS_PER_1000_WRITTEN
from openmov.experiments.trainings import measurements_of, trainings_of
from openmov.experiments.world import pools_behind, pools_of, world_data
from openmov.shapesav.pool import plan_pool


def plan_of(folder: Path, *names: str) -> StudyPlan:
    folders = StudyFolders(folder, QUICK.name)
    return make_plan(find_studies(names), world_data(folders, QUICK), Work(folders, scale=QUICK))


@pytest.mark.parametrize(
    ("study", "pools"),
    [
        ("table1", ["clips-quick"]),
        ("table4", ["clips-quick", "other-clips-quick"]),
        ("scenes", ["scenes-motion-quick", "scenes-sound-quick"]),
        ("modalities", ["clips-quick"]),
        ("all", ["clips-quick", "other-clips-quick", "scenes-motion-quick", "scenes-sound-quick"]),
    ],
)
def test_a_study_needs_the_clips_it_looks_at(tmp_path: Path, study: str, pools: list[str]) -> None:
    assert [pool.folder.name for pool in plan_of(tmp_path, study).pools] == pools
    assert not list(tmp_path.iterdir())


def test_clips_are_counted_as_they_are_written(tmp_path: Path) -> None:
    folders = StudyFolders(tmp_path)
    for pool in pools_of(folders, QUICK):
        size = pool.size
        written = plan_pool(size.train_per_class, size.test_per_class, size.val_per_class, pool.seed, pool.scenes)
        assert pool.num_clips == len(written.files)


def test_another_list_of_other_clips_is_no_pool_of_the_world(tmp_path: Path) -> None:
    assert pools_behind([tmp_path / "manifest-motion.csv"], StudyFolders(tmp_path), FULL) == ()


def test_clips_still_to_be_written_are_in_the_estimate(tmp_path: Path) -> None:
    before = plan_of(tmp_path, "scenes")
    for pool in before.pools:
        pool.folder.mkdir(parents=True)
        (pool.folder / "a.mp4").touch()
        for path in pool.lists:
            path.write_text("id,path,label,split\na,a.mp4,a star moving left,train\n")
            task = pool.scenes
            (pool.folder / f"vocabulary-{task}.json").write_text('{"base": ["a star moving left"], "novel": ["b"]}')
    after = plan_of(tmp_path, "scenes")
    clips = sum(pool.num_clips for pool in before.pools)
    assert before.minutes is not None
    assert after.minutes is not None
    assert before.minutes - after.minutes == pytest.approx(clips / 1000 * SECONDS_PER_1000_WRITTEN / 60)
    assert after.missing == before.missing
    assert after.unmeasured == before.unmeasured == len(before.measurements)


def test_a_first_training_that_prepares_clips_does_not_speak_for_all(tmp_path: Path) -> None:
    data = world_data(StudyFolders(tmp_path), FULL)
    trainings = trainings_of(measurements_of(find_studies(("scenes",)), data), data)
    tasks = tuple(dict.fromkeys(task for needed in trainings.values() for task in needed))
    short = next(task for task in tasks if task.recipe.model.method == "video_only")
    estimate = Estimate(data)
    before = estimate.minutes(tasks, 0)
    estimate.took(short, 60.0)
    after = estimate.minutes(tasks, 0)
    assert before is not None
    assert after is not None
    assert before < after < 2 * before
    for task in tasks:  # twice as slow, all of them: that is believed
        estimate.took(task, 2 * estimate.seconds(task))
    slow = estimate.minutes(tasks, 0)
    assert slow is not None
    assert 1.8 * before < slow < 2.2 * before


def test_trainings_are_foreseen_by_what_they_fuse_and_by_their_clips(tmp_path: Path) -> None:
    data = world_data(StudyFolders(tmp_path), FULL)
    trainings = trainings_of(measurements_of(find_studies(("modalities", "scenes")), data), data)
    by_title = {task.title: task for tasks in trainings.values() for task in tasks}
    seconds = Estimate(data).seconds
    clips = 40 * FULL.train_per_class / 1000 * FULL.epochs * 1.8  # calibration trains once more on four fifths
    for title, kind in (
        ("video-flow-audio", "mov flow audio"),
        ("video-flow", "mov flow"),
        ("video-audio", "mov audio"),
    ):
        known = SECONDS_PER_1000_CLIPS[kind]
        assert seconds(by_title[f"both-mov-{title}-seed0"]) == pytest.approx(known * clips)
    scened = seconds(by_title["scenes_flow-mov-seed0"])
    assert scened == pytest.approx(
        SECONDS_PER_1000_CLIPS["mov flow"] * clips * FULL.scenes_train_per_class / FULL.train_per_class
    )
