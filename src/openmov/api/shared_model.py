"""A trained model as a folder that can be given away, in the Hugging Face convention.

    config.json         what it is: recipe, backbone (by name and hash), base classes, calibration, how it was trained
    model.safetensors   what was trained, and nothing else
    README.md           the model card

Nothing in it is code, nothing is unpickled, and the backbone's weights are not in it: they have a licence and a home of
their own, and their hash is compared when the model is opened.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import ConfigDict, TypeAdapter, ValidationError

from openmov.config.faults import describe
from openmov.config.schema import Recipe
from openmov.errors import CheckpointError
from openmov.prediction.base_novel import NovelPath
from openmov.prediction.unknown import Thresholds
from openmov.runtime.checkpoint import load_tensors

CONFIG_FILE, WEIGHTS_FILE, CARD_FILE = "config.json", "model.safetensors", "README.md"
MODEL_TYPE = "openmov"
FORMAT_VERSION = 1
"""Raised whenever an older release would misread a newer folder."""


@dataclass(frozen=True)
class SharedConfig:
    """`config.json`."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    architectures: tuple[str, ...]
    """The one network: mov, video_only, flow_only or audio_only, as the hub wants it."""
    recipe: Mapping[str, Any] = field(repr=False)
    """As plain values."""
    backbone_identity: str
    """Hash of its weights and preprocessing."""
    base_classes: tuple[str, ...] = field(repr=False)
    """Names it was trained on."""
    prompts: str
    """Template set."""
    vocabulary_identity: str
    """Hash of the vocabulary trained on."""
    calibration: NovelPath | None
    """beta, tau_x and tau_v chosen on held-out base classes."""
    thresholds: Thresholds
    """Where "none of these" begins."""
    training: Mapping[str, Any] = field(repr=False)
    """Steps, epochs, validation, data: for people."""
    backbone_revision: str | None = None
    """Full commit hash of the hub's repository it came from in training."""
    backbone_licence: str = "unknown"
    """Under which its weights are published."""
    model_type: Literal["openmov"] = "openmov"
    """What tells such a folder from any other."""
    format_version: int = FORMAT_VERSION
    """Of this file."""


_CONFIG = TypeAdapter(SharedConfig)


@dataclass(frozen=True)
class SharedModel:
    """An opened folder."""

    folder: Path
    """Where it is."""
    config: SharedConfig
    """What it says of itself."""
    recipe: Recipe = field(repr=False)
    """Checked."""

    def with_backbone(self, name: str | None, revision: str | None, *, safetensors_only: bool = False) -> "SharedModel":
        """The same, its backbone elsewhere than the recipe says, or no pickle."""
        elsewhere = self.recipe.backbone.moved(name, revision, safetensors_only=safetensors_only)
        return replace(self, recipe=self.recipe.model_copy(update={"backbone": elsewhere}))

    def weights(self) -> dict[str, torch.Tensor]:
        """What was trained. Raises CheckpointError."""
        return load_tensors(self.folder / WEIGHTS_FILE)


def is_shared(folder: Path) -> bool:
    """Whether a folder holds such a model, of whatever version."""
    try:
        facts = json.loads((folder / CONFIG_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(facts, dict) and facts.get("model_type") == MODEL_TYPE


def open_shared(folder: Path) -> SharedModel:
    """Reads a folder's config.json. Raises CheckpointError."""
    path = folder / CONFIG_FILE
    try:
        text = path.read_text(encoding="utf-8")
        version = json.loads(text).get("format_version")
    except (OSError, ValueError, AttributeError) as error:
        raise CheckpointError(path, "cannot be read", "fetch the model again") from error
    if version != FORMAT_VERSION:
        what = f"has format version {version!r}, this is version {FORMAT_VERSION}"
        raise CheckpointError(path, what, "use the release of openmov that wrote it")
    try:
        config = _CONFIG.validate_json(text)
        recipe = Recipe.model_validate(dict(config.recipe))
    except ValidationError as error:
        what = f"is none of this release ({describe(error)[0]})"
        raise CheckpointError(path, what, "use the release of openmov that wrote it, or fetch it again") from error
    return SharedModel(folder, config, recipe)


def config_text(config: SharedConfig) -> str:
    """The content of config.json."""
    return _CONFIG.dump_json(config, indent=1).decode() + "\n"
