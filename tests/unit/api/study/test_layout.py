"""Nothing made under another key is ever found."""

from pathlib import Path

from openmov.api.runs import CALIBRATION_FILE
from openmov.api.study import layout
from openmov.api.study.layout import MEASURING_CODE, TRAINING_CODE, StudyFolders, code_identity

FACTS = {"code": "c", "recipe": {"training": {"epochs": 2}}, "manifest": "m"}


def test_every_fact_is_in_the_key(tmp_path: Path) -> None:
    folders = StudyFolders(tmp_path)
    mine = folders.training("flow-mov-seed0", FACTS)
    assert folders.training("flow-mov-seed0", dict(FACTS)) == mine
    for other in (FACTS | {"code": "d"}, FACTS | {"recipe": {"training": {"epochs": 3}}}, FACTS | {"manifest": "n"}):
        assert folders.training("flow-mov-seed0", other).path != mine.path


def test_a_training_is_finished_when_it_says_so(tmp_path: Path) -> None:
    folder = StudyFolders(tmp_path).training("flow-mov-seed0", FACTS)
    folder.run.mkdir(parents=True)
    assert not folder.finished(calibrated=False)
    folder.finish(FACTS)
    assert folder.finished(calibrated=False)
    assert not folder.finished(calibrated=True)
    (folder.run / CALIBRATION_FILE).write_text("{}")
    assert folder.finished(calibrated=True)


def test_trainings_of_other_recipes_are_counted(tmp_path: Path) -> None:
    folders = StudyFolders(tmp_path)
    mine, other = (folders.training("flow-mov-seed0", FACTS | {"code": code}) for code in "ab")
    assert folders.others_than([mine]) == 0
    for folder in (mine, other):
        folder.finish(FACTS)
    assert folders.others_than([mine]) == 1


def test_code_is_part_of_what_is_hashed(monkeypatch: object, tmp_path: Path) -> None:
    for part in MEASURING_CODE:
        package = Path(layout.__file__).parents[2]
        assert (package / part).exists(), part
    assert code_identity(TRAINING_CODE) != code_identity(MEASURING_CODE)
