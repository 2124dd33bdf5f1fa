"""openmov: open-vocabulary video classification with video frames, optical flow and sound (MOV).

    predict                 what a video shows, in your own words
    load, Predictor         loaded once, for many calls
    load_recipe, train      a recipe, and a run trained by it on base classes
    evaluate                runs on base and novel classes, beside frozen CLIP
    save_pretrained, from_pretrained   a run as a folder to give away, and back
    Vocabulary              class names with their roles
    METHODS, FUSIONS, MODALITIES, DATASETS   registries, for what you add from your own files (docs/extending.md)
    MOV, JointModel, ClipBatch ...     the parts it is made of

Everything here is loaded on first use: `import openmov` loads neither torch nor any other library.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from openmov.config.load import bundled_recipes, change_recipe, load_recipe
    from openmov.config.schema import Recipe
    from openmov.data.check import Findings
    from openmov.data.check import check_files as check
    from openmov.data.split import split_classes
    from openmov.datasets.benchmark import Benchmark, Layout, ListedClip, Listing, VideoFile
    from openmov.datasets.catalogue import DATASETS
    from openmov.errors import (
        BackboneError,
        CheckpointError,
        DecodeError,
        FeaturesError,
        ManifestError,
        OpenMovError,
        RecipeError,
        RunFolderError,
        StorageError,
        VocabularyError,
    )
    from openmov.inference.answers import AnswerSettings, Prediction, RankedNames, Segment, Window
    from openmov.inference.predict import load, predict
    from openmov.inference.predictor import Predictor
    from openmov.inference.sharing import from_pretrained, save_pretrained
    from openmov.inference.timeline import Timeline, TimelineSettings
    from openmov.methods import FUSIONS, METHODS, MODALITIES, TrainableMethod
    from openmov.model import MOV, JointModel, NetworkParts, TrainedModel
    from openmov.prepare.manifest import Preparation, PrepareOptions
    from openmov.prepare.manifest import prepare_manifest as prepare
    from openmov.prepare.video import Prepared
    from openmov.registry import Registry
    from openmov.runs.compare import compare_runs as compare
    from openmov.runs.evaluate import EvaluatedTask, write_evaluation
    from openmov.runs.evaluate import evaluate_task as evaluate
    from openmov.text.vocabulary import Vocabulary, load_vocabulary
    from openmov.training.train import TrainingResult
    from openmov.training.train import run_training as train
    from openmov.types import Clip, ClipBatch, JointEmbeddings, Modality, Scorer

_PLACES = {
    "openmov.config.load": (
        "bundled_recipes",
        "change_recipe",
        "load_recipe",
    ),
    "openmov.config.schema": ("Recipe",),
    "openmov.data.check": (
        "Findings",
        "check=check_files",
    ),
    "openmov.data.split": ("split_classes",),
    "openmov.datasets.benchmark": (
        "Benchmark",
        "Layout",
        "ListedClip",
        "Listing",
        "VideoFile",
    ),
    "openmov.datasets.catalogue": ("DATASETS",),
    "openmov.errors": (
        "BackboneError",
        "CheckpointError",
        "DecodeError",
        "FeaturesError",
        "ManifestError",
        "OpenMovError",
        "RecipeError",
        "RunFolderError",
        "StorageError",
        "VocabularyError",
    ),
    "openmov.inference.answers": (
        "AnswerSettings",
        "Prediction",
        "RankedNames",
        "Segment",
        "Window",
    ),
    "openmov.inference.predict": (
        "load",
        "predict",
    ),
    "openmov.inference.predictor": ("Predictor",),
    "openmov.inference.sharing": (
        "from_pretrained",
        "save_pretrained",
    ),
    "openmov.inference.timeline": (
        "Timeline",
        "TimelineSettings",
    ),
    "openmov.methods": (
        "FUSIONS",
        "METHODS",
        "MODALITIES",
        "TrainableMethod",
    ),
    "openmov.model": (
        "JointModel",
        "MOV",
        "NetworkParts",
        "TrainedModel",
    ),
    "openmov.prepare.manifest": (
        "Preparation",
        "PrepareOptions",
        "prepare=prepare_manifest",
    ),
    "openmov.prepare.video": ("Prepared",),
    "openmov.registry": ("Registry",),
    "openmov.runs.compare": ("compare=compare_runs",),
    "openmov.runs.evaluate": (
        "EvaluatedTask",
        "evaluate=evaluate_task",
        "write_evaluation",
    ),
    "openmov.text.vocabulary": (
        "Vocabulary",
        "load_vocabulary",
    ),
    "openmov.training.train": (
        "TrainingResult",
        "train=run_training",
    ),
    "openmov.types": (
        "Clip",
        "ClipBatch",
        "JointEmbeddings",
        "Modality",
        "Scorer",
    ),
}
_WHERE = {entry.split("=")[0]: (place, entry.split("=")[-1]) for place, entries in _PLACES.items() for entry in entries}

__all__ = [
    "DATASETS",
    "FUSIONS",
    "METHODS",
    "MODALITIES",
    "MOV",
    "AnswerSettings",
    "BackboneError",
    "Benchmark",
    "CheckpointError",
    "Clip",
    "ClipBatch",
    "DecodeError",
    "EvaluatedTask",
    "FeaturesError",
    "Findings",
    "JointEmbeddings",
    "JointModel",
    "Layout",
    "ListedClip",
    "Listing",
    "ManifestError",
    "Modality",
    "NetworkParts",
    "OpenMovError",
    "Prediction",
    "Predictor",
    "Preparation",
    "PrepareOptions",
    "Prepared",
    "RankedNames",
    "Recipe",
    "RecipeError",
    "Registry",
    "RunFolderError",
    "Scorer",
    "Segment",
    "StorageError",
    "Timeline",
    "TimelineSettings",
    "TrainableMethod",
    "TrainedModel",
    "TrainingResult",
    "VideoFile",
    "Vocabulary",
    "VocabularyError",
    "Window",
    "bundled_recipes",
    "change_recipe",
    "check",
    "compare",
    "evaluate",
    "from_pretrained",
    "load",
    "load_recipe",
    "load_vocabulary",
    "predict",
    "prepare",
    "save_pretrained",
    "split_classes",
    "train",
    "write_evaluation",
]

if not TYPE_CHECKING:  # a type checker knows the names above, and should refuse others

    def __getattr__(name: str) -> object:
        if name not in _WHERE:
            raise AttributeError(f"module 'openmov' has no attribute {name!r}")
        place, there = _WHERE[name]
        value = globals()[name] = getattr(import_module(place), there)
        return value

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
