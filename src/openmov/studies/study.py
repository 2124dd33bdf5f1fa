"""What a study is: rows and columns of a table, panels of a figure, and what the paper found there. Data only.

    Entrant    what answers: how it is trained, and how its embeddings become answers
    Table      rows (entrants) by columns (an arm and a figure of merit); Curves and Changes are the paper's figures
    Study      one or several of these, with the findings that are tested

An arm is one side of the paper: `flow` is its Kinetics-700 (video + flow), `audio` its VGGSound (video + sound). Which
videos stand for an arm is not known here. `{extra}` in a method or a change becomes the arm's modality beside the
video, `{layers[9]}` what stands for the last 9 of 12 layers.
"""

from dataclasses import dataclass
from typing import Literal

Figure = Literal[
    "base",
    "novel",
    "harmonic",
    "generalised_base",
    "generalised_novel",
    "generalised_harmonic",
    "full",
    "half_mean",
    "half_std",
    "settings",
]
"""A number of one evaluation: accuracy on base or novel clips among their own names, or among all names
(generalised); on another data set (full: all of it, half: ten random halves of its classes). Or, in words, what beta
and tau_v came to (settings)."""

SETTINGS: Figure = "settings"

Paper = tuple[tuple[str, str | int | float | bool], ...]
"""Column and value pairs that single out a row of a published table."""


@dataclass(frozen=True)
class Entrant:
    """What answers."""

    methods: tuple[str, ...] = ("mov",)
    """What is trained, by the recipe's names; several are fused by their scores."""
    answer: str = "paper"
    """How: `paper` (the recipe's beta and temperatures), `calibrated` (on held-out base classes), `frozen` (the
    backbone's frame average; nothing trained has a part in it), or a name of `api/study/answers.py`."""
    changes: tuple[str, ...] = ()
    """Of the recipe it is trained with, as of --set."""
    answering: tuple[str, ...] = ()
    """Of the recipe afterwards: only fields of `prediction`, so that the training is shared."""
    backbone: Literal["usual", "larger"] = "usual"
    """Which of the two backbones of table 3."""
    classes: Literal["base", "all"] = "base"
    """What it is trained on: the base classes, or all classes of the data set (table 7)."""
    weights: str = "best"
    """Of its training: `best` by validation on base clips, `untrained`, or `epoch 3`, counted from 1."""


@dataclass(frozen=True)
class Column:
    """One number a row."""

    title: str
    """As shown."""
    arm: str
    """Which side of the paper."""
    figure: Figure
    """What is measured."""
    paper: str | None = None
    """The published table's column; None where there is none."""
    where: Paper = ()
    """What else singles out the published row, where it depends on the column."""
    target: str | None = None
    """Other clips to ask, by their place: another data set's (table 4: `first` for UCF101, `second` for HMDB51), or
    others of the arm's own classes (`swapped`)."""
    lost: bool = False
    """Whether it is how much less it is on `target` than on the arm's own test clips."""
    part: bool = False
    """Whether an answer is right where the part of its name is that the arm's other modality can tell: the sound,
    whatever the shape. There is no such column where names have no parts."""


@dataclass(frozen=True)
class Row:
    """One entrant."""

    title: str
    """As shown."""
    entrant: Entrant | None
    """What is measured; None for a row that only stands as published."""
    paper: Paper | None = None
    """What singles out its published row; None where the paper has no such row."""
    note: str = ""
    """A few words under the title."""
    column: str | None = None
    """The published table's column, where the row decides it and not the column."""


@dataclass(frozen=True)
class Table:
    """Rows by columns."""

    columns: tuple[Column, ...]
    """From left to right."""
    rows: tuple[Row, ...]
    """From top to bottom."""
    paper: str = ""
    """Name of the published table, in `paper_results.json`; empty where there is none."""
    title: str = ""
    """Where a study has several."""


@dataclass(frozen=True)
class Panel:
    """One training, epoch by epoch."""

    title: str
    """As shown."""
    arm: str
    """Which side of the paper."""
    entrant: Entrant
    """What is trained; its weights are those of every epoch, epoch 0 being untrained."""
    paper: str
    """What the paper's panel shows, in words."""


@dataclass(frozen=True)
class Curves:
    """Base and novel accuracy over epochs (figure 1)."""

    panels: tuple[Panel, ...]
    """In order."""


@dataclass(frozen=True)
class Changes:
    """Accuracy of every class under two entrants (figure 3)."""

    title: str
    """As shown."""
    arm: str
    """Which side of the paper."""
    ours: Entrant
    """After."""
    theirs: Entrant
    """Before."""
    named: tuple[str, ...] = ()
    """Classes the paper names; marked where they are among the classes."""
    count: int = 20
    """Classes shown at either end."""


Part = Table | Curves | Changes


@dataclass(frozen=True)
class Finding:
    """Something the paper found, or that we ask, as a comparison that can come out otherwise here."""

    says: str
    """In words: what should be better than what."""
    arm: str
    """Which side of the paper."""
    figure: Figure
    """On which clips: base, novel or their harmonic mean, or the same among all names."""
    ours: Entrant
    """What should be better."""
    theirs: Entrant
    """Than this."""
    paper: float | None = None
    """By how many points it was in the paper; None where it gives no number."""
    target: str | None = None
    """Other clips both are asked, by their place; None for the arm's own test clips."""
    lost: bool = False
    """Whether what is compared is how much each loses on `target` against the arm's own test clips: ours less."""


@dataclass(frozen=True)
class Study:
    """One table or figure of the paper, or a question of our own."""

    name: str
    """On the command line."""
    title: str
    """As shown."""
    asks: str
    """What it is about, in a sentence or two."""
    parts: tuple[Part, ...]
    """What is shown."""
    findings: tuple[Finding, ...] = ()
    """What is tested."""
    notes: tuple[str, ...] = ()
    """What a reader must know of how it was measured."""
    max_seeds: int | None = None
    """Fewer training seeds than the rest, where it is dear."""
    base_only: bool = True
    """False where novel classes take part in the training: it is said on the page."""
    own: bool = False
    """A question of our own, which the paper does not ask: its rows have no published numbers."""
    needs: str = ""
    """What no real data set that openmov knows has, in words: the study is on ShapesAV alone. Empty for the others."""
