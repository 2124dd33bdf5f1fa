"""What a report says: numbers, names and pictures, with no word on how it looks.

Whoever runs something fills this in; `report` and `comparison` write it down. A part left empty does not appear.
Accuracies and probabilities are fractions between 0 and 1.
"""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from jaxtyping import Float, UInt8

from openmov.evaluation.metrics import PairedDifference, Proportion, harmonic_mean
from openmov.evaluation.result import Evaluation, Failure, Role
from openmov.evaluation.rows import ConfusionMap, CrossRow, GeneralisedRow, ProtocolRow, Reliability
from openmov.report.paper import Extra

MethodKind = Literal["clip", "single", "video", "score_fusion", "mov", "mov_calibrated", "other"]
"""What a row is, so that the report can speak of margins whatever the row is called."""


@dataclass(frozen=True)
class FactGroup:
    """A titled list of what was run with."""

    title: str
    """Such as "Data", "Recipe", "Machine"."""
    rows: tuple[tuple[str, str], ...]
    """Name and value, as shown."""


@dataclass(frozen=True)
class Step:
    """A step that was run."""

    name: str
    """What it did, in words."""
    seconds: float
    """Wall time."""
    command: str = ""
    """The command line that repeats it."""


@dataclass(frozen=True)
class MethodRow:
    """A row of the results table."""

    method: str
    """As shown."""
    base: Proportion | None
    """Accuracy on base classes; None where not measured."""
    novel: Proportion | None
    """Accuracy on novel classes; None where not measured."""
    kind: MethodKind = "other"
    """What the row is."""
    note: str = ""
    """A few words under the name, such as the values of beta and tau_v."""

    @property
    def harmonic(self) -> float | None:
        """Harmonic mean of base and novel accuracy, where both were measured."""
        return harmonic_mean(self.base.value, self.novel.value) if self.base and self.novel else None


@dataclass(frozen=True)
class Difference:
    """Two methods on the same videos."""

    ours: str
    """The method that is meant to be better."""
    theirs: str
    """The one it is compared with."""
    role: Role
    """On which classes."""
    difference: PairedDifference
    """Ours - theirs."""


@dataclass(frozen=True)
class EpochCurve:
    """Accuracy after each epoch, measured afterwards from the weights kept."""

    epochs: tuple[int, ...]
    """1 is after the first pass; 0, before training, is allowed."""
    base: tuple[float, ...]
    """Accuracy on base classes, as long as epochs."""
    novel: tuple[float, ...]
    """Accuracy on novel classes, as long as epochs; may be empty."""
    loss: tuple[float, ...] = ()
    """Mean training loss of each epoch from 1; may be empty."""
    method: str = "MOV"
    """Which row of the table it leads to, with beta and tau_v where they matter."""


@dataclass(frozen=True)
class ClassChange:
    """One class before and after."""

    name: str
    """The class."""
    role: Role
    """Trained on, or not."""
    before: float
    """Accuracy of frozen CLIP."""
    after: float
    """Accuracy of MOV."""
    count: int
    """Test videos of the class."""

    @property
    def change(self) -> float:
        """After - before."""
        return self.after - self.before


@dataclass(frozen=True)
class SweepPoint:
    """One temperature."""

    tau_v: float
    """Temperature of the frozen video in equation 11."""
    fused: Proportion
    """Accuracy of equation 12 at that temperature."""


@dataclass(frozen=True)
class TauSweep:
    """How the temperature of the frozen video decides what fusion gives (table 8)."""

    frozen_video: Proportion
    """`v` alone."""
    extra: Proportion
    """`x_m` alone."""
    points: tuple[SweepPoint, ...]
    """In the order shown."""
    beta: float
    """Weight of the extra modality."""
    role: Role = "novel"
    """On which classes."""


@dataclass(frozen=True)
class Answer:
    """What one source answered to one video."""

    source: str
    """Such as "frozen video", "flow", "MOV"."""
    names: tuple[str, ...]
    """Most probable first; as many as are to be shown."""
    probabilities: tuple[float, ...]
    """Theirs."""
    true_rank: int | None = None
    """Rank of the true class, where known; shown where it is not among `names`."""


@dataclass(frozen=True)
class Example:
    """One video: what went in and what came out. Serves test videos and predictions alike."""

    video_id: str
    """Id or file name."""
    answers: tuple[Answer, ...]
    """What each modality, then the fused model, answered."""
    label: str | None = None
    """The true class, where known."""
    role: Role | None = None
    """Of the true class."""
    frames: UInt8[np.ndarray, "time height width 3"] | None = field(default=None, repr=False, compare=False)
    """RGB."""
    flow_px: Float[np.ndarray, "pairs flow_height flow_width 2"] | None = field(default=None, repr=False, compare=False)
    """Displacement in pixels: rightwards, downwards."""
    max_displacement_px: float | None = None
    """The displacement shown in full colour; None takes what 1 % of this video's points exceed."""
    spectrogram: Float[np.ndarray, "bins columns"] | None = field(default=None, repr=False, compare=False)
    """Log-mel, any offset and scale; row 0 is the lowest pitch."""
    sound_seconds: float | None = None
    """Length of the sound in the spectrogram."""
    note: str = ""
    """Anything worth saying of this video."""


