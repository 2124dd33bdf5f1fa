"""One modality's encoder fine-tuned, text fixed, embeddings averaged: the curves of figure 1.

    inputs --h (trained)--> (rows, time, dim) --normalised, mean over time--> (rows, dim)

Before training, the video's is frozen CLIP. Knows nothing of classes, losses or files.
"""

from collections.abc import Mapping

from jaxtyping import Bool, Float
from torch import Tensor

from openmov.methods import METHODS
from openmov.model.joint import JointModel, frame_average
from openmov.model.trained import NetworkParts
from openmov.types import JointEmbeddings, Modality


class FineTuned(JointModel):
    """`finetune_video`, `finetune_flow` and `finetune_audio`; also the picture side of other methods.

    `model.trainable_layers` says how much of the encoder trains. The video's is frozen where the method says so, and
    then its frame average stands in `frozen` too.
    """

    def __init__(self, parts: NetworkParts) -> None:
        config = parts.recipe.model
        trains_video = METHODS.get(config.method).trains_video
        super().__init__(
            parts.backbone,
            config,
            [Modality(name) for name in config.modalities],
            num_frames=parts.recipe.video.num_frames,
            with_video_encoder=parts.with_video_encoder,
            encoder_chunk=parts.encoder_chunk,
            trains_video=trains_video,
            with_heads=False,
        )
        self.keeps_frozen = Modality.VIDEO in self.modalities and not trains_video

    def join(
        self, frames: Mapping[Modality, Float[Tensor, "rows _ dim"]], present: Mapping[Modality, Bool[Tensor, "rows"]]
    ) -> JointEmbeddings:
        averages = {modality: frame_average(tokens) for modality, tokens in frames.items()}
        return JointEmbeddings(averages, present, averages.get(Modality.VIDEO) if self.keeps_frozen else None)
