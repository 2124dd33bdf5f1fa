"""Figures of merit: arrays in, numbers out.

Shares are fractions between 0 and 1. Knows nothing of class names, networks or files.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int, Real

from openmov.text.vocabulary import Vocabulary

_Z95 = 1.959963984540054
"""Two-sided 95 % quantile of the standard normal distribution."""


@dataclass(frozen=True)
class Proportion:
    """A share of samples, with what is known of its uncertainty."""

    value: float
    """Fraction, 0-1."""
    low: float
    """Lower end of the 95 % interval."""
    high: float
    """Upper end of the 95 % interval."""
    count: int
    """Samples it is a share of."""


@dataclass(frozen=True)
class PairedDifference:
    """How much one answer is better than another on the same samples."""

    mean: float
    """Mean difference, a fraction: +0.02 is two points."""
    low: float
    """Lower end of the 95 % bootstrap interval."""
    high: float
    """Upper end of the 95 % bootstrap interval."""
    p: float
    """Two-sided p value of "no difference"."""
    count: int
    """Samples that were paired."""


def wilson_interval(correct: int, count: int) -> tuple[float, float]:
    """95 % interval of a binomial share (Wilson 1927, no continuity correction).

    Raises ValueError where there is no sample, or more correct ones than samples.
    """
    if not 0 <= correct <= count or count == 0:
        raise ValueError(f"{correct} of {count} is not a share")
    share, z2 = correct / count, _Z95**2
    centre = (share + z2 / (2 * count)) / (1 + z2 / count)
    half = _Z95 / (1 + z2 / count) * math.sqrt(share * (1 - share) / count + z2 / (4 * count**2))
    low = 0.0 if correct == 0 else centre - half  # exact ends, where rounding would give 1e-17
    high = 1.0 if correct == count else centre + half
    return low, high


def proportion(correct: int, count: int) -> Proportion:
    """`correct` of `count` with its 95 % interval. Raises ValueError as `wilson_interval`."""
    low, high = wilson_interval(correct, count)
    return Proportion(correct / count, low, high, count)


def accuracy(correct: Bool[np.ndarray, "samples"]) -> Proportion:
    """Share of samples that are right. Raises ValueError where there is none."""
    return proportion(int(correct.sum()), len(correct))


def order_of_answers(probabilities: Float[np.ndarray, "samples classes"]) -> Int[np.ndarray, "samples classes"]:
    """Classes from most to least probable; equal ones stay in the vocabulary's order."""
    return np.asarray(np.argsort(-probabilities, axis=1, kind="stable"))


def true_ranks(
    probabilities: Float[np.ndarray, "samples classes"], labels: Int[np.ndarray, "samples"]
) -> Int[np.ndarray, "samples"]:
    """Rank of the true class, 1 being the answer.

    Of equally probable classes the first in the vocabulary goes first, so a scorer that says nothing is right by
    chance, not always.
    """
    found: np.ndarray = order_of_answers(probabilities) == labels[:, None]
    return np.asarray(found.argmax(axis=1) + 1)


def top_k_accuracy(ranks: Int[np.ndarray, "samples"], k: int) -> Proportion:
    """Share of samples whose true class is among the first k answers. Raises ValueError where there is no sample."""
    return accuracy(ranks <= k)


def per_class_accuracy(
    labels: Int[np.ndarray, "samples"], correct: Bool[np.ndarray, "samples"], num_classes: int
) -> Float[np.ndarray, "classes"]:
    """Accuracy of each class; NaN for a class without samples."""
    counts = np.bincount(labels, minlength=num_classes)
    hits = np.bincount(labels, weights=correct, minlength=num_classes)
    return np.asarray(np.divide(hits, counts, out=np.full(num_classes, np.nan), where=counts > 0))


def mean_class_accuracy(labels: Int[np.ndarray, "samples"], correct: Bool[np.ndarray, "samples"]) -> float:
    """Mean over the classes that have samples. Raises ValueError where there is no sample."""
    if len(labels) == 0:
        raise ValueError("no sample to take a mean over")
    return float(np.nanmean(per_class_accuracy(labels, correct, int(labels.max()) + 1)))


def harmonic_mean(first: float, second: float) -> float:
    """2ab / (a + b): high only where both are; 0 where both are 0."""
    return 2 * first * second / (first + second) if first + second else 0.0


def confusion_matrix(
    labels: Int[np.ndarray, "samples"], answers: Int[np.ndarray, "samples"], num_classes: int
) -> Int[np.ndarray, "classes classes"]:
    """Counts: row the true class, column the answer."""
    return np.bincount(labels * num_classes + answers, minlength=num_classes**2).reshape(num_classes, num_classes)


