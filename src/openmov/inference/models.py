"""What `openmov models` does: the backbones known by name, one downloaded ahead, one looked at.

KNOWN, the hub's cache --> ListedModel    name --> fetched folder    folder --read, loaded--> CheckedModel

No picture goes through a network here.
"""

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from openmov.config.schema import BackboneConfig
from openmov.errors import BackboneError, OpenMovError
from openmov.model.backbones import CONSE, FAMILIES, Backbone, ModelSource, load_backbone
from openmov.model.backbones.conse_files import installed
from openmov.model.backbones.contents import ModelContents, read_contents
from openmov.model.backbones.download import fetch_model_folder, is_downloaded
from openmov.model.backbones.folder import BUNDLED, resolve_folder
from openmov.model.backbones.known import KNOWN, KnownModel, known_model
from openmov.model.backbones.sound import SOUND_FAMILIES, load_sound_tower
from openmov.model.backbones.source import is_non_commercial, source_of
from openmov.model.backbones.weights import safetensors_of


@dataclass(frozen=True)
class ListedModel:
    """A backbone of the table, and whether it is here."""

    model: KnownModel
    """What is known of it."""
    here: bool
    """Whether it is bundled, installed, or whole in the hub's cache."""
    disk_bytes: int | None = None
    """What its files take on this disk, where they are in the hub's cache."""

    @property
    def non_commercial(self) -> bool:
        """Whether its licence is known to forbid commercial use."""
        return is_non_commercial(self.model.licence)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        rest = {"non_commercial": self.non_commercial, "cached": self.here, "disk_bytes": self.disk_bytes}
        return {**asdict(self.model), **rest}


@dataclass(frozen=True)
class CheckedModel:
    """What a folder holds, and whether it loads."""

    name: str
    """As asked."""
    source: ModelSource
    """Licence and revision."""
    folder: Path | None = None
    """Where it lies; None for what is installed as a package."""
    contents: ModelContents | None = field(default=None, repr=False)
    """What the folder holds; None for what is installed as a package."""
    family: str = ""
    """As tables of results call it."""
    dim: int = 0
    """Width of the joint space."""
    image_size: int = 0
    """Side in pixels of its pictures; 0 where it looks at none."""
    fault: str = ""
    """Why it does not load, in one line; empty where it does."""

    @property
    def num_bytes(self) -> int:
        """Of the weights, as published."""
        return 0 if self.contents is None else sum(file.stat().st_size for file in self.contents.weights)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        told: dict[str, Any] = {"name": self.name, "loads": not self.fault, "fault": self.fault or None}
        if self.contents is not None:
            told |= {
                "folder": str(self.folder),
                "format": self.contents.format,
                "model_type": self.contents.model_type,
                "weights": [file.name for file in self.contents.weights],
                "weights_format": self.contents.weights_format,
                "num_bytes": self.num_bytes,
                "tokenizer": [file.name for file in self.contents.tokenizer_files],
            }
        if not self.fault:
            told |= {"family": self.family, "dim": self.dim, "image_size": self.image_size}
        return told | self.source.to_json()


def list_models() -> tuple[ListedModel, ...]:
    """Every backbone that is known by name; asks no network."""
    return tuple(_listed(model) for model in KNOWN)


def fetch_model(name: str, revision: str | None = None, *, safetensors_only: bool = False) -> CheckedModel:
    """Downloads a model of the hub, or what is new in it, and converts weights that are published as a pickle.

    It is not loaded: `fault` stays empty. Raises BackboneError, StorageError.
    """
    if name == CONSE or name in BUNDLED or Path(name).expanduser().is_dir():
        raise BackboneError(name, "is not a model of the hub", "name owner/model, as `openmov models` lists them")
    found = fetch_model_folder(name, revision, safetensors_only=safetensors_only, refresh=True)
    contents = read_contents(name, found.folder)
    safetensors_of(contents, safetensors_only=safetensors_only, name=name)
    return CheckedModel(name, source_of(name, found.folder, found.revision), found.folder, contents)


def check_model(name: str, revision: str | None = None, *, safetensors_only: bool = False) -> CheckedModel:
    """What a folder, or a model of the hub's cache, holds, and whether a Backbone can be made of it.

    Weights are read, and where they are a pickle that passes every check converted as for any use. Raises BackboneError
    for what is not a folder and not in the cache; what is wrong with a folder is its answer.
    """
    config = BackboneConfig(name=name, revision=revision, safetensors_only=safetensors_only)
    if name == CONSE:
        return _loaded(config, CheckedModel(name, source_of(name, None)))
    local = name in BUNDLED or Path(name).expanduser().exists()
    if not local and not is_downloaded(name, revision, safetensors_only=safetensors_only):
        raise BackboneError(name, "is not a folder, and not in the hub's cache", f"openmov models fetch {name}")
    if local:
        folder, commit = resolve_folder(name, revision), None
    else:
        kept = fetch_model_folder(name, revision, safetensors_only=safetensors_only)
        folder, commit = kept.folder, kept.revision
    checked = CheckedModel(name, source_of(name, folder, commit), folder)
    try:
        contents = read_contents(name, folder)
    except BackboneError as error:
        return replace(checked, fault=str(error))
    return _loaded(config, replace(checked, contents=contents))


def _loaded(config: BackboneConfig, checked: CheckedModel) -> CheckedModel:
    """From this very folder, whatever else a name might stand for."""
    if checked.contents is None:
        return _described(checked, load_backbone(config))
    name, folder = config.name, str(checked.folder)
    sound = checked.contents.kind in SOUND_FAMILIES and checked.contents.kind not in FAMILIES
    try:
        if sound:
            tower = load_sound_tower(folder, safetensors_only=config.safetensors_only)
            return replace(checked, family="sound and words", dim=tower.dim)
        return _described(checked, load_backbone(config.moved(folder, None)))
    except OpenMovError as error:
        return replace(checked, fault=str(error).replace(folder, name, 1))


def _described(checked: CheckedModel, backbone: Backbone) -> CheckedModel:
    return replace(checked, family=backbone.family, dim=backbone.dim, image_size=backbone.image_size)


def needed_extra(name: str) -> str:
    """What a model of the table needs beyond openmov itself; empty for any other."""
    model = known_model(name)
    return "" if model is None else model.extra


def _listed(model: KnownModel) -> ListedModel:
    if model.name == CONSE:
        return ListedModel(model, installed())
    if model.name in BUNDLED:
        return ListedModel(model, True)
    if not is_downloaded(model.name):
        return ListedModel(model, False)
    folder = fetch_model_folder(model.name).folder
    return ListedModel(model, True, sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()))
