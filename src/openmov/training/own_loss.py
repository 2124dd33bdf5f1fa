"""The objective of a method that has a loss, and a text side, of its own.

It is handed a function from embeddings and base classes' places to one loss a clip: what class names look like inside
that function it does not know, and no name beyond the base ones is in it. Knows nothing of networks, files or
optimisers.
"""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from openmov.training.objective import Loss, base_targets
from openmov.types import JointEmbeddings

LossesOfClips = Callable[[JointEmbeddings, Int[Tensor, "batch"], Sequence[str]], Float[Tensor, "batch"]]
"""Embeddings, places of the labels among the base names, and video ids, to one loss a clip."""


class OwnObjective:
    """Whatever the method minimises, for methods that look at one modality."""

    def __init__(self, names: Sequence[str], losses: LossesOfClips) -> None:
        """`names` are the base classes, in the order of the places that `losses` gets."""
        self._index = {name: place for place, name in enumerate(names)}
        self._losses = losses

    def __call__(
        self, embeddings: JointEmbeddings, labels: Sequence[str | None], video_ids: Sequence[str] = ()
    ) -> Loss:
        """Loss of clips with one view each; a clip without the modality has none.

        Raises VocabularyError for a label that is no base class and ManifestError for a missing one.
        """
        targets = torch.tensor(base_targets(self._index, labels, video_ids))
        ((modality, present),) = embeddings.present.items()
        losses = self._losses(embeddings, targets.to(present.device), video_ids)
        per_clip = torch.where(present, losses, losses.new_zeros(()))
        count = int(present.sum())
        return Loss(per_clip, count, {modality: float(per_clip.detach().sum())}, {modality: count})
