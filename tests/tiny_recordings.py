"""Embeddings whose answers are known by hand: two or more classes at right angles, vectors along one of them."""

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from openmov.scoring.embeddings import Embeddings
from openmov.text.vocabulary import Vocabulary
from openmov.types import ClassEmbeddings, ClipBatch, JointEmbeddings, Modality

NAMES = ("archery", "biking", "cooking", "diving")
TAU = 1 / math.log(3)
"""At this temperature a vector along one of two classes at right angles gives probabilities 3/4 and 1/4."""


def towards(name: str, length: float = 1.0) -> list[float]:
    """A vector along the direction of a class."""
    return [length * (other == name) for other in NAMES]


class RightAngles:
    """Embeds class names as axes; keeps the vocabularies it was asked for."""

    def __init__(self) -> None:
        self.asked: list[Vocabulary] = []

    def __call__(self, vocabulary: Vocabulary) -> ClassEmbeddings:
        self.asked.append(vocabulary)
        return ClassEmbeddings(vocabulary.names, torch.tensor([towards(name) for name in vocabulary.names]))


class EchoNet(nn.Module):
    """Takes the inputs of a batch, (batch, views, dim), as embeddings; `frozen` is twice the video."""

    def forward(self, batch: ClipBatch) -> JointEmbeddings:
        rows = {modality: inputs.flatten(0, 1) for modality, inputs in batch.inputs.items()}
        views = next(iter(batch.inputs.values())).shape[1]
        present = {modality: batch.present[modality].repeat_interleave(views) for modality in rows}
        return JointEmbeddings(rows, present, 2 * rows[Modality.VIDEO] if Modality.VIDEO in rows else None)


def echo_batch(
    video_ids: Sequence[str], inputs: Mapping[Modality, Tensor], labels: Sequence[str | None] = ()
) -> ClipBatch:
    """A batch in which every clip has every modality given."""
    present = {modality: torch.ones(len(video_ids), dtype=torch.bool) for modality in inputs}
    return ClipBatch(tuple(video_ids), inputs, present, None, tuple(labels) or (None,) * len(video_ids))


def recording(
    labels: Sequence[str | None],
    *,
    frozen: Sequence[Sequence[float]] | None = None,
    views: int = 1,
    **fused: Sequence[Sequence[float]],
) -> Embeddings:
    """Clips clip0, clip1 ...; `video`, `flow`, `audio` and `frozen` are one row a view."""
    rows = {Modality(name): torch.tensor(values) for name, values in fused.items()}
    present = {modality: torch.ones(len(values), dtype=torch.bool) for modality, values in rows.items()}
    embeddings = JointEmbeddings(rows, present, None if frozen is None else torch.tensor(frozen))
    return Embeddings(tuple(f"clip{i}" for i in range(len(labels))), tuple(labels), views, embeddings)
