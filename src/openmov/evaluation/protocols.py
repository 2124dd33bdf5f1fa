"""Which classes and clips a protocol takes, and what is said of repeated measurements: pure arithmetic.

    random halves   numpy.random.seed(i); numpy.random.permutation(n)[: n // 2]   for i = 0 ... 9   (UCF*, HMDB*)

The classes are counted in the data set's own order. Knows nothing of scorers and files.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from openmov.text.vocabulary import Vocabulary

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
