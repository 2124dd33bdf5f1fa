"""CLIP without training: cos(mean over frames of normalised frame embeddings, class name).

The row "CLIP" of tables 1, 2, 3, 8 and 9: an answer rule over the frozen video embeddings, the same on the base and
on the novel path. Knows nothing of other modalities.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from openmov.model.similarity import class_probabilities
from openmov.text.vocabulary import Vocabulary
from openmov.types import ClassEmbeddings, JointEmbeddings, Modality


@dataclass(frozen=True)
class FrozenCLIPRule:
    """softmax(cos(mean of frozen frames, names) / tau)."""

    tau: float
    """The backbone's own temperature."""

    def __call__(
        self, embeddings: JointEmbeddings, classes: ClassEmbeddings, vocabulary: Vocabulary
    ) -> Float[Tensor, "rows classes"]:
        """Rows of probabilities; uniform for a clip without video, about which CLIP can say nothing.

        Raises ValueError where the network embedded no video at all.
        """
        if embeddings.frozen is None:
            raise ValueError("frozen CLIP needs the frozen video embeddings")
        rows = class_probabilities(embeddings.frozen, classes, self.tau)
        seen = embeddings.present[Modality.VIDEO][:, None]
        return torch.where(seen, rows, torch.full_like(rows, 1 / rows.shape[-1]))
