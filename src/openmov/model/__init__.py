"""The networks: from a ClipBatch to embeddings in the backbone's joint space.

    inputs --encoders--> (rows, time, dim) --heads--> (rows, time, dim) --fusion--> (rows, dim) --similarity--> scores

Never sees files, losses or metrics.
"""

from openmov.config.schema import ModelConfig
from openmov.methods import METHODS
from openmov.model.backbones.base import Backbone
from openmov.model.joint import JointModel
from openmov.model.mov import MOV, SingleModality
from openmov.model.trained import NetworkParts, TrainedModel

__all__ = ["MOV", "JointModel", "NetworkParts", "SingleModality", "TrainedModel", "build_model", "build_network"]


def build_network(parts: NetworkParts) -> TrainedModel:
    """The network of a recipe's method before training.

    Raises RecipeError for a method that is not known, or that backbone or recipe do not suit.
    """
    network: TrainedModel = METHODS.get(parts.recipe.model.method).build(parts)
    return network


def mov_network(parts: NetworkParts) -> MOV:
    """MOV of the recipe's modalities. Raises RecipeError."""
    return MOV(
        parts.backbone,
        parts.recipe.model,
        num_frames=parts.recipe.video.num_frames,
        with_video_encoder=parts.with_video_encoder,
        encoder_chunk=parts.encoder_chunk,
    )


def single_network(parts: NetworkParts) -> SingleModality:
    """`video_only`, `flow_only` or `audio_only`. Raises RecipeError."""
    return SingleModality(
        parts.backbone,
        parts.recipe.model,
        num_frames=parts.recipe.video.num_frames,
        with_video_encoder=parts.with_video_encoder,
        encoder_chunk=parts.encoder_chunk,
    )


def build_model(
    backbone: Backbone,
    config: ModelConfig,
    *,
    num_frames: int = 16,
    with_video_encoder: bool = True,
    encoder_chunk: int = 32,
) -> JointModel:
    """MOV, or one of its modalities on its own; arguments as in MOV. Raises RecipeError."""
    model = MOV if config.method == "mov" else SingleModality
    return model(
        backbone, config, num_frames=num_frames, with_video_encoder=with_video_encoder, encoder_chunk=encoder_chunk
    )
