"""What one call of a study knows of its data while it works: names and lists of every track, the backbones, the keys.

Whatever decides a training or a measurement is put into its key here, and nowhere else.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from openmov.build import build_components
from openmov.config.schema import BackboneConfig
from openmov.data.manifest import load_manifest
from openmov.data.split import write_vocabulary
from openmov.experiments.data import Clips, StudyData
from openmov.experiments.folders import MEASURING, TRAINING, StudyFolders, TrainingFolder, code_identity
from openmov.experiments.trainings import Measurement, TrainingTask
from openmov.model.backbones import ModelSource, load_backbone
from openmov.text.vocabulary import Vocabulary, load_vocabulary
from openmov.training.data import load_base, prepare_training
from openmov.training.train import run_training

_LOOKS: dict[str, Any] = {
    **dict.fromkeys(("backbone", "video", "flow", "audio", "views"), True),
    "model": {"method", "modalities"},
}
"""Parts of a recipe that decide what a network looks at."""


@dataclass(frozen=True)
class StudyContext:
    """The data and folders of one call."""

    data: StudyData
    """The data."""
    folders: StudyFolders
    """Where things lie."""
    workers: int
    """Processes and threads."""
    shown: bool
    """Progress on stderr."""

    def clips(self, measurement: Measurement) -> Clips:
        """What a measurement is about."""
        listed = self._listed(measurement)
        if measurement.method.classes == "all" and measurement.target is None:
            return Clips(listed.title, listed.manifest, self._every_class(measurement.track))
        return listed

    def crossing(self, measurement: Measurement) -> bool:
        """Whether another data set is asked, with names of its own."""
        return measurement.target is not None and measurement.target not in self.data.tracks[measurement.track].tests

    def manifests(self, measurement: Measurement) -> frozenset[Path]:
        """Lists of the clips that are trained on and of those that are asked, whether they are written or not."""
        return frozenset((self.data.tracks[measurement.track].clips.manifest, self._listed(measurement).manifest))

    def _listed(self, measurement: Measurement) -> Clips:
        track = self.data.tracks[measurement.track]
        return track.clips if measurement.target is None else {**self.data.targets, **track.tests}[measurement.target]

    def folder(self, task: TrainingTask) -> TrainingFolder:
        """Where a training lies, by all that decides it."""
        return self.folders.training(task.title, self.training_facts(task))

    def training_facts(self, task: TrainingTask) -> dict[str, Any]:
        """What decides a training."""
        return {
            "code": code_identity(TRAINING),
            "recipe": task.recipe.model_dump(mode="json"),
            "backbone": backbone_identity(task.recipe.backbone),
            "manifest": manifest_identity(self.data.tracks[task.track].clips.manifest),
            "vocabulary": load_vocabulary(self._names(task)).for_protocol("base").identity,
        }

    def measurement_file(self, measurement: Measurement, tasks: tuple[TrainingTask, ...]) -> Path:
        """Where a measurement lies, by all that decides it."""
        clips, method = self.clips(measurement), measurement.method
        facts = {
            "code": code_identity(MEASURING),
            "trainings": [self.folder(task).key for task in tasks],
            "answer": method.answer,
            "answering": list(method.answering),
            "weights": method.weights,
            "clips": manifest_identity(clips.manifest),
            "vocabulary": load_vocabulary(clips.vocabulary).identity,
            "crossing": self.crossing(measurement),
        }
        said = "+".join(task.title for task in tasks)
        return self.folders.measurement(f"{said}-{method.answer}".replace(" ", "-"), facts)

    def prepare(self, tasks: Sequence[TrainingTask]) -> None:
        """Fills the caches for all trainings, once for those that look at the same clips in the same way."""
        looks: dict[str, TrainingTask] = {}
        for task in tasks:
            looked = task.recipe.model_dump_json(include=_LOOKS)
            looks.setdefault(f"{task.track} {task.classes} {looked}", task)
        for task in looks.values():
            components = build_components(task.recipe, self.data.cache)
            data = load_base(self.data.tracks[task.track].clips.manifest, self._names(task), task.recipe.training.seed)
            prepare_training(components, data, workers=self.workers, shown=self.shown)

    def train(self, task: TrainingTask) -> float:
        """Trains, going on where it was interrupted; returns the seconds it took, 0 where it was there."""
        folder = self.folder(task)
        if folder.finished(calibrated=task.calibrated):
            return 0.0
        began = time.monotonic()
        result = run_training(
            task.recipe,
            self.data.tracks[task.track].clips.manifest,
            self._names(task),
            folder.run,
            cache_folder=self.data.cache,
            resume=True,
            with_calibration=task.calibrated,
            workers=self.workers,
            shown=self.shown,
        )
        seconds = time.monotonic() - began
        unreadable = [str(one.record.path) for one in result.unreadable]
        folder.finish(self.training_facts(task) | {"seconds": round(seconds, 1), "unreadable": unreadable})
        return seconds

    def _names(self, task: TrainingTask) -> Path:
        every = task.classes == "all"
        return self._every_class(task.track) if every else self.data.tracks[task.track].clips.vocabulary

    def _every_class(self, track: str) -> Path:
        """Names of an track, all of them base; written where they are not there."""
        path = self.folders.vocabulary(track)
        whole = load_vocabulary(self.data.tracks[track].clips.vocabulary)
        every = Vocabulary(whole.names, (), whole.prompts)
        if not (path.is_file() and load_vocabulary(path) == every):
            write_vocabulary(path, every)
        return path


@cache
def manifest_identity(manifest: Path) -> str:
    """Hash of what is listed. Raises ManifestError."""
    return load_manifest(manifest).identity


@cache
def backbone_identity(config: BackboneConfig) -> str:
    """Hash of its weights and preprocessing. Raises BackboneError."""
    return load_backbone(config).identity


@cache
def backbone_source(config: BackboneConfig) -> ModelSource:
    """Licence and revision of a backbone. Raises BackboneError."""
    return load_backbone(config).source
