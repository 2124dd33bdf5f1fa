"""`openmov share`: a run to a folder that can be given away.

run folder --best checkpoint--> model.safetensors; recipe, calibration --> config.json; what is known --> README.md
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from openmov.documents import read_json
from openmov.errors import RunFolderError, StorageError
from openmov.inference.model_card import CardFacts, model_card
from openmov.inference.predictor import Predictor
from openmov.inference.trained import CARD_FILE, CONFIG_FILE, WEIGHTS_FILE, SharedConfig, config_text
from openmov.runs.evaluate import RESULTS_FILE
from openmov.runtime.atomic import atomic_folder
from openmov.runtime.checkpoint import load_checkpoint, save_tensors
from openmov.training.data import DATA_FILE
from openmov.training.runs import load_calibration, load_run, load_thresholds


def save_pretrained(
    run: Path | str,
    out: Path | str,
    *,
    licence: str | None = None,
    backbone: str | None = None,
    safetensors_only: bool = False,
) -> Path:
    """Writes the best weights of a run, what they need and a model card into the folder `out`; returns it.

    `licence` is what you give the weights away under, such as `cc-by-4.0`; `backbone` says where the run's backbone
    lies now; `safetensors_only` refuses one that is published as a pickle. Raises RunFolderError, CheckpointError,
    BackboneError; StorageError where `out` holds anything.
    """
    run, out = Path(run), Path(out)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise StorageError(out, "is there already", "choose another --out")
    loaded = load_run(run, None, backbone=backbone, safetensors_only=safetensors_only)
    weights, header = load_checkpoint(loaded.folder.best)
    source = loaded.components.backbone.source
    made, best = header.provenance, {"step": header.step, "epoch": header.epoch, **header.metrics}
    data = _json(run / DATA_FILE)
    recipe = _without_machine(loaded.components.recipe.model_dump(mode="json"))
    config = SharedConfig(
        architectures=(loaded.method,),
        recipe=recipe,
        backbone_identity=made.backbone_identity,
        base_classes=made.base_classes,
        prompts=made.prompts,
        vocabulary_identity=made.vocabulary_identity,
        calibration=load_calibration(run),
        thresholds=load_thresholds(run),
        training={"best": best, "data": {name: data[name] for name in data if name != "unreadable"}},
        backbone_revision=source.revision or made.backbone_revision,
        backbone_licence=source.licence,
    )
    results = _json(loaded.folder.results / RESULTS_FILE)
    facts = CardFacts(loaded.folder.name, config, licence, data, results)
    with atomic_folder(out) as temporary:
        save_tensors(temporary / WEIGHTS_FILE, weights)
        (temporary / CONFIG_FILE).write_text(config_text(config), encoding="utf-8")
        (temporary / CARD_FILE).write_text(model_card(facts), encoding="utf-8")
    return out


def from_pretrained(
    where: Path | str,
    *,
    backbone: str | None = None,
    revision: str | None = None,
    safetensors_only: bool = False,
    device: str = "auto",
) -> Predictor:
    """A Predictor from a shared folder, or from the hub by `owner/model` or `owner/model@revision`.

    `backbone` says where its backbone lies, `revision` which of a hub backbone's; `safetensors_only` refuses one that
    is published as a pickle. Raises CheckpointError, BackboneError, RecipeError.
    """
    return Predictor.from_run(
        Path(where), backbone=backbone, revision=revision, safetensors_only=safetensors_only, device=device
    )


def _without_machine(recipe: dict[str, Any]) -> dict[str, Any]:
    """The recipe with the name of a local backbone's folder in place of its path: that is nobody else's business."""
    name = recipe["backbone"]["name"]
    local = Path(name).expanduser().is_dir()
    return recipe | {"backbone": recipe["backbone"] | {"name": Path(name).name}} if local else recipe


def _json(path: Path) -> Mapping[str, Any]:
    if not path.is_file():
        return {}
    try:
        facts = read_json(path)
    except ValueError as error:
        raise RunFolderError(path, f"is damaged ({type(error).__name__})", "restore it, or delete it") from error
    return facts if isinstance(facts, dict) else {}
