"""openmov: open-vocabulary video classification with video frames, optical flow and sound (MOV).

    predict                 what a video shows, in your own words
    load, Predictor         loaded once, for many calls
    load_recipe, train      a recipe, and a run trained by it on base classes
    evaluate                runs on base and novel classes, beside frozen CLIP
    save_pretrained, from_pretrained   a run as a folder to give away, and back
    Vocabulary              class names with their roles

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
    from openmov.text.vocabulary import Vocabulary, load_vocabulary

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
    "openmov.text.vocabulary": ("Vocabulary", "load_vocabulary"),
}
_WHERE = {entry.split("=")[0]: (place, entry.split("=")[-1]) for place, entries in _PLACES.items() for entry in entries}

__all__ = [
    "AnswerSettings",
    "BackboneError",
    "CheckpointError",
    "DecodeError",
    "EvaluatedTask",
    "FeaturesError",
    "Findings",
    "ManifestError",
    "OpenMovError",
    "Prediction",
    "Predictor",
    "Preparation",
    "PrepareOptions",
    "Prepared",
    "RankedNames",
    "Recipe",
    "RecipeError",
    "RunFolderError",
    "Segment",
    "StorageError",
    "Timeline",
    "TimelineSettings",
    "TrainingResult",
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
