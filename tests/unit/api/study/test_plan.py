"""What has to be trained is trained once, and what cannot be measured is said."""

import itertools
from dataclasses import replace
from pathlib import Path

import pytest

from openmov.api.study.layout import StudyFolders
from openmov.api.study.plan import TrainingTask, Wanted, measurements_of, recipes_of, trainings_of, wanted_by, why_not
from openmov.api.study.stage import Stage
from openmov.api.study.world import world_stage
from openmov.config.load import load_recipe
from openmov.errors import RecipeError
from openmov.studies.catalogue import STUDIES, find_studies
from openmov.studies.entrants import CLIP, EXTRA_ONLY, LARGER_MOV, MOV, MOV_CALIBRATED
from openmov.studies.scale import FULL, QUICK, Scale
from openmov.studies.study import Entrant


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return world_stage(StudyFolders(tmp_path), QUICK)


def test_studies_share_their_trainings(stage: Stage) -> None:
    """Tables 1, 8 and 9 need MOV's flow training once; table 8 its sound training too."""
    trainings = trainings_of(measurements_of(find_studies(("table1", "table9")), stage), stage)
    whole = {task for tasks in trainings.values() for task in tasks if task.recipe.model.method == "mov"}
    assert [task.title for task in whole] == ["flow-mov-seed0"]
    assert all(task.calibrated for task in whole)


def test_a_training_is_calibrated_only_where_somebody_asks(stage: Stage) -> None:
    trainings = trainings_of(measurements_of(find_studies(("table3",)), stage), stage)
    assert not any(task.calibrated for tasks in trainings.values() for task in tasks)


def test_every_seed_has_its_own(tmp_path: Path) -> None:
    full = world_stage(StudyFolders(tmp_path), FULL)
    one = trainings_of(measurements_of(find_studies(("table9",)), full), full)
    assert sorted({task.title for tasks in one.values() for task in tasks}) == [
        f"flow-mov-seed{seed}" for seed in range(3)
    ]


def test_questions_of_our_own_train_nothing_the_paper_s_do_not(stage: Stage) -> None:
    def trained(*names: str) -> set[TrainingTask]:
        trainings = trainings_of(measurements_of(find_studies(names), stage), stage)
        return {task for tasks in trainings.values() for task in tasks}

    assert trained("temperatures", "generalised", "weight_ensembles") <= trained("table1", "table2", "table5")


def test_what_looks_at_the_same_is_measured_one_after_the_other(stage: Stage) -> None:
    """Four recordings are kept: drawn-back weights must not push those of the others out and come back later."""
    wanted = measurements_of(find_studies(("all",)), stage)
    looked = [
        (one.arm, one.entrant.methods, one.entrant.changes, one.entrant.backbone, one.entrant.classes, drawn_back(one))
        for one in wanted
    ]
    assert len([key for key, _ in itertools.groupby(looked)]) == len(set(looked))


def drawn_back(wanted: Wanted) -> tuple[str, ...]:
    return tuple(change for change in wanted.entrant.answering if "encoder_weight" in change)


def test_recipes_say_what_was_declared(stage: Stage) -> None:
    (flow,) = recipes_of(EXTRA_ONLY, stage, "flow", 3)
    assert (flow.model.method, flow.model.modalities, flow.training.seed) == ("flow_only", ("flow",), 3)
    (sound,) = recipes_of(MOV, stage, "audio", 0)
    assert sound.model.modalities == ("video", "audio")
    assert sound.training.epochs == QUICK.epochs
    (larger,) = recipes_of(LARGER_MOV, stage, "flow", 0)
    assert larger.backbone.name != load_recipe("shapesav-motion").backbone.name
    assert recipes_of(CLIP, stage, "flow", 0) == recipes_of(MOV_CALIBRATED, stage, "flow", 0)


def test_a_twelfth_of_four_layers_has_no_counterpart(stage: Stage) -> None:
    last = Entrant(EXTRA_ONLY.methods, changes=("model.trainable_layers={layers[1]}",))
    assert why_not(stage, "flow", last) == "no counterpart on this backbone"
    (half,) = recipes_of(Entrant(EXTRA_ONLY.methods, changes=("model.trainable_layers={layers[6]}",)), stage, "flow", 0)
    assert half.model.trainable_layers == 2


def test_a_study_on_data_that_lacks_its_modality_is_refused(stage: Stage) -> None:
    silent = replace(stage, arms={"flow": stage.arms["flow"]}, title="kinetics700")
    with pytest.raises(RecipeError, match="table2: is about video and sound, and kinetics700 has none; add --data vgg"):
        measurements_of(find_studies(("table2",)), silent)
    assert {one.arm for one in measurements_of(find_studies(("table5",)), silent)} == {"flow"}
    assert "video and sound" in why_not(silent, "audio", MOV)


def test_table_4_without_another_data_set_is_refused(stage: Stage) -> None:
    with pytest.raises(RecipeError, match="table4: is about other data sets"):
        measurements_of(find_studies(("table4",)), replace(stage, targets={}))


def test_every_study_can_be_on_shapesav(stage: Stage) -> None:
    for study in STUDIES.values():
        assert list(wanted_by(study, stage)), study.name


def test_sizes_of_the_world_are_in_order() -> None:
    def work(scale: Scale) -> int:
        return scale.train_per_class * scale.epochs * scale.seeds

    assert 6 * work(QUICK) < work(FULL)
