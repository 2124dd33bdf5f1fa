"""`openmov export`: a trained model as one file for programs without openmov, compared with what it was made from.

    run, names, modalities --> Exportable --> FILE, FILE.json (names, shapes, preprocessing) --> run again, compared

The file takes what the encoders take and gives embeddings, and with names the probabilities among them. Decoding,
flow and spectrograms stay outside: FILE.json says exactly what they have to be.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from openmov.baselines.text_head import TextHead
from openmov.config.schema import PredictionConfig, Recipe
from openmov.errors import OpenMovError, RecipeError
from openmov.inference.trained import Trained, open_trained
from openmov.model import JointModel
from openmov.model.export import FROZEN, Exportable
from openmov.runtime.atomic import atomic_files
from openmov.runtime.exported import Format, require, run_exported, write_exported
from openmov.runtime.own_files import refuse_foreign, stamped
from openmov.scoring.embeddings import BaseNovelRule
from openmov.scoring.paths import path_weights
from openmov.text.prompts import load_prompts
from openmov.text.vocabulary import Vocabulary
from openmov.types import ClassEmbeddings, ClipBatch, Modality

FORMAT_VERSION = 1
"""Of FILE.json."""
TOLERANCE = {"embedding": 1e-4, "probabilities": 2e-3}
"""How far the file may be from PyTorch: unit embeddings, and probabilities at temperatures of 0.003."""
_CHECKED_ROWS = (1, 3)


@dataclass(frozen=True)
class Exported:
    """What was written."""

    path: Path
    """The file; FILE.json lies beside it."""
    inputs: tuple[str, ...]
    """Names of its inputs."""
    outputs: tuple[str, ...]
    """Names of its outputs."""
    worst: float
    """Largest difference to PyTorch that was seen, of any output."""


def export_model(
    run: Path | str,
    out: Path | str,
    form: Format = "onnx",
    *,
    labels: Sequence[str] = (),
    prompts: str | None = None,
    modalities: Sequence[str] | None = None,
    backbone: str | None = None,
    safetensors_only: bool = False,
) -> Exported:
    """Exports a run or shared model, for clips that have just these `modalities` (None: all of the model's).

    With `labels` the file gives probabilities among them too: by the base path where the model was trained on all of
    them, by the novel path otherwise, as `predict` does. Raises RecipeError for modalities the model has not,
    OpenMovError where the format cannot be written here or the file does not answer as the model does; what
    `open_trained` raises.
    """
    require(form)
    path = Path(out)
    _refuse_other_files(path, [path.name])
    trained = open_trained(run, backbone=backbone, safetensors_only=safetensors_only)
    trained = _calibrated(trained)
    wanted = _wanted(trained, modalities)
    vocabulary = _vocabulary(trained, labels, prompts) if labels else None
    classes = None if vocabulary is None else trained.components.class_embedder()(vocabulary)
    answers = [] if vocabulary is None else _answers(trained, wanted, vocabulary)
    network = _exportable(trained)
    function = Exportable(network, wanted, None if classes is None else classes.vectors, answers)
    examples = _random_inputs(trained.components.recipe, wanted, rows=2)
    names = tuple(map(str, wanted)), _outputs(function, examples)
    worst = 0.0
    with atomic_files(path) as folder:  # in its place only when it answers as the model does
        made = folder / path.name
        write_exported(function, examples, names, form, made)
        for rows in _CHECKED_ROWS:
            inputs = _random_inputs(trained.components.recipe, wanted, rows)
            expected = _expected(trained, function, dict(zip(wanted, inputs, strict=True)), vocabulary, classes)
            worst = max(worst, _compared(path, names[1], run_exported(made, form, inputs), expected))
        facts = stamped(_facts(trained, function, names, form, vocabulary))
        text = json.dumps(facts, indent=1, ensure_ascii=False) + "\n"
        _facts_file(made).write_text(text, encoding="utf-8")
        _refuse_other_files(path, [one.name for one in folder.iterdir()])
    return Exported(path, *names, worst)


def _facts_file(path: Path) -> Path:
    """What goes in and what comes out, beside the file."""
    return path.with_name(f"{path.name}.json")


def _refuse_other_files(path: Path, names: Sequence[str]) -> None:
    """Raises StorageError where files are there that no earlier export wrote: that has its facts beside it."""
    facts = _facts_file(path)
    refuse_foreign([facts])
    for name in names:
        there = path.with_name(name)
        if there.exists() and not facts.exists():
            refuse_foreign([there])


def _exportable(trained: Trained) -> JointModel:
    """The network; refused where its answer needs class names inside it, or an encoder of another kind."""
    network = trained.network()
    if not isinstance(network, JointModel) or isinstance(network, TextHead):
        method = trained.components.recipe.model.method
        raise RecipeError("model.method", f"{method} cannot be exported", "export mov or a single modality")
    return network


def _calibrated(trained: Trained) -> Trained:
    """With the calibrated beta and temperatures in place of the recipe's."""
    if trained.calibration is None:
        return trained
    recipe = trained.components.recipe.model_copy(
        update={"prediction": PredictionConfig(**asdict(trained.calibration))}
    )
    return replace(trained, components=replace(trained.components, recipe=recipe))


def _wanted(trained: Trained, modalities: Sequence[str] | None) -> tuple[Modality, ...]:
    held = trained.components.modalities
    if modalities is None:
        return tuple(modality for modality in Modality if modality in held)
    if not modalities or not set(modalities) <= {str(modality) for modality in held}:
        what = f"{', '.join(modalities)!r} is not among the model's {', '.join(sorted(held))}"
        raise RecipeError("--modalities", what, "name some of those, or leave it out")
    return tuple(modality for modality in Modality if modality in modalities)


def _vocabulary(trained: Trained, labels: Sequence[str], prompts: str | None) -> Vocabulary:
    base = frozenset(trained.base_classes)
    known, new = (tuple(label for label in labels if (label in base) is role) for role in (True, False))
    return Vocabulary(known, new, prompts or trained.prompts)


def _answers(trained: Trained, modalities: Sequence[Modality], names: Vocabulary) -> list[tuple[str, float, float]]:
    """Equations 10-12 for clips that have these modalities: stream, temperature, weight."""
    components, one = trained.components, torch.ones(1, dtype=torch.bool)
    path = components.novel_path
    weights = path_weights(dict.fromkeys(modalities, one), path.beta if names.novel else 0.0)
    found = []
    for modality, weight in weights.items():
        stream, tau = str(modality), path.tau_x if names.novel else components.tau
        if names.novel and modality is Modality.VIDEO and components.recipe.model.method == "mov":
            stream, tau = FROZEN, path.tau_v
        if float(weight) > 0:
            found.append((stream, tau, float(weight)))
    return found


def _random_inputs(recipe: Recipe, modalities: Sequence[Modality], rows: int) -> tuple[Float[Tensor, "rows ..."], ...]:
    random = torch.Generator().manual_seed(rows)
    return tuple(torch.randn(rows, *_shape(recipe, modality), generator=random) for modality in modalities)


def _shape(recipe: Recipe, modality: Modality) -> tuple[int, ...]:
    """Of one view."""
    if modality is Modality.AUDIO:
        return 3, recipe.audio.mel_bins, recipe.audio.crop_columns
    return recipe.video.num_frames, 3, recipe.video.crop_size, recipe.video.crop_size


@torch.no_grad()
def _outputs(function: Exportable, examples: Sequence[Tensor]) -> tuple[str, ...]:
    streams = function.streams(function._embeddings(examples))
    embeddings = tuple(f"embedding_{name}" for name in streams)
    return (*embeddings, "probabilities") if function.answers else embeddings


@torch.no_grad()
def _expected(
    trained: Trained,
    function: Exportable,
    inputs: Mapping[Modality, Tensor],
    vocabulary: Vocabulary | None,
    classes: ClassEmbeddings | None,
) -> list[Tensor]:
    """By the way that predict goes."""
    rows = len(next(iter(inputs.values())))
    present = {modality: torch.ones(rows, dtype=torch.bool) for modality in inputs}
    batch = ClipBatch(("",) * rows, {m: tensor[:, None] for m, tensor in inputs.items()}, present)
    embeddings = function.network(batch)
    expected = list(function.streams(embeddings).values())
    if vocabulary is not None and classes is not None:
        rule = BaseNovelRule(trained.components.tau, trained.components.novel_path)
        expected.append(rule(embeddings, classes, vocabulary))
    return expected


def _compared(path: Path, names: Sequence[str], answered: Sequence[Tensor], expected: Sequence[Tensor]) -> float:
    """The largest difference. Raises OpenMovError where it is too large, and then nothing is left of the file."""
    worst = 0.0
    for name, one, other in zip(names, answered, expected, strict=True):
        difference = float((one - other).abs().max()) if one.shape == other.shape else float("inf")
        worst = max(worst, difference)
        if not difference <= TOLERANCE[name.partition("_")[0]]:
            what = f"its {name} differs from PyTorch's by {difference:.2g}"
            raise OpenMovError(path, what, "try the other format, and other versions of torch and onnxruntime")
    return worst


def _facts(
    trained: Trained,
    function: Exportable,
    names: tuple[Sequence[str], Sequence[str]],
    form: Format,
    vocabulary: Vocabulary | None,
) -> dict[str, Any]:
    recipe, backbone = trained.components.recipe, trained.components.backbone
    answers = [{"stream": name, "temperature": tau, "weight": weight} for name, tau, weight in function.answers]
    named = {} if vocabulary is None else {"prompts": vocabulary.prompts, "templates": load_prompts(vocabulary.prompts)}
    shapes = {m: ["rows", *_shape(recipe, m)] for m in function.modalities}
    return {
        "format_version": FORMAT_VERSION,
        "format": form,
        "inputs": [{"name": str(m), "shape": shape, "dtype": "float32"} for m, shape in shapes.items()],
        "outputs": list(names[1]),
        "rows": "views: average the probabilities of a video's views; embeddings are unit vectors",
        "classes": None if vocabulary is None else list(vocabulary.names),
        "base": None if vocabulary is None else list(vocabulary.base),
        "probabilities": answers,
        **named,
        "preprocessing": {
            "mean": list(backbone.mean),
            "std": list(backbone.std),
            "resize": backbone.preprocessing.resize,
            "interpolation": backbone.preprocessing.interpolation,
            "video": recipe.video.model_dump(mode="json"),
            "flow": recipe.flow.model_dump(mode="json"),
            "audio": recipe.audio.model_dump(mode="json"),
            "views": recipe.views.model_dump(mode="json"),
        },
        "backbone": {
            "name": Path(backbone.name).name if Path(backbone.name).is_dir() else backbone.name,
            "identity": backbone.identity,
            **backbone.source.to_json(),
        },
        "recipe": recipe.name,
    }
