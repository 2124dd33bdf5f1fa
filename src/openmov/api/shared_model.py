"""A trained model as a folder that can be given away, in the Hugging Face convention.

    config.json         what it is: recipe, backbone (by name and hash), base classes, calibration, how it was trained
    model.safetensors   what was trained, and nothing else
    README.md           the model card

Nothing in it is code, nothing is unpickled, and the backbone's weights are not in it: they have a licence and a home of
their own, and their hash is compared when the model is opened.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import ConfigDict, TypeAdapter, ValidationError

from openmov.config.faults import describe
from openmov.config.schema import Recipe
from openmov.documents import MEGABYTE, DocumentError, parse_json, read_json, read_text
from openmov.errors import CheckpointError
from openmov.model.backbones.folder import BUNDLED
from openmov.prediction.base_novel import NovelPath
from openmov.prediction.unknown import Thresholds
from openmov.runtime.checkpoint import finite, load_tensors
from openmov.runtime.hub import is_hub_name
from openmov.text.prompts import require_bundled

CONFIG_FILE, WEIGHTS_FILE, CARD_FILE = "config.json", "model.safetensors", "README.md"
MODEL_TYPE = "openmov"
_LARGEST_CONFIG_BYTES = 16 * MEGABYTE
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
        if name is None:
            _refuse_path(self.folder / CONFIG_FILE, "backbone", self.recipe.backbone.name)
        elsewhere = self.recipe.backbone.moved(name, revision, safetensors_only=safetensors_only)
        return replace(self, recipe=self.recipe.model_copy(update={"backbone": elsewhere}))

    def weights(self) -> dict[str, torch.Tensor]:
        """What was trained. Raises CheckpointError."""
        path = self.folder / WEIGHTS_FILE
        return finite(load_tensors(path), path)


def is_shared(folder: Path) -> bool:
    """Whether a folder holds such a model, of whatever version."""
    try:
        facts = read_json(folder / CONFIG_FILE, _LARGEST_CONFIG_BYTES)
    except DocumentError:
        return not (folder / "run.json").exists()  # damaged: opening it says what is wrong
    except (OSError, ValueError):
        return False
    return isinstance(facts, dict) and facts.get("model_type") == MODEL_TYPE


def open_shared(folder: Path) -> SharedModel:
    """Reads a folder's config.json. Raises CheckpointError."""
    path = folder / CONFIG_FILE
    try:
        text = read_text(path, _LARGEST_CONFIG_BYTES)
        version = parse_json(text).get("format_version")
    except DocumentError as error:
        raise CheckpointError(path, error.what, "fetch the model again") from error
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
    require_bundled(config.prompts, path, CheckpointError)
    for prompts in (recipe.baselines.prompts, recipe.backbone.sound_prompts):
        if prompts is not None:
            require_bundled(prompts, path, CheckpointError)
    if recipe.backbone.sound is not None:
        _refuse_path(path, "sound tower", recipe.backbone.sound)
    return SharedModel(folder, config, recipe)


def _refuse_path(path: Path, what: str, name: str) -> None:
    """What comes from elsewhere may name models of the hub and bundled ones, and no place on this machine."""
    if name not in (*BUNDLED, "conse") and not (is_hub_name(name) and ".." not in name):
        raise CheckpointError(
            path, f"names a local folder as its {what} ({name[:60]!r})", "say where it lies: --backbone"
        )


def config_text(config: SharedConfig) -> str:
    """The content of config.json."""
    return _CONFIG.dump_json(config, indent=1).decode() + "\n"
