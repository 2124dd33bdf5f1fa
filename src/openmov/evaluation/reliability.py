"""Whether answers are right as often as they are sure: bins of confidence, and the expected calibration error.

ECE = sum over bins of (share of samples) * |accuracy - mean confidence|   (Guo et al. 2017, 15 bins of equal width)

Knows nothing of class names, networks or files.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

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

    Raises ValueError for a confidence that is no probability (a hair above 1, as rounding makes it, is 1).
    """
    if len(confidences) and not (confidences.min() >= 0 and confidences.max() <= 1 + 1e-3):
        raise ValueError("a confidence is no probability")
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
