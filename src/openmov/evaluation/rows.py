"""What a report says beyond the results table: each protocol's figures, confusion, calibration, other data sets.

Evaluations in, plain values out. Knows nothing of pages.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Int

from openmov.evaluation.metrics import ConfidenceBin, Proportion, Spread, harmonic_mean, spread
from openmov.evaluation.result import Evaluation

_NUM_PAIRS = 12


@dataclass(frozen=True)
class ProtocolRow:
    """One method under one protocol."""

    method: str
    """As shown."""
    protocol: str
    """Which clips and possible answers, in words."""
    top1: Proportion
    """Answered rightly."""
    top5: Proportion
    """The right class among the first five answers."""
    mean_class_accuracy: float
    """Mean of the accuracies of the classes that have videos."""
    calibration_error: float
    """ECE over 15 bins."""


@dataclass(frozen=True)
class GeneralisedRow:
    """One method where every class is a possible answer, base or novel."""

    method: str
    """As shown."""
    base: Proportion
    """Accuracy on clips of base classes."""
    novel: Proportion
    """Accuracy on clips of novel classes."""

    @property
    def harmonic(self) -> float:
        """Of the two."""
        return harmonic_mean(self.base.value, self.novel.value)


@dataclass(frozen=True)
class CrossRow:
    """One method on another data set, nothing trained any further."""

    method: str
    """As shown."""
    note: str
    """beta and tau_v, where they matter."""
    full: Proportion
    """Every clip, every name."""
    top5: Proportion
    """The same, among the first five answers."""
    mean_class_accuracy: float
    """The same, mean over classes."""
    splits: Mapping[int, Proportion]
    """The test clips of each official split that has videos here, by its number."""
    over_splits: Spread | None
    """Of those."""
    over_halves: Spread | None
    """Random halves of the classes, all their clips."""
    over_halves_of_split: Spread | None
    """The same, on the test clips of the first official split."""


@dataclass(frozen=True)
class ConfusionMap:
    """Which classes were taken for which."""

    method: str
    """Whose answers."""
    protocol: str
    """Which clips and possible answers, in words."""
    names: tuple[str, ...] = field(repr=False)
    """Row and column order."""
    counts: Int[np.ndarray, "classes classes"] = field(repr=False, compare=False)
    """Row the true class, column the answer."""
    pairs: tuple[tuple[str, str, int], ...]
    """True class, answer and count of the commonest mistakes."""


@dataclass(frozen=True)
class Reliability:
    """How often answers of each confidence are right."""

    method: str
    """Whose answers."""
    protocol: str
    """Which clips and possible answers, in words."""
    bins: tuple[ConfidenceBin, ...]
    """With samples, least sure first."""
    error: float
    """ECE."""


def protocol_row(method: str, protocol: str, found: Evaluation) -> ProtocolRow:
    """The figures of one evaluation."""
    return ProtocolRow(method, protocol, found.accuracy, found.top5, found.mean_class_accuracy, found.calibration_error)


def generalised_row(method: str, found: Evaluation) -> GeneralisedRow:
    """Base and novel clips apart. Raises ValueError where a role has no clip."""
    return GeneralisedRow(method, found.accuracy_of("base"), found.accuracy_of("novel"))


def cross_row(
    method: str,
    note: str,
    full: Evaluation,
    splits: Mapping[int, Evaluation],
    halves: Mapping[int, Evaluation],
    halves_of_split: Mapping[int, Evaluation],
) -> CrossRow:
    """The figures of one method on another data set."""
    return CrossRow(
        method,
        note,
        full.accuracy,
        full.top5,
        full.mean_class_accuracy,
        {number: found.accuracy for number, found in splits.items()},
        _spread(splits),
        _spread(halves),
        _spread(halves_of_split),
    )


def confusion_map(method: str, protocol: str, found: Evaluation) -> ConfusionMap:
    """Counts, and the commonest mistakes: by count, then in the vocabulary's order."""
    counts, names = found.confusion, found.class_names
    wrong = counts * (1 - np.eye(len(names), dtype=counts.dtype))
    order = np.argsort(-wrong, axis=None, kind="stable")[:_NUM_PAIRS]
    cells = [divmod(place, len(names)) for place in order.tolist() if wrong.flat[place] > 0]
    pairs = tuple((names[row], names[column], int(wrong[row, column])) for row, column in cells)
    return ConfusionMap(method, protocol, names, counts, pairs)


def reliability(method: str, protocol: str, found: Evaluation) -> Reliability:
    """The calibration curve of one evaluation."""
    return Reliability(method, protocol, found.confidence, found.calibration_error)


def _spread(found: Mapping[int, Evaluation]) -> Spread | None:
    return spread([one.accuracy.value for one in found.values()]) if found else None
