"""Pretrained vision-language models, one adapter a family. Each is imported when it is asked for, and not before.

    name --resolve_model--> folder --read_contents--> ModelContents --FAMILIES--> loader --load--> Backbone

Weights that are published as a pickle are converted on the way (`weights.py`), so that every loader reads safetensors.
"""

from dataclasses import replace
from importlib import import_module
from typing import Protocol, runtime_checkable

from openmov.config.schema import BackboneConfig
from openmov.errors import BackboneError
from openmov.model.backbones.auto import CONSE, load_auto, load_named
from openmov.model.backbones.base import Backbone, ImageEncoder, PatchImageEncoder
from openmov.model.backbones.contents import OPEN_CLIP, OPEN_CLIP_OTHER, ModelContents, read_contents
from openmov.model.backbones.folder import resolve_model
from openmov.model.backbones.sound import SOUND_FAMILIES, load_sound_tower
from openmov.model.backbones.source import ModelSource, source_of

__all__ = [
    "CONSE",
    "FAMILIES",
    "Backbone",
    "BackboneLoader",
    "ImageEncoder",
    "ModelContents",
    "ModelSource",
    "PatchImageEncoder",
    "load_backbone",
    "load_default",
    "load_sound_tower",
    "loader_of",
]

FAMILIES: dict[str, str] = {
    "clip": "openmov.model.backbones.clip:CLIPBackbone",
    "metaclip_2": "openmov.model.backbones.clip:CLIPBackbone",
    OPEN_CLIP: "openmov.model.backbones.open_clip:OpenCLIPBackbone",
    OPEN_CLIP_OTHER: "openmov.model.backbones.open_clip_generic:OpenCLIPModel",
    "siglip": "openmov.model.backbones.siglip:SigLIPBackbone",
    "siglip2": "openmov.model.backbones.siglip:SigLIPBackbone",
    "pe_audio_video": "openmov.model.backbones.pe_av:PEAVBackbone",
    "videoprism": "openmov.model.backbones.videoprism:VideoPrismBackbone",
    "xclip": "openmov.model.backbones.xclip:XCLIPBackbone",
}
"""Which code reads what a folder holds: `ModelContents.kind` -> module:class of a BackboneLoader, imported when it is
needed. Another family is one more row."""


@runtime_checkable
class BackboneLoader(Protocol):
    """What stands in FAMILIES: a class with a class method `load` that makes a Backbone."""

    def load(self, name: str, contents: ModelContents) -> Backbone:
        """In single precision whatever the weights are stored in; they are safetensors. Raises BackboneError."""
        ...


def load_backbone(config: BackboneConfig) -> Backbone:
    """The backbone a recipe names. Raises BackboneError; StorageError where there is no room for it."""
    return load_named(config, _load)


def load_default(*, safetensors_only: bool = False) -> Backbone:
    """The backbone that answers where nobody named one (`auto`). Raises BackboneError."""
    return load_auto(_load, safetensors_only=safetensors_only)


def _load(config: BackboneConfig) -> Backbone:
    if config.name == CONSE:
        if config.revision is not None:
            raise BackboneError(CONSE, "its files are pinned, it has no revisions", "leave out the revision")
        from openmov.model.backbones.conse import ConSEBackbone

        return ConSEBackbone.load()
    folder, revision = resolve_model(config.name, config.revision, safetensors_only=config.safetensors_only)
    contents = read_contents(config.name, folder)
    loader = loader_of(config.name, contents)
    if contents.weights_format != "safetensors":
        from openmov.model.backbones.weights import safetensors_of

        files = safetensors_of(contents, safetensors_only=config.safetensors_only, name=config.name)
        contents = replace(contents, weights=files, weights_format="safetensors")
    backbone = loader.load(config.name, contents)
    backbone.source = source_of(config.name, folder, revision)
    return backbone


def loader_of(name: str, contents: ModelContents) -> BackboneLoader:
    """The code that reads a folder. Raises BackboneError for a model of no family that is known."""
    place = FAMILIES.get(contents.kind)
    if place is None and contents.kind in SOUND_FAMILIES:
        what = f"understands sound, not pictures (it holds a model of type {contents.kind!r})"
        raise BackboneError(name, what, "give it as --sound, and a CLIP as --backbone")
    if place is None:
        raise BackboneError(name, _unknown(contents), f"give one of {', '.join(sorted(FAMILIES))}")
    module, _, attribute = place.partition(":")
    loader: BackboneLoader = getattr(import_module(module), attribute)
    return loader


def _unknown(contents: ModelContents) -> str:
    for half, other in (("vision", "words"), ("text", "pictures")):
        if contents.model_type.endswith(f"_{half}_model"):
            return f"holds half of a model ({contents.model_type}), which knows no {other}"
    what = "" if contents.kind == OPEN_CLIP else ", which is not known to embed pictures and words in one space"
    return f"holds a model of type {contents.kind!r}{what}"
