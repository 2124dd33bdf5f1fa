"""A network that only answers: its image encoders in their fastest form, on the device and in the precision asked for.

    ClipBatch -> device -> encoders (dtype) -> heads, fusion (float32) -> JointEmbeddings, back on the processor

Heads and fusion take a few thousandths of the time and keep their precision. Knows nothing of where weights come from.
"""

from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from openmov.model.encoders import FrameEncoder
from openmov.runtime.compute import Compute
from openmov.types import ClipBatch, JointEmbeddings, Modality

_CPU = torch.device("cpu")


class Prepared(nn.Module):
    """Takes over `model`, which is not to be trained or saved afterwards; answers as it did, to within rounding."""

    def __init__(self, model: nn.Module, compute: Compute) -> None:
        super().__init__()
        self.compute = compute
        for module in list(model.modules()):
            if isinstance(module, FrameEncoder):
                module.prepare(compute.dtype)
        self.model: Any = model.requires_grad_(False).eval().to(compute.device)

    @torch.inference_mode()
    def forward(self, batch: ClipBatch) -> JointEmbeddings:
        """The model's embeddings, on the processor wherever they were computed."""
        embeddings: JointEmbeddings = self.model(batch.to(self.compute.device))
        return embeddings.to(_CPU)

    @torch.inference_mode()
    def encode_inputs(self, modality: Modality, inputs: Float[Tensor, "rows ..."]) -> Float[Tensor, "rows _ dim"]:
        """The model's embeddings of frames or windows of sound, for callers who put windows together themselves."""
        embedded: Tensor = self.model.encode_inputs(modality, inputs.to(self.compute.device))
        return embedded.to(_CPU)

    @torch.inference_mode()
    def join(
        self, frames: Mapping[Modality, Float[Tensor, "rows _ dim"]], present: Mapping[Modality, Bool[Tensor, "rows"]]
    ) -> JointEmbeddings:
        """Everything after the encoders."""
        device = self.compute.device
        held = {modality: rows.to(device) for modality, rows in frames.items()}
        masks = {modality: mask.to(device) for modality, mask in present.items()}
        embeddings: JointEmbeddings = self.model.join(held, masks)
        return embeddings.to(_CPU)
