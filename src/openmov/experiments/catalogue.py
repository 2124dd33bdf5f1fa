"""The studies there are, by the names they have on the command line."""

import difflib
from collections.abc import Mapping, Sequence

from openmov.errors import RecipeError
from openmov.experiments.own_studies import GENERALISED, MODALITIES, SCENES, TEMPERATURES, WEIGHT_ENSEMBLES
from openmov.experiments.paper_studies import (
    FIGURE1,
    FIGURE3,
    TABLE1,
    TABLE2,
    TABLE3,
    TABLE4,
    TABLE5,
    TABLE6,
    TABLE7,
    TABLE8,
    TABLE9,
)
from openmov.experiments.study import Study

ALL = "all"
"""Every study, in one report."""
_OF_THE_PAPER = (FIGURE1, TABLE1, TABLE2, TABLE3, TABLE4, TABLE5, TABLE6, TABLE7, TABLE8, TABLE9, FIGURE3)
_BEYOND = (TEMPERATURES, GENERALISED, WEIGHT_ENSEMBLES, SCENES, MODALITIES)
STUDIES: Mapping[str, Study] = {study.name: study for study in (*_OF_THE_PAPER, *_BEYOND)}


def find_studies(names: Sequence[str]) -> tuple[Study, ...]:
    """Studies by their names, each once, in the order of the catalogue. Raises RecipeError, naming the nearest."""
    for name in names:
        if name not in (ALL, *STUDIES):
            close = difflib.get_close_matches(name.lower(), STUDIES, n=1, cutoff=0.4)
            hint = f"did you mean {close[0]}? There are" if close else "there are"
            raise RecipeError(name, "is not a study", f"{hint} {', '.join(STUDIES)} and {ALL}")
    return tuple(study for study in STUDIES.values() if ALL in names or study.name in names)
