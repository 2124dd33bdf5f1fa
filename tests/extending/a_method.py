"""A method from outside: a linear layer behind the frozen frames, starting as the identity (a linear probe of CLIP).

    frames --h_v (frozen)--> (rows, time, dim) --normalised, mean over time--> v --v + W v--> (rows, dim)

A method is a function or class from NetworkParts to a TrainedModel: from a ClipBatch to JointEmbeddings. What trains
is what requires a gradient; the loss, the class names, checkpoints and resuming are the library's.
"""

from collections.abc import Mapping

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from openmov import METHODS, JointEmbeddings, JointModel, Modality, NetworkParts, TrainableMethod
from openmov.model.joint import frame_average


class LinearProbe(JointModel):
    """Frozen frames, one trained matrix."""

    def __init__(self, parts: NetworkParts) -> None:
        super().__init__(
            parts.backbone,
            parts.recipe.model,
            [Modality.VIDEO],
            num_frames=parts.recipe.video.num_frames,
            with_video_encoder=parts.with_video_encoder,
            encoder_chunk=parts.encoder_chunk,
            with_heads=False,
        )
        self.probe = nn.Linear(parts.backbone.dim, parts.backbone.dim, bias=False)
        nn.init.zeros_(self.probe.weight)

    def join(
        self, frames: Mapping[Modality, Float[Tensor, "rows _ dim"]], present: Mapping[Modality, Bool[Tensor, "rows"]]
    ) -> JointEmbeddings:
        """The frozen average stands beside, so that results show it as their first row."""
        frozen = frame_average(frames[Modality.VIDEO])
        moved: Tensor = frozen + self.probe(frozen)
        return JointEmbeddings({Modality.VIDEO: moved}, present, frozen)


LINEAR_PROBE = TrainableMethod("Linear probe", LinearProbe, modality="video")


def register() -> None:
    """What an installed package does with an entry point in the group `openmov.methods`."""
    METHODS.register("linear_probe", LINEAR_PROBE)


def distance_from_start(state: Mapping[str, Tensor]) -> float:
    """How far the matrix has come from zero."""
    return float(torch.linalg.norm(state["probe.weight"]))
