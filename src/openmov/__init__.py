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
    from openmov.api.answers import AnswerSettings, Prediction, RankedNames
    from openmov.api.check import Findings
    from openmov.api.check import check_files as check
    from openmov.api.compare import compare_runs as compare
    from openmov.api.evaluate import EvaluatedTask, write_evaluation
    from openmov.api.evaluate import evaluate_task as evaluate
    from openmov.api.moments import Segment, Window
    from openmov.api.predict import load, predict
    from openmov.api.predictor import Predictor
    from openmov.api.prepare import Prepared
    from openmov.api.prepare_manifest import Preparation, PrepareOptions
    from openmov.api.prepare_manifest import prepare_manifest as prepare
    from openmov.api.share import from_pretrained, save_pretrained
    from openmov.api.timeline import Timeline, TimelineSettings
    from openmov.api.train import TrainingResult
    from openmov.api.train import run_training as train
    from openmov.config.load import bundled_recipes, change_recipe, load_recipe
    from openmov.config.schema import Recipe
    from openmov.data.benchmarks.catalogue import DATASETS
    from openmov.data.benchmarks.layout import Layout, VideoFile
    from openmov.data.benchmarks.listing import Benchmark, ListedClip, Listing
    from openmov.data.split import split_classes
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
    from openmov.methods import FUSIONS, METHODS, MODALITIES, TrainableMethod
    from openmov.model import MOV, JointModel, NetworkParts, TrainedModel
    from openmov.registry import Registry
    from openmov.text.vocabulary import Vocabulary, load_vocabulary
    from openmov.types import Clip, ClipBatch, JointEmbeddings, Modality, Scorer

_PLACES = {
    "openmov.api.answers": ("AnswerSettings", "Prediction", "RankedNames"),
    "openmov.api.check": ("Findings", "check=check_files"),
    "openmov.api.compare": ("compare=compare_runs",),
    "openmov.api.evaluate": ("EvaluatedTask", "evaluate=evaluate_task", "write_evaluation"),
    "openmov.api.predict": ("load", "predict"),
    "openmov.api.moments": ("Segment", "Window"),
    "openmov.api.predictor": ("Predictor",),
    "openmov.api.prepare": ("Prepared",),
    "openmov.api.prepare_manifest": ("Preparation", "PrepareOptions", "prepare=prepare_manifest"),
    "openmov.api.share": ("from_pretrained", "save_pretrained"),
    "openmov.api.timeline": ("Timeline", "TimelineSettings"),
    "openmov.api.train": ("TrainingResult", "train=run_training"),
    "openmov.config.load": ("bundled_recipes", "change_recipe", "load_recipe"),
    "openmov.config.schema": ("Recipe",),
    "openmov.data.split": ("split_classes",),
    "openmov.errors": (
        *("BackboneError", "CheckpointError", "DecodeError", "FeaturesError", "ManifestError", "OpenMovError"),
        *("RecipeError", "RunFolderError", "StorageError", "VocabularyError"),
    ),
    "openmov.data.benchmarks.catalogue": ("DATASETS",),
    "openmov.data.benchmarks.layout": (
        "Layout",
        "VideoFile",
    ),
    "openmov.data.benchmarks.listing": (
        "Benchmark",
        "ListedClip",
        "Listing",
    ),
    "openmov.methods": (
        "FUSIONS",
        "METHODS",
        "MODALITIES",
        "TrainableMethod",
    ),
    "openmov.model": (
        "MOV",
        "JointModel",
        "NetworkParts",
        "TrainedModel",
    ),
    "openmov.registry": ("Registry",),
    "openmov.types": (
        "Clip",
        "ClipBatch",
        "JointEmbeddings",
        "Modality",
        "Scorer",
    ),
    "openmov.text.vocabulary": ("Vocabulary", "load_vocabulary"),
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

if not TYPE_CHECKING:  # a type checker knows the names above, and shall refuse others

    def __getattr__(name: str) -> object:
        if name not in _WHERE:
            raise AttributeError(f"module 'openmov' has no attribute {name!r}")
        place, there = _WHERE[name]
        value = globals()[name] = getattr(import_module(place), there)
        return value

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
