"""A trained model to answer with, from wherever it lies: a run folder, a shared folder, or the hub.

name --run.json--> run folder | --config.json--> shared model | --owner/model--> hub --> Trained
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import ConfigDict, TypeAdapter, ValidationError
from torch import Tensor

from openmov.build import Components, build_components
from openmov.config.load import describe
from openmov.config.schema import Recipe
from openmov.documents import MEGABYTE, DocumentError, parse_json, read_json, read_text
from openmov.errors import CheckpointError, RunFolderError
from openmov.model.backbones.folder import BUNDLED
from openmov.model.trained import TrainedModel
from openmov.runtime.checkpoint import finite, load_checkpoint, load_tensors
from openmov.runtime.hub import fetch_model, is_hub_name, raised_as
from openmov.scoring.paths import NovelPath
from openmov.scoring.unknown import Thresholds
from openmov.text.prompts import require_bundled
from openmov.training.runs import load_calibration, load_run, load_thresholds

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


_USUAL_FOLDERS = frozenset(
    (
        *(
            "run",
            "runs",
            "out",
            "output",
            "outputs",
            "result",
            "results",
            "model",
            "models",
            "checkpoint",
            "checkpoints",
        ),
        *("experiment", "experiments", "exp", "exps", "log", "logs", "work", "tmp", "data", "demo", "home"),
    )
)
"""What people call the folder above their runs; nobody of that name publishes models here."""


@dataclass(frozen=True)
class Trained:
    """A model whose weights fit the backbone that is there."""

    components: Components = field(repr=False)
    """Its recipe's parts."""
    base_classes: tuple[str, ...] = field(repr=False)
    """Names it was trained on."""
    prompts: str
    """Template set it was trained with."""
    calibration: NovelPath | None
    """beta, tau_x and tau_v chosen on held-out base classes, if they were."""
    thresholds: Thresholds
    """Where "none of these" begins."""
    weights: Callable[[], Mapping[str, Tensor]] = field(repr=False)
    """Reads what was trained. Raises CheckpointError."""

    def network(self, components: Components | None = None) -> TrainedModel:
        """The network with its weights, in eval mode; `components` in place of the recipe's own parts.

        Raises CheckpointError where they belong to something else.
        """
        network = (components or self.components).network()
        network.load_trained_state(self.weights())
        return network.eval()


def open_trained(
    where: str | Path, *, backbone: str | None = None, revision: str | None = None, safetensors_only: bool = False
) -> Trained:
    """The model of a run folder, a shared folder, or a hub name (`owner/model`, `owner/model@revision`).

    `backbone` says where its backbone lies now, if not where it lay in training; with `safetensors_only` one that is
    published as a pickle is refused. Raises RunFolderError,
    CheckpointError, BackboneError.
    """
    folder = Path(where)
    if not folder.exists() and is_hub_name(str(where)):
        _refuse_slip(str(where))
        with raised_as(CheckpointError):
            folder = fetch_model(str(where), [CONFIG_FILE, CARD_FILE])
            if not is_shared(folder):
                raise CheckpointError(where, "is a model of the hub, but none of openmov's", "give another name")
            folder = fetch_model(str(where), [WEIGHTS_FILE, CONFIG_FILE, CARD_FILE])
    if is_shared(folder):
        return _of_shared(open_shared(folder).with_backbone(backbone, revision, safetensors_only=safetensors_only))
    return _of_run(folder, backbone, revision, safetensors_only)


def _refuse_slip(text: str) -> None:
    """`runs/mine` reads like a name of the hub, and is a folder that is not there: nothing is asked of the hub.

    Raises RunFolderError.
    """
    owner = text.partition("/")[0]
    if Path(owner).is_dir() or owner.lower() in _USUAL_FOLDERS:
        hint = "give the folder that was the --out of openmov train"
        raise RunFolderError(text, f"is not a folder here, and {owner} is no owner of models on the hub", hint)


def _of_run(path: Path, backbone: str | None, revision: str | None, safetensors_only: bool) -> Trained:
    loaded = load_run(path, None, backbone=backbone, revision=revision, safetensors_only=safetensors_only)
    made, best = loaded.header.provenance, loaded.folder.best
    calibration, thresholds = load_calibration(path), load_thresholds(path)
    weights = _Checkpoint(best)
    return Trained(loaded.components, made.base_classes, made.prompts, calibration, thresholds, weights)


@dataclass(frozen=True)
class _Checkpoint:
    folder: Path

    def __call__(self) -> Mapping[str, Tensor]:
        return load_checkpoint(self.folder)[0]


def _of_shared(model: SharedModel) -> Trained:
    config, components = model.config, build_components(model.recipe, None)
    if components.backbone.identity != config.backbone_identity:
        name, found = model.recipe.backbone.name, components.backbone.identity
        what = f"was trained with another {name} ({config.backbone_identity}, this is {found})"
        raise CheckpointError(model.folder, what, "give the backbone it was trained with (--backbone)")
    facts = (config.base_classes, config.prompts, config.calibration, config.thresholds)
    return Trained(replace(components, classes=config.base_classes), *facts, model.weights)
