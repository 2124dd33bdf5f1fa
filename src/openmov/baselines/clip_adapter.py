"""CLIP-Adapter (Gao et al. 2021): a small network after each frozen encoder, mixed with what the encoder says.

    x <- r * A(x) + (1 - r) * x      A: Linear(c, c/4), ReLU, Linear(c/4, c), ReLU, no biases

One for the video's frame average and one for the class vectors, as the paper compares with it. With r = 0 it is CLIP.
Takes any backbone: it never looks inside. Knows nothing of files.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from openmov.baselines.text_head import TextHeadModel
from openmov.model.trained import NetworkParts
from openmov.text.vocabulary import Vocabulary
from openmov.types import ClassEmbeddings, JointEmbeddings, Modality

_REDUCTION = 4


class Adapter(nn.Module):
    """r * A(x) + (1 - r) * x."""

    def __init__(self, dim: int, ratio: float) -> None:
        super().__init__()
        self.ratio = ratio
        hidden = max(1, dim // _REDUCTION)
        self.layers = nn.Sequential(
            nn.Linear(dim, hidden, bias=False), nn.ReLU(), nn.Linear(hidden, dim, bias=False), nn.ReLU()
        )

    def forward(self, features: Float[Tensor, "rows dim"]) -> Float[Tensor, "rows dim"]:
        adapted: Tensor = self.layers(features)
        return self.ratio * adapted + (1 - self.ratio) * features


class CLIPAdapter(TextHeadModel):
    """`clip_adapter`."""

    def __init__(self, parts: NetworkParts) -> None:
        super().__init__(parts)
        dim, ratio = parts.backbone.dim, parts.recipe.baselines.adapter_ratio
        self.of_video, self.of_names = Adapter(dim, ratio), Adapter(dim, ratio)
        self._embed_classes, self._prompts = parts.embed_classes, parts.recipe.baselines.prompts

    def join(
        self, frames: Mapping[Modality, Float[Tensor, "rows _ dim"]], present: Mapping[Modality, Bool[Tensor, "rows"]]
    ) -> JointEmbeddings:
        plain = super().join(frames, present)
        return replace(plain, fused={modality: self.of_video(rows) for modality, rows in plain.fused.items()})

    def classes(self, vocabulary: Vocabulary, clips: Sequence[str] = ()) -> ClassEmbeddings:
        """The frozen class vectors, mean over all templates, through the adapter."""
        frozen = self._embed_classes(replace(vocabulary, prompts=self._prompts or vocabulary.prompts)).vectors
        device = next(self.of_names.parameters()).device
        with torch.set_grad_enabled(bool(clips)):
            return ClassEmbeddings(vocabulary.names, F.normalize(self.of_names(frozen.to(device)), dim=-1))
