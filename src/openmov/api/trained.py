"""A trained model to answer with, from wherever it lies: a run folder, a shared folder, or the hub.

name --run.json--> run folder | --config.json--> shared model | --owner/model--> hub --> Trained
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from torch import Tensor

from openmov.api.runs import load_calibration, load_run, load_thresholds
from openmov.api.shared_model import CARD_FILE, CONFIG_FILE, WEIGHTS_FILE, SharedModel, is_shared, open_shared
from openmov.api.wiring import Wiring, wire
from openmov.errors import CheckpointError, RunFolderError
from openmov.model.trained import TrainedModel
from openmov.prediction.base_novel import NovelPath
from openmov.prediction.unknown import Thresholds
from openmov.runtime.checkpoint import load_checkpoint
from openmov.runtime.hub import fetch_model, is_hub_name, raised_as

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

    wiring: Wiring = field(repr=False)
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

    def network(self, wiring: Wiring | None = None) -> TrainedModel:
        """The network with its weights, in eval mode; `wiring` in place of the recipe's own parts.

        Raises CheckpointError where they belong to something else.
        """
        network = (wiring or self.wiring).network()
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
        mend = "give the folder that was the --out of openmov train"
        raise RunFolderError(text, f"is not a folder here, and {owner} is no owner of models on the hub", mend)


def _of_run(path: Path, backbone: str | None, revision: str | None, safetensors_only: bool) -> Trained:
    loaded = load_run(path, None, backbone=backbone, revision=revision, safetensors_only=safetensors_only)
    made, best = loaded.header.provenance, loaded.folder.best
    calibration, thresholds = load_calibration(path), load_thresholds(path)
    weights = _Checkpoint(best)
    return Trained(loaded.wiring, made.base_classes, made.prompts, calibration, thresholds, weights)


@dataclass(frozen=True)
class _Checkpoint:
    folder: Path

    def __call__(self) -> Mapping[str, Tensor]:
        return load_checkpoint(self.folder)[0]


def _of_shared(model: SharedModel) -> Trained:
    config, wiring = model.config, wire(model.recipe, None)
    if wiring.backbone.identity != config.backbone_identity:
        name, found = model.recipe.backbone.name, wiring.backbone.identity
        what = f"was trained with another {name} ({config.backbone_identity}, this is {found})"
        raise CheckpointError(model.folder, what, "give the backbone it was trained with (--backbone)")
    facts = (config.base_classes, config.prompts, config.calibration, config.thresholds)
    return Trained(replace(wiring, classes=config.base_classes), *facts, model.weights)
