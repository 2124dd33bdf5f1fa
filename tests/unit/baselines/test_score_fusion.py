"""Means of probabilities by hand."""

from collections.abc import Sequence
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from openmov.baselines.score_fusion import ScoreFusion
from openmov.text.vocabulary import Vocabulary
from openmov.types import ClipBatch, Modality, Scorer
from tiny_batches import make_batch

VOCABULARY = Vocabulary(("star",), ("ring",))


@dataclass(frozen=True)
class Says:
    """A Scorer that says the same of every clip."""

    answer: Sequence[float]
    modalities: frozenset[Modality]

    def score(self, batch: ClipBatch, vocabulary: Vocabulary) -> Tensor:
        assert len(vocabulary.names) == len(self.answer)
        return torch.tensor([list(self.answer)] * len(batch))


VIDEO, FLOW, AUDIO = (
    Says(answer, frozenset({modality}))
    for answer, modality in zip(([0.9, 0.1], [0.2, 0.8], [0.25, 0.75]), Modality, strict=True)
)


@pytest.mark.parametrize(
    ("scorers", "expected"),
    [([VIDEO, FLOW], [0.55, 0.45]), ([VIDEO, FLOW, AUDIO], [0.45, 0.55]), ([FLOW, FLOW], [0.2, 0.8])],
)
def test_it_is_the_mean_of_the_probabilities(scorers: list[Says], expected: list[float]) -> None:
    found = ScoreFusion(scorers).score(make_batch(Modality.VIDEO, size=3), VOCABULARY)
    torch.testing.assert_close(found, torch.tensor([expected] * 3))


@pytest.mark.parametrize("scorers", [[], [VIDEO]])
def test_fewer_than_two_are_refused(scorers: list[Says]) -> None:
    with pytest.raises(ValueError, match="at least two"):
        ScoreFusion(scorers)


def test_it_looks_at_what_any_of_them_looks_at() -> None:
    fusion = ScoreFusion([VIDEO, AUDIO])
    assert fusion.modalities == {Modality.VIDEO, Modality.AUDIO}
    assert isinstance(fusion, Scorer)


def test_it_fuses_fusions() -> None:
    nested = ScoreFusion([ScoreFusion([VIDEO, FLOW]), AUDIO])
    found = nested.score(make_batch(Modality.VIDEO, size=1), VOCABULARY)
    torch.testing.assert_close(found, torch.tensor([[0.4, 0.6]]))
    assert nested.modalities == frozenset(Modality)