def paired_bootstrap(
    ours: Real[np.ndarray, "samples"] | Bool[np.ndarray, "samples"],
    theirs: Real[np.ndarray, "samples"] | Bool[np.ndarray, "samples"],
    *,
    resamples: int = 10_000,
    seed: int = 0,
) -> PairedDifference:
    """Mean of ours - theirs over the same samples, with a 95 % percentile interval and a two-sided p value.

    Takes correctness (0 / 1), or its mean over training seeds. Samples with the same difference are interchangeable, so
    a resample is one multinomial draw of how often each difference occurs. The p value is
    2 (1 + min(#{resampled mean <= 0}, #{>= 0})) / (resamples + 1), at most 1.
    Raises ValueError where there is no sample.
    """
    count = len(ours)
    if count == 0:
        raise ValueError("no sample to compare")
    values, times = np.unique(ours.astype(np.float64) - theirs.astype(np.float64), return_counts=True)
    draws = np.random.default_rng(seed).multinomial(count, times / count, size=resamples)
    means = draws @ values / count
    low, high = np.quantile(means, (0.025, 0.975))
    tail = min(int((means <= 0).sum()), int((means >= 0).sum()))
    p = min(1.0, 2 * (1 + tail) / (resamples + 1))
    return PairedDifference(float(times @ values / count), float(low), float(high), p, count)


NUM_BINS = 15


@dataclass(frozen=True)
class ConfidenceBin:
    """The samples whose answer had a probability in (low, high]; a bin without samples is left out."""

    low: float
    """Exclusive, but for the first bin, which holds 0."""
    high: float
    """Inclusive."""
    confidence: float
    """Mean probability of the answers."""
    accuracy: float
    """Share of the answers that are right."""
    count: int
    """Samples."""


def confidence_bins(
    confidences: Float[np.ndarray, "samples"], correct: Bool[np.ndarray, "samples"], num_bins: int = NUM_BINS
) -> tuple[ConfidenceBin, ...]:
    """Samples by the probability of their answer, in bins of equal width.

    Raises ValueError for a confidence that is not a probability (a hair above 1, as rounding makes it, is 1).
    """
    if len(confidences) and not (confidences.min() >= 0 and confidences.max() <= 1 + 1e-3):
        raise ValueError("a confidence is not a probability")
    sure = np.minimum(confidences, 1.0)
    places = np.clip(np.ceil(sure * num_bins).astype(int) - 1, 0, num_bins - 1)
    found = []
    for place in np.unique(places).tolist():
        inside = places == place
        mean = float(sure[inside].mean())
        bounds = place / num_bins, (place + 1) / num_bins
        found.append(ConfidenceBin(*bounds, mean, float(correct[inside].mean()), int(inside.sum())))
    return tuple(found)


def expected_calibration_error(bins: tuple[ConfidenceBin, ...]) -> float:
    """0 where every bin is right as often as it is sure. Raises ValueError where there is no sample."""
    total = sum(one.count for one in bins)
    if total == 0:
        raise ValueError("no sample to be sure of")
    return sum(one.count * abs(one.accuracy - one.confidence) for one in bins) / total


HALF_SEEDS = tuple(range(10))
"""One random half each."""


@dataclass(frozen=True)
class Spread:
    """Several measurements of one thing."""

    mean: float
    """Their mean."""
    deviation: float
    """Their standard deviation as numpy.std gives it (divided by n): what papers quote for these protocols."""
    values: tuple[float, ...]
    """In their order."""


def spread(values: Sequence[float]) -> Spread:
    """Mean and standard deviation. Raises ValueError where there is no value."""
    if not values:
        raise ValueError("no measurement to take a mean of")
    return Spread(float(np.mean(values)), float(np.std(values)), tuple(values))


def random_half(num_classes: int, seed: int) -> Int[np.ndarray, "half"]:
    """Which classes are drawn, by position; nothing is left in NumPy's own generator."""
    drawn = np.random.RandomState(seed).permutation(num_classes)
    return np.asarray(drawn[: num_classes // 2])


def half_vocabulary(vocabulary: Vocabulary, seed: int) -> Vocabulary:
    """The drawn half of the names, in their own order, all novel. Raises VocabularyError for a single class."""
    chosen = set(random_half(len(vocabulary.names), seed).tolist())
    names = tuple(name for place, name in enumerate(vocabulary.names) if place in chosen)
    return Vocabulary((), names, vocabulary.prompts)
