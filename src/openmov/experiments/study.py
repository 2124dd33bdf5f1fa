"""What a study is: rows and columns of a table, panels of a figure, and what the paper found there. Data only.

    MethodSpec    what answers: how it is trained, and how its embeddings become answers
    Table         rows (methods) by columns (a track and a metric); Curves and Changes are the paper's figures
    Study         one or several of these, with the findings that are tested

A track is one side of the paper: `flow` is its Kinetics-700 (video + flow), `audio` its VGGSound (video + sound). Which
videos stand for a track is not known here. `{extra}` in a method or a change becomes the track's modality beside the
video, `{layers[9]}` what stands for the last 9 of 12 layers. The method specifications that several studies share stand
at the end, so that each is trained once.
"""

from dataclasses import dataclass
from typing import Literal

Metric = Literal[
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

SETTINGS: Metric = "settings"

Paper = tuple[tuple[str, str | int | float | bool], ...]
"""Column and value pairs that single out a row of a published table."""


@dataclass(frozen=True)
class MethodSpec:
    """What answers."""

    methods: tuple[str, ...] = ("mov",)
    """What is trained, by the recipe's names; several are fused by their scores."""
    answer: str = "paper"
    """How: `paper` (the recipe's beta and temperatures), `calibrated` (on held-out base classes), `frozen` (the
    backbone's frame average; nothing trained has a part in it), or a name in `measure.ANSWERS`."""
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
    track: str
    """Which side of the paper."""
    metric: Metric
    """What is measured."""
    paper: str | None = None
    """The published table's column; None where there is none."""
    where: Paper = ()
    """What else singles out the published row, where it depends on the column."""
    target: str | None = None
    """Other clips to ask, by their place: another data set's (table 4: `first` for UCF101, `second` for HMDB51), or
    others of the track's own classes (`swapped`)."""
    lost: bool = False
    """Whether it is how much less it is on `target` than on the track's own test clips."""
    part: bool = False
    """Whether an answer is right where the part of its name is that the track's other modality can tell: the sound,
    whatever the shape. There is no such column where names have no parts."""


@dataclass(frozen=True)
class Row:
    """One method of a table."""

    title: str
    """As shown."""
    method: MethodSpec | None
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
    track: str
    """Which side of the paper."""
    method: MethodSpec
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
    """Accuracy of every class under two methods (figure 3)."""

    title: str
    """As shown."""
    track: str
    """Which side of the paper."""
    ours: MethodSpec
    """After."""
    theirs: MethodSpec
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
    track: str
    """Which side of the paper."""
    metric: Metric
    """On which clips: base, novel or their harmonic mean, or the same among all names."""
    ours: MethodSpec
    """What should be better."""
    theirs: MethodSpec
    """Than this."""
    paper: float | None = None
    """By how many points it was in the paper; None where it gives no number."""
    target: str | None = None
    """Other clips both are asked, by their place; None for the track's own test clips."""
    lost: bool = False
    """Whether what is compared is how much each loses on `target` against the track's own test clips: ours less."""


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


CLIP = MethodSpec(("mov",), answer="frozen")
"""The frozen backbone: it is read off MOV's pass over the clips, before anything trained."""
MOV = MethodSpec(("mov",))
"""With the paper's beta and temperatures."""
MOV_CALIBRATED = MethodSpec(("mov",), answer="calibrated")
"""With beta and tau_v chosen on held-out base classes."""
LARGER_CLIP = MethodSpec(("mov",), answer="frozen", backbone="larger")
"""The frozen larger backbone."""
LARGER_MOV = MethodSpec(("mov",), backbone="larger")
"""MOV on the larger backbone."""
EXTRA_ONLY = MethodSpec(("{extra}_only",))
"""Flow or sound alone, its encoder fine-tuned."""
VIDEO_ONLY = MethodSpec(("video_only",))
"""The frozen video encoder with a trained head."""
SCORE_FUSION = MethodSpec(("video_only", "{extra}_only"))
"""The mean of the probabilities of the two."""
SYMMETRIC = MethodSpec(("mov",), changes=("model.fusion=symmetric",))
"""MOV whose flow or sound attends to the trained video, not to the frozen one."""
COOP = MethodSpec(("coop",))
"""A learned context in place of the prompt, everything else frozen."""
ADAPTER = MethodSpec(("clip_adapter",))
"""A small network behind each side, everything else frozen."""
