"""MOV: a frozen video encoder, fine-tuned flow and sound encoders, temporal heads, asymmetric fusion (figure 2).

    frames   rgb --h_v (frozen)--> v --phi_v--> v_t --+-- attends to every x_t --> v_m
    flow     F ----h_f ----------> f --phi_f--> x_t --+-- attends to v ----------> x_m
    sound    A ----h_a ----------> a --MLP----> x_t --'

Before training v_m is exactly the average of CLIP's frame embeddings, and x_m that of the flow or sound embeddings.
Knows nothing of classes, losses or files.
"""

from collections.abc import Mapping

from jaxtyping import Bool, Float
from torch import Tensor

from openmov.config.schema import ModelConfig
from openmov.methods import FUSIONS
from openmov.model.backbones.base import Backbone
from openmov.model.joint import JointModel, frame_average, head_count
from openmov.types import JointEmbeddings, Modality


class MOV(JointModel):
    """The whole model of equations 1-8, for video with flow, sound or both.

    `num_frames` matters to learned positions alone; `with_video_encoder=False` leaves h_v out where every batch
    brings stored video embeddings; without gradient `encoder_chunk` frames are encoded at a time.
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
        modalities = [Modality(name) for name in config.modalities]
        if config.method != "mov" or Modality.VIDEO not in modalities or len(modalities) < 2:
            raise ValueError("MOV fuses video with flow, audio or both")
        super().__init__(
            backbone,
            config,
            modalities,
            num_frames=num_frames,
            with_video_encoder=with_video_encoder,
            encoder_chunk=encoder_chunk,
        )
        self.fuse = FUSIONS.get(config.fusion)(
            backbone.dim,
            extras=self.modalities[1:],
            num_heads=head_count(backbone, config),
            mlp_ratio=config.mlp_ratio,
        )

    def join(
        self, frames: Mapping[Modality, Float[Tensor, "rows _ dim"]], present: Mapping[Modality, Bool[Tensor, "rows"]]
    ) -> JointEmbeddings:
        """`frames` are v, f and a: (rows, time, dim)."""
        video = frames.get(Modality.VIDEO)
        fused = self.fuse(self.attend(frames), video, present)  # v_m and x_m: (rows, dim)
        return JointEmbeddings(fused, present, None if video is None else frame_average(video))


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
