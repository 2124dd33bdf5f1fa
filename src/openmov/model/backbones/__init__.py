"""Pretrained vision-language models, one adapter a family."""

from openmov.config.schema import BackboneConfig
from openmov.model.backbones.base import Backbone, ImageEncoder
from openmov.model.backbones.clip import CLIPBackbone

__all__ = ["Backbone", "CLIPBackbone", "ImageEncoder", "load_backbone"]


def load_backbone(config: BackboneConfig) -> Backbone:
    """The backbone a recipe names. Raises BackboneError."""
    return CLIPBackbone.load(config.name, config.revision)
