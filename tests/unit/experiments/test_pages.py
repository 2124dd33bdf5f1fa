"""What a page says of itself fits the studies on it."""

from pathlib import Path

import pytest

from openmov.experiments.catalogue import find_studies
from openmov.experiments.folders import StudyFolders
from openmov.experiments.page import PageInputs, _facts, _summary
from openmov.experiments.plan import StudyPlan
from openmov.experiments.scale import FULL
from openmov.experiments.steps import StepClock
from openmov.experiments.world import world_data
from openmov.shapesav.vocabulary import MOTIONS, SOUNDS, class_names


@pytest.mark.parametrize(
    ("names", "seeds", "quotes_the_paper"),
    [
        (("table1",), "over 3 training seeds", True),
        (("scenes",), "over 2 training seeds", False),
        (("figure1",), "one training seed", True),
        (("scenes", "table1"), "over 3 training seeds", True),
    ],
)
def test_seeds_and_the_paper_are_named_where_they_are_on_the_page(
    names: tuple[str, ...], seeds: str, quotes_the_paper: bool, tmp_path: Path
) -> None:
    said = _summary(find_studies(names), world_data(StudyFolders(tmp_path), FULL))
    assert seeds in said
    assert ("paper's numbers" in said) is quotes_the_paper


def test_a_note_on_one_table_stands_only_where_that_table_does(tmp_path: Path) -> None:
    data = world_data(StudyFolders(tmp_path), FULL)
    assert any("table 4" in note for note in data.notes_on(["table4"]))
    assert any("table 4" in note for note in data.notes_on(["table1", "table4"]))
    for name in ("table1", "table3", "scenes"):
        assert not any("table 4" in note for note in data.notes_on([name]))
        assert any("synthetic world" in note for note in data.notes_on([name]))


def test_clips_a_class_are_those_of_the_pool_that_the_page_is_about(tmp_path: Path) -> None:
    """The pool of scenes is smaller than that of the plain world."""
    data = world_data(StudyFolders(tmp_path), FULL)
    (table,), (scenes,) = find_studies(("table1",)), find_studies(("scenes",))
    plan = StudyPlan((table, scenes), data, (), {}, (), 0, None)
    made = PageInputs(plan, (), 1, StepClock(shown=False), "openmov study")
    told = {study.name: dict(_facts(made, [study])[0].rows) for study in (table, scenes)}
    assert "24 clips to train on, 4 to validate, 24 to test" in told["table1"]["flow"]
    assert "15 clips to train on, 5 to validate, 15 to test" in told["scenes"]["scenes_flow"]
    assert "scenes_flow" not in told["table1"]
    assert "flow" not in told["scenes"]


def test_flow_and_sound_tell_a_part_of_every_name(tmp_path: Path) -> None:
    tracks = world_data(StudyFolders(tmp_path), FULL).tracks
    for extra, task, words in (("flow", "motion", MOTIONS), ("audio", "sound", SOUNDS)):
        assert set(tracks[extra].parts) == set(class_names(task))
        assert all(name.endswith(part) for name, part in tracks[extra].parts.items())
        assert set(tracks[extra].parts.values()) == set(words)
