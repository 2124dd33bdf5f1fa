"""What has to be trained is trained once, and what cannot be measured is said."""

import itertools
from dataclasses import replace
from pathlib import Path

import pytest

from openmov.config.load import load_recipe
from openmov.errors import RecipeError
from openmov.experiments.catalogue import STUDIES, find_studies
from openmov.experiments.data import StudyData
from openmov.experiments.folders import StudyFolders
from openmov.experiments.plan import make_plan
from openmov.experiments.run import command_of, open_data
from openmov.experiments.scale import FULL, QUICK, Scale
from openmov.experiments.study import CLIP, COOP, EXTRA_ONLY, LARGER_MOV, MOV, MOV_CALIBRATED, MethodSpec
from openmov.experiments.trainings import (
    Measurement,
    TrainingTask,
    measurements_by,
    measurements_of,
    possible,
    recipes_of,
    trainings_of,
    why_not,
)
from openmov.experiments.world import world_data


@pytest.fixture
def data(tmp_path: Path) -> StudyData:
    return world_data(StudyFolders(tmp_path), QUICK)


def test_studies_share_their_trainings(data: StudyData) -> None:
    """Tables 1, 8 and 9 need MOV's flow training once; table 8 its sound training too."""
    trainings = trainings_of(measurements_of(find_studies(("table1", "table9")), data), data)
    whole = {task for tasks in trainings.values() for task in tasks if task.recipe.model.method == "mov"}
    assert [task.title for task in whole] == ["flow-mov-seed0"]
    assert all(task.calibrated for task in whole)


def test_a_training_is_calibrated_only_where_somebody_asks(data: StudyData) -> None:
    trainings = trainings_of(measurements_of(find_studies(("table3",)), data), data)
    assert not any(task.calibrated for tasks in trainings.values() for task in tasks)


def test_every_seed_has_its_own(tmp_path: Path) -> None:
    full = world_data(StudyFolders(tmp_path), FULL)
    one = trainings_of(measurements_of(find_studies(("table9",)), full), full)
    assert sorted({task.title for tasks in one.values() for task in tasks}) == [
        f"flow-mov-seed{seed}" for seed in range(3)
    ]


def test_questions_of_our_own_train_nothing_the_paper_s_do_not(data: StudyData) -> None:
    def trained(*names: str) -> set[TrainingTask]:
        trainings = trainings_of(measurements_of(find_studies(names), data), data)
        return {task for tasks in trainings.values() for task in tasks}

    assert trained("temperatures", "generalised", "weight_ensembles") <= trained("table1", "table2", "table5")


def test_what_looks_at_the_same_is_measured_one_after_the_other(data: StudyData) -> None:
    """Four recordings are kept: drawn-back weights must not push those of the others out and come back later."""
    measurement = measurements_of(find_studies(("all",)), data)
    looked = [
        (
            one.track,
            one.method.methods,
            one.method.changes,
            one.method.backbone,
            one.method.classes,
            encoder_weights(one),
        )
        for one in measurement
    ]
    assert len([key for key, _ in itertools.groupby(looked)]) == len(set(looked))


def encoder_weights(measurement: Measurement) -> tuple[str, ...]:
    return tuple(change for change in measurement.method.answering if "encoder_weight" in change)


def test_authors_values_are_for_their_own_methods_alone(data: StudyData) -> None:
    own = replace(data, protocol="own")
    (coop,) = recipes_of(COOP, own, "flow", 1)
    assert (coop.training.optimizer, coop.training.learning_rate, coop.training.epochs) == ("sgd", 0.002, 50)
    assert coop.training.seed == 1
    assert recipes_of(COOP, data, "flow", 1)[0].training.optimizer == "adamw"
    for method in (MOV, EXTRA_ONLY):
        assert recipes_of(method, own, "flow", 1) == recipes_of(method, data, "flow", 1)
    trainings = trainings_of(measurements_of(find_studies(("table1",)), own), own)
    titles = {task.title for tasks in trainings.values() for task in tasks}
    assert titles == {"flow-mov-seed0", "flow-coop-own-seed0", "flow-clip_adapter-own-seed0"}


def test_the_user_has_the_last_word_over_the_authors(data: StudyData) -> None:
    (coop,) = recipes_of(COOP, replace(data, protocol="own", last_word=("training.epochs=2",)), "flow", 0)
    assert (coop.training.optimizer, coop.training.epochs) == ("sgd", 2)


def test_a_world_keeps_what_it_cannot_give_the_authors(tmp_path: Path) -> None:
    """Its own frames and templates, whatever its recipes say they are."""
    data, work = open_data(["shapesav"], [], tmp_path, None, None, [], quick=True, workers=1, protocol="own")
    usual = replace(data, protocol="paper")
    for method in ("actionclip", "vificlip"):
        one, other = (recipes_of(MethodSpec((method,)), each, "flow", 0)[0] for each in (data, usual))
        assert (one.video, one.baselines.prompts) == (other.video, None)
        assert one.training.epochs != other.training.epochs
    assert any("ViFi-CLIP their 8 frames" in note for note in data.notes_on(["table1"]))
    assert command_of(["table1"], data, []) == "openmov study table1 --data shapesav --quick --protocol own"
    with pytest.raises(RecipeError, match="--protocol own: changes nothing in table8; leave it out"):
        make_plan(find_studies(("table8",)), data, work)


