"""One modality on its own, as in table 5: its encoder, its temporal head, the mean over time.

Video only is the frozen encoder with a trained head; flow only and audio only fine-tune the encoder too.
Before training the answer is the plain average of the encoder's embeddings. Knows nothing of classes, losses or files.
"""

from collections.abc import Mapping

from jaxtyping import Bool, Float
from torch import Tensor

from openmov.config.schema import ModelConfig
from openmov.model.backbones.base import Backbone
from openmov.model.joint import JointModel
from openmov.types import JointEmbeddings, Modality


class SingleModality(JointModel):
    """`video_only`, `flow_only` or `audio_only`; arguments as in MOV.

    `frozen` of its answer stays empty: the one trained modality answers for base and for novel classes.
    """

    def __init__(
        self,
        backbone: Backbone,
        config: ModelConfig,
        *,
        num_frames: int = 16,
        with_video_encoder: bool = True,
        encoder_chunk: int = 32,
    ) -> None:
        if config.method == "mov":
            raise ValueError("a single modality is video_only, flow_only or audio_only")
        super().__init__(
            backbone,
            config,
            [Modality(config.method.removesuffix("_only"))],
            num_frames=num_frames,
            with_video_encoder=with_video_encoder,
            encoder_chunk=encoder_chunk,
        )

    def join(
        self, frames: Mapping[Modality, Float[Tensor, "rows _ dim"]], present: Mapping[Modality, Bool[Tensor, "rows"]]
    ) -> JointEmbeddings:
        attended = self.attend(frames)
        return JointEmbeddings({m: tokens.mean(dim=1) for m, tokens in attended.items()}, present)