@dataclass(frozen=True)
class TaskReport:
    """One data set and one pair of modalities."""

    title: str
    """Such as "ShapesAV-Motion: video + flow"."""
    rows: tuple[MethodRow, ...]
    """The results table."""
    explanation: str = ""
    """One or two sentences on what this task asks."""
    paper: Extra | None = None
    """Whose published tables stand beside ours; None for none."""
    num_base_classes: int | None = None
    """For the share that guessing would get right."""
    num_novel_classes: int | None = None
    """The same."""
    differences: tuple[Difference, ...] = ()
    """Paired comparisons of rows."""
    curve: EpochCurve | None = None
    """Accuracy over epochs."""
    changes: tuple[ClassChange, ...] = ()
    """Every class; the report shows the extremes."""
    changes_of: str = "MOV"
    """Which row of the table the changes are about."""
    sweep: TauSweep | None = None
    """Table 8."""
    examples: tuple[Example, ...] = ()
    """A handful of test videos."""
    generalised: tuple[GeneralisedRow, ...] = ()
    """Every class a possible answer (appendix C)."""
    protocols: tuple[ProtocolRow, ...] = ()
    """More figures of every row under every protocol."""
    cross: tuple[CrossRow, ...] = ()
    """Full set, official splits and random halves of a data set that was not trained on."""
    confusions: tuple[ConfusionMap, ...] = ()
    """Which classes were taken for which."""
    reliabilities: tuple[Reliability, ...] = ()
    """Whether answers are right as often as they are sure."""

    def row(self, kind: MethodKind) -> MethodRow | None:
        """The first row of a kind, if there is one."""
        return next((row for row in self.rows if row.kind == kind), None)

    @property
    def headline(self) -> bool:
        """Whether there is both a frozen CLIP and a MOV to speak of at the top of the page."""
        return self.row("clip") is not None and self.row("mov") is not None


@dataclass(frozen=True)
class ReportContent:
    """Everything one report says."""

    title: str
    """The page's heading."""
    summary: str = ""
    """A sentence or two under it."""
    date: str = ""
    """As shown; the report looks at no clock."""
    facts: tuple[FactGroup, ...] = ()
    """Recipe, data, backbone and its identity, seeds, versions, machine."""
    steps: tuple[Step, ...] = ()
    """Wall times and command lines."""
    tasks: tuple[TaskReport, ...] = ()
    """One a data set."""
    predictions: tuple[Example, ...] = ()
    """Files that were predicted."""
    num_files: int | None = None
    """Files that were read in all, where known."""
    failures: tuple[Failure, ...] = ()
    """Files that could not be read."""
    notes: tuple[str, ...] = ()
    """Said at the foot: what these numbers are not."""


@dataclass(frozen=True)
class LearningCurve:
    """How a run learned, as it wrote it down itself; it may still be going on."""

    steps: tuple[float, ...]
    """Optimiser steps, counted from 1; the middle of each stretch that `loss` is the mean of."""
    loss: tuple[float, ...]
    """Mean training loss of a stretch, as long as steps."""
    epochs: tuple[int, ...]
    """Epochs done, counted from 1."""
    validation: tuple[float, ...]
    """Accuracy on validation clips after each, as long as epochs; empty where nothing validates."""


@dataclass(frozen=True)
class ComparedRun:
    """One run of a comparison."""

    name: str
    """As shown; unique."""
    rows: tuple[MethodRow, ...]
    """Its results."""
    settings: tuple[tuple[str, str], ...] = ()
    """Name and value of everything that may differ between runs."""
    curve: EpochCurve | None = None
    """Accuracy over epochs, measured afterwards."""
    learning: LearningCurve | None = None
    """How it learned."""


@dataclass(frozen=True)
class ComparisonContent:
    """Several runs side by side."""

    title: str
    """The page's heading."""
    runs: tuple[ComparedRun, ...]
    """In the order shown."""
    summary: str = ""
    """A sentence or two under the heading."""
    notes: tuple[str, ...] = ()
    """Said at the foot."""
    differences: tuple[Difference, ...] = ()
    """Paired comparisons, of runs about the same videos."""


def method_row(
    method: str, base: Evaluation | None, novel: Evaluation | None, *, kind: MethodKind = "other", note: str = ""
) -> MethodRow:
    """A row from what was measured on base and on novel clips."""
    on_base, on_novel = (evaluation.accuracy if evaluation else None for evaluation in (base, novel))
    return MethodRow(method, on_base, on_novel, kind, note)


def class_changes(before: Evaluation, after: Evaluation) -> tuple[ClassChange, ...]:
    """Every class that has videos, in the vocabulary's order. Raises ValueError where the two know other videos."""
    if [(r.video_id, r.label) for r in before.records] != [(r.video_id, r.label) for r in after.records]:
        raise ValueError(f"{before.what!r} and {after.what!r} are not about the same videos")
    was = {result.name: result.correct for result in before.classes}
    return tuple(
        ClassChange(new.name, new.role, was[new.name] / new.count, new.correct / new.count, new.count)
        for new in after.classes
        if new.count
    )
