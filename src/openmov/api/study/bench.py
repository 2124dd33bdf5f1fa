"""What one call knows of its data while it works: names and lists of every arm, the backbones, and the keys.

Whatever decides a training or a measurement is put into its key here, and nowhere else.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from openmov.api.study.layout import MEASURING_CODE, TRAINING_CODE, StudyFolders, TrainingFolder, code_identity
from openmov.api.study.plan import TrainingTask, Wanted
from openmov.api.study.stage import Clips, Stage
from openmov.api.train import run_training
from openmov.api.training_data import load_base, prepare_training
from openmov.api.wiring import wire
from openmov.config.schema import BackboneConfig
from openmov.data.manifest import load_manifest
from openmov.data.split import write_vocabulary
from openmov.model.backbones import load_backbone
from openmov.text.vocabulary import Vocabulary, load_vocabulary

_LOOKS: dict[str, Any] = {
    **dict.fromkeys(("backbone", "video", "flow", "audio", "views"), True),
    "model": {"method", "modalities"},
}
"""Parts of a recipe that decide what a network looks at."""


@dataclass(frozen=True)
class Bench:
    """The data and folders of one call."""

    stage: Stage
    """The data."""
    folders: StudyFolders
    """Where things lie."""
    workers: int
    """Processes and threads."""
    shown: bool
    """Progress on stderr."""

    def clips(self, wanted: Wanted) -> Clips:
        """What a measurement is about."""
        listed = self._listed(wanted)
        if wanted.entrant.classes == "all" and wanted.target is None:
            return Clips(listed.title, listed.manifest, self._every_class(wanted.arm))
        return listed

    def crossing(self, wanted: Wanted) -> bool:
        """Whether another data set is asked, with names of its own."""
        return wanted.target is not None and wanted.target not in self.stage.arms[wanted.arm].tests

    def manifests(self, wanted: Wanted) -> frozenset[Path]:
        """Lists of the clips that are trained on and of those that are asked, whether they are written or not."""
        return frozenset((self.stage.arms[wanted.arm].clips.manifest, self._listed(wanted).manifest))

    def _listed(self, wanted: Wanted) -> Clips:
        arm = self.stage.arms[wanted.arm]
        return arm.clips if wanted.target is None else {**self.stage.targets, **arm.tests}[wanted.target]

    def folder(self, task: TrainingTask) -> TrainingFolder:
        """Where a training lies, by all that decides it."""
        return self.folders.training(task.title, self.training_facts(task))

    def training_facts(self, task: TrainingTask) -> dict[str, Any]:
        """What decides a training."""
        return {
            "code": code_identity(TRAINING_CODE),
            "recipe": task.recipe.model_dump(mode="json"),
            "backbone": backbone_identity(task.recipe.backbone),
            "manifest": manifest_identity(self.stage.arms[task.arm].clips.manifest),
            "vocabulary": load_vocabulary(self._names(task)).for_protocol("base").identity,
        }

    def measurement(self, wanted: Wanted, tasks: tuple[TrainingTask, ...]) -> Path:
        """Where a measurement lies, by all that decides it."""
        clips, entrant = self.clips(wanted), wanted.entrant
        facts = {
            "code": code_identity(MEASURING_CODE),
            "trainings": [self.folder(task).key for task in tasks],
            "answer": entrant.answer,
            "answering": list(entrant.answering),
            "weights": entrant.weights,
            "clips": manifest_identity(clips.manifest),
            "vocabulary": load_vocabulary(clips.vocabulary).identity,
            "crossing": self.crossing(wanted),
        }
        said = "+".join(task.title for task in tasks)
        return self.folders.measurement(f"{said}-{entrant.answer}".replace(" ", "-"), facts)

    def prepare(self, tasks: Sequence[TrainingTask]) -> None:
        """Fills the caches for all trainings, once for those that look at the same clips in the same way."""
        looks: dict[str, TrainingTask] = {}
        for task in tasks:
            looked = task.recipe.model_dump_json(include=_LOOKS)
            looks.setdefault(f"{task.arm} {task.classes} {looked}", task)
        for task in looks.values():
            wiring = wire(task.recipe, self.stage.cache)
            data = load_base(self.stage.arms[task.arm].clips.manifest, self._names(task), task.recipe.training.seed)
            prepare_training(wiring, data, workers=self.workers, shown=self.shown)

    def train(self, task: TrainingTask) -> float:
        """Trains, going on where it was interrupted; returns the seconds it took, 0 where it was there."""
        folder = self.folder(task)
        if folder.finished(calibrated=task.calibrated):
            return 0.0
        began = time.monotonic()
        result = run_training(
            task.recipe,
            self.stage.arms[task.arm].clips.manifest,
            self._names(task),
            folder.run,
            cache_folder=self.stage.cache,
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
        return self._every_class(task.arm) if every else self.stage.arms[task.arm].clips.vocabulary

    def _every_class(self, arm: str) -> Path:
        """Names of an arm, all of them base; written where they are not there."""
        path = self.folders.vocabulary(arm)
        whole = load_vocabulary(self.stage.arms[arm].clips.vocabulary)
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
