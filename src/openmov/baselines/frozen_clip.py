"""CLIP without training: cos(mean over frames of normalised frame embeddings, class name).

The row "CLIP" of tables 1, 2, 3, 8 and 9: an answer rule over the frozen video embeddings, the same on the base and
on the novel path. Knows nothing of other modalities.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from openmov.model.backbones import Backbone
from openmov.model.class_embeddings import class_probabilities
from openmov.model.encoders import FrozenFrameEncoder
from openmov.model.joint import frame_average
from openmov.text.vocabulary import Vocabulary
from openmov.types import ClassEmbeddings, ClipBatch, JointEmbeddings, Modality


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


class FrozenCLIP(nn.Module):
    """The network of that rule: the frozen video encoder and nothing else."""

    def __init__(self, backbone: Backbone, encoder_chunk: int = 32) -> None:
        super().__init__()
        self.encoder = FrozenFrameEncoder(backbone.image_encoder(), backbone.dim, chunk=encoder_chunk)

    def forward(self, batch: ClipBatch) -> JointEmbeddings:
        """Frame averages, one row a view. Raises ValueError for a batch without video."""
        if batch.frozen is None and Modality.VIDEO not in batch.inputs:
            raise ValueError("frozen CLIP answers from video alone, and the batch holds none")
        v = batch.frozen if batch.frozen is not None else batch.inputs[Modality.VIDEO]
        frames = v.flatten(0, 1) if batch.frozen is not None else self.encoder(v.flatten(0, 1))
        present = batch.present[Modality.VIDEO].repeat_interleave(v.shape[1])
        return self.join({Modality.VIDEO: frames}, {Modality.VIDEO: present})

    def join(
        self, frames: Mapping[Modality, Float[Tensor, "rows _ dim"]], present: Mapping[Modality, Bool[Tensor, "rows"]]
    ) -> JointEmbeddings:
        """Frame averages of v: everything after the encoder."""
        return JointEmbeddings({}, present, frame_average(frames[Modality.VIDEO]))

    def encode_inputs(self, modality: Modality, inputs: Float[Tensor, "rows ..."]) -> Float[Tensor, "rows _ dim"]:
        """v of frames, for callers who put windows together themselves. Raises ValueError for another modality."""
        if modality is not Modality.VIDEO:
            raise ValueError(f"frozen CLIP looks at video, not {modality}")
        embedded: Tensor = self.encoder(inputs)
        return embedded
