"""Base / novel splits of data sets whose authors published none.

The paper draws 400 base and 300 novel classes of Kinetics-700, and 154 and 155 of VGGSound, at random, and its draws
were never released; these are this project's own, by the seed written in each file. Numbers measured with them are
about these classes, not about the paper's.
"""

from importlib import resources
from pathlib import Path

from openmov.data.split import split_classes
from openmov.text.label_sets import load_label_set
from openmov.text.vocabulary import Vocabulary, load_vocabulary

PUBLISHED_SEED = 2026
"""Of every draw below."""
NUM_BASE = {"kinetics700": 400, "vggsound": 154}
"""How many classes are base, as in the paper (table 2)."""
OWN_DRAW = "drawn at random as in the paper, whose own split was never released"
"""What is to be said wherever such a split is used."""


def published_split(name: str, folder: Path | None = None) -> Vocabulary:
    """The packaged split of `kinetics700` or `vggsound`. Its list is the authority; `folder` does not matter."""
    with resources.as_file(resources.files("openmov.datasets") / "lists" / f"{name}-split.json") as path:
        return load_vocabulary(path)


def draw_split(name: str) -> Vocabulary:
    """The draw itself, anew: what `published_split` must equal."""
    return split_classes(load_label_set(name).readable, num_base=NUM_BASE[name], seed=PUBLISHED_SEED)


def all_novel(name: str, folder: Path | None = None) -> Vocabulary:
    """Every class novel: for a data set nothing is trained on."""
    return Vocabulary((), load_label_set(name).readable)
