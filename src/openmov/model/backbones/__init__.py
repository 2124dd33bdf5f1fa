"""Pretrained vision-language models, one adapter a family. Each is imported when it is asked for, and not before."""

from openmov.config.schema import BackboneConfig
from openmov.errors import BackboneError
from openmov.model.backbones.base import Backbone, ImageEncoder, PatchImageEncoder

__all__ = ["CONSE", "Backbone", "ImageEncoder", "PatchImageEncoder", "load_backbone"]

CONSE = "conse"
"""Name of the backbone that needs no hub (extra `offline`)."""


def load_backbone(config: BackboneConfig) -> Backbone:
    """The backbone a recipe names. Raises BackboneError."""
    if config.name == CONSE:
        if config.revision is not None:
            raise BackboneError(CONSE, "its files are pinned, it has no revisions", "leave out the revision")
        from openmov.model.backbones.conse import ConSEBackbone

        return ConSEBackbone.load()
    from openmov.model.backbones.clip import CLIPBackbone  # seconds: it brings transformers

    return CLIPBackbone.load(config.name, config.revision)
