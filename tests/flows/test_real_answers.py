"""ConSE names what real clips show, among all class names of a data set, through the path that people use."""

from pathlib import Path

import pytest

from openmov.inference.answers import Prediction
from openmov.inference.predict import Choices, choose_labels, predictor_for

FIRST = {
    ("ucf101", "ucf101_biking.avi"): "biking",
    ("ucf101", "kinetics_archery.avi"): "archery",
    ("vggsound", "vggsound_printer_printing.mp4"): "printer printing",
    ("vggsound", "vggsound_volcano_explosion.mp4"): "volcano explosion",
}
"""Vocabulary (101 and 309 names), clip, answer."""


def answers(media: Path, views: str | None, *asked: tuple[str, str]) -> list[tuple[str, ...]]:
    """The two likeliest names for each clip."""
    predictor = predictor_for(Choices(backbone="conse", views=views))
    found = []
    for vocabulary, clip in asked:
        names = predictor.vocabulary(choose_labels(None, vocabulary))
        (answer,) = predictor.predict([media / clip], names, top=2)
        assert isinstance(answer, Prediction)
        found.append(answer.answers.names)
    return found


def test_the_first_answer_of_a_single_look(media_dir: Path) -> None:
    found = answers(media_dir, "1x1", *FIRST)
    assert [names[0] for names in found] == list(FIRST.values())


@pytest.mark.slow
def test_default_views(media_dir: Path) -> None:
    orchestra = ("vggsound", "vggsound_orchestra.mp4")
    *found, second = answers(media_dir, None, *FIRST, orchestra)
    assert [names[0] for names in found] == list(FIRST.values())
    assert "orchestra" in second
    assert "printer printing" not in second
