"""Score fusion: the mean of the probabilities of separately trained single-modality models (table 5).

What cross-attention has to beat. A Scorer made of Scorers; knows nothing of what is inside them.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from openmov.text.vocabulary import Vocabulary
from openmov.types import ClipBatch, Modality, Scorer


class ScoreFusion:
    """Averages the probabilities of at least two scorers, with equal weights."""

    def __init__(self, scorers: Sequence[Scorer]) -> None:
        """Raises ValueError for fewer than two."""
        if len(scorers) < 2:
            raise ValueError("score fusion takes at least two scorers")
        self.scorers = tuple(scorers)

    @property
    def modalities(self) -> frozenset[Modality]:
        return frozenset().union(*(scorer.modalities for scorer in self.scorers))

    def score(self, batch: ClipBatch, vocabulary: Vocabulary) -> Float[Tensor, "batch classes"]:
        return torch.stack([scorer.score(batch, vocabulary) for scorer in self.scorers]).mean(0)