def test_recipes_say_what_was_declared(data: StudyData) -> None:
    (flow,) = recipes_of(EXTRA_ONLY, data, "flow", 3)
    assert (flow.model.method, flow.model.modalities, flow.training.seed) == ("flow_only", ("flow",), 3)
    (sound,) = recipes_of(MOV, data, "audio", 0)
    assert sound.model.modalities == ("video", "audio")
    assert sound.training.epochs == QUICK.epochs
    (larger,) = recipes_of(LARGER_MOV, data, "flow", 0)
    assert larger.backbone.name != load_recipe("shapesav-motion").backbone.name
    assert recipes_of(CLIP, data, "flow", 0) == recipes_of(MOV_CALIBRATED, data, "flow", 0)


def test_a_twelfth_of_four_layers_has_no_counterpart(data: StudyData) -> None:
    last = MethodSpec(EXTRA_ONLY.methods, changes=("model.trainable_layers={layers[1]}",))
    assert why_not(data, "flow", last) == "no counterpart on this backbone"
    (half,) = recipes_of(
        MethodSpec(EXTRA_ONLY.methods, changes=("model.trainable_layers={layers[6]}",)), data, "flow", 0
    )
    assert half.model.trainable_layers == 2


def test_a_study_on_data_that_lacks_its_modality_is_refused(data: StudyData) -> None:
    silent = replace(data, tracks={"flow": data.tracks["flow"]}, title="kinetics700")
    with pytest.raises(RecipeError, match="table2: is about video and sound, and kinetics700 has none; add --data vgg"):
        measurements_of(find_studies(("table2",)), silent)
    assert {one.track for one in measurements_of(find_studies(("table5",)), silent)} == {"flow"}
    assert "video and sound" in why_not(silent, "audio", MOV)


def test_table_4_without_another_data_set_is_refused(data: StudyData) -> None:
    with pytest.raises(RecipeError, match="table4: is about other data sets"):
        measurements_of(find_studies(("table4",)), replace(data, targets={}))


def test_every_study_can_be_on_shapesav(data: StudyData) -> None:
    for study in STUDIES.values():
        assert list(measurements_by(study, data)), study.name


def real(data: StudyData) -> StudyData:
    """As far as data that a user has goes: nothing of our own worlds."""
    return replace(
        data, tracks={name: data.tracks[name] for name in ("flow", "audio")}, title="kinetics700", scale=None
    )


@pytest.mark.parametrize("name", ["scenes", "modalities"])
def test_a_study_of_a_world_of_our_own_is_refused_on_other_data(data: StudyData, name: str) -> None:
    with pytest.raises(RecipeError, match=f"{name}: is about .*, and kinetics700 has none; run it on --data shapesav"):
        measurements_of(find_studies((name,)), real(data))
    assert possible(find_studies((name,)), real(data)) == (find_studies((name,)), ())


def test_all_on_other_data_leaves_worlds_of_our_own_out(data: StudyData) -> None:
    everything = find_studies(("all",))
    kept, left_out = possible(everything, real(data))
    assert [study.name for study in left_out] == ["scenes", "modalities"]
    assert kept == tuple(study for study in everything if study not in left_out)
    assert measurements_of(kept, real(data))
    assert possible(everything, data) == (everything, ())


def test_swapped_scenes_are_asked_of_what_was_trained_on_ordinary_ones(data: StudyData) -> None:
    trainings = trainings_of(measurements_of(find_studies(("scenes",)), data), data)
    asked: dict[str, set[str | None]] = {}
    for measurement, tasks in trainings.items():
        for task in tasks:
            asked.setdefault(task.title, set()).add(measurement.target)
    assert all(targets == {None, "swapped"} for targets in asked.values())
    assert "scenes_flow-finetune_video-seed0" in asked
    assert "scenes_audio-mov-seed0" in asked


def test_a_swapped_test_is_of_its_own_arm_alone(data: StudyData) -> None:
    assert why_not(data, "scenes_flow", MOV, "swapped") == ""
    assert why_not(data, "flow", MOV, "swapped") == "this data set was not given"


def test_pairs_of_modalities_are_trainings_of_their_own(data: StudyData) -> None:
    trainings = trainings_of(measurements_of(find_studies(("modalities",)), data), data)
    titles = sorted({task.title for tasks in trainings.values() for task in tasks})
    assert titles == [
        "both-audio_only-seed0",
        "both-flow_only-seed0",
        "both-mov-video-audio-seed0",
        "both-mov-video-flow-audio-seed0",
        "both-mov-video-flow-seed0",
        "both-video_only-seed0",
    ]


def test_dear_studies_have_fewer_seeds(tmp_path: Path) -> None:
    full = world_data(StudyFolders(tmp_path), FULL)
    for name, seeds in (("scenes", 2), ("modalities", 1)):
        assert {measurement.seed for measurement in measurements_of(find_studies((name,)), full)} == set(range(seeds))


def test_sizes_of_the_world_are_in_order() -> None:
    def work(scale: Scale) -> int:
        return scale.train_per_class * scale.epochs * scale.seeds

    assert 6 * work(QUICK) < work(FULL)
