"""Pretrained models that compare sound with words, one adapter a family; beside a backbone, or as its own sound side.

name --resolve_model--> folder --read_contents--> ModelContents --SOUND_FAMILIES--> loader --load--> SoundTower
"""

from dataclasses import replace
from importlib import import_module
from typing import Any

from openmov.errors import BackboneError
from openmov.model.backbones.base import SoundTower
from openmov.model.backbones.contents import ModelContents, read_contents
from openmov.model.backbones.folder import resolve_model
from openmov.model.backbones.source import source_of

SOUND_FAMILIES: dict[str, str] = {
    "clap": "openmov.model.backbones.clap:CLAPTower",
    "pe_audio": "openmov.model.backbones.pe_av:PEAVTower",
    "pe_audio_video": "openmov.model.backbones.pe_av:PEAVTower",
}
"""`ModelContents.kind` -> module:class, whose class method `load(name, contents)` makes a SoundTower."""


def load_sound_tower(name: str, revision: str | None = None, *, safetensors_only: bool = False) -> SoundTower:
    """The sound tower called `name`: a hub name or a local folder. Raises BackboneError."""
    folder, commit = resolve_model(name, revision, safetensors_only=safetensors_only)
    contents = read_contents(name, folder)
    loader = _loader_of(name, contents)
    if contents.weights_format != "safetensors":
        from openmov.model.backbones.weights import safetensors_of

        files = safetensors_of(contents, safetensors_only=safetensors_only, name=name)
        contents = replace(contents, weights=files, weights_format="safetensors")
    tower: SoundTower = loader.load(name, contents)
    tower.source = source_of(name, folder, commit)
    return tower


def _loader_of(name: str, contents: ModelContents) -> Any:
    from openmov.model.backbones import FAMILIES

    place = SOUND_FAMILIES.get(contents.kind)
    if place is None and contents.kind in FAMILIES:
        what = f"understands pictures, not sound (it holds a model of type {contents.kind!r})"
        raise BackboneError(name, what, "give it as --backbone, and a CLAP or PE-AV as --sound")
    if place is None:
        what = f"holds a model of type {contents.kind!r}, which is not known to embed sound and words in one space"
        raise BackboneError(name, what, f"give one of {', '.join(sorted(SOUND_FAMILIES))}")
    module, _, attribute = place.partition(":")
    return getattr(import_module(module), attribute)
