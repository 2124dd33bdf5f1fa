"""What a page says of itself fits the studies on it."""

from pathlib import Path

import pytest

from openmov.api.study.layout import StudyFolders
from openmov.api.study.pages import _summary
from openmov.api.study.world import world_stage
from openmov.studies.catalogue import find_studies
from openmov.studies.scale import FULL


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
    said = _summary(find_studies(names), world_stage(StudyFolders(tmp_path), FULL))
    assert seeds in said
    assert ("paper's numbers" in said) is quotes_the_paper
