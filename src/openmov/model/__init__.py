"""The networks: from a ClipBatch to embeddings in the backbone's joint space.

    inputs --encoders--> (rows, time, dim) --heads--> (rows, time, dim) --fusion--> (rows, dim) --similarity--> scores

Never sees files, losses or metrics.
"""

from openmov.config.schema import ModelConfig
from openmov.model.backbones.base import Backbone
from openmov.model.joint import JointModel
from openmov.model.mov import MOV
from openmov.model.single import SingleModality
from openmov.model.trained import TrainedModel

__all__ = ["MOV", "JointModel", "SingleModality", "TrainedModel", "build_model"]


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
