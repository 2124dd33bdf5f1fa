"""How long the trainings of a plan will take: by the scale's figures, corrected by what the finished ones took."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from openmov.api.study.plan import TrainingTask
from openmov.api.study.stage import Stage
from openmov.studies.scale import (
    LARGER_FACTOR,
    SECONDS_PER_1000_CLIPS,
    SECONDS_PER_1000_MEASURED,
    SECONDS_PER_1000_WRITTEN,
    SECONDS_PER_MEASUREMENT,
)

_BASE_CLASSES, _CLASSES = 40, 64
_REHEARSAL = 0.8
"""Calibration trains once more, on four fifths of the base classes."""
_TRUSTED_SECONDS = 120.0
"""So much is taken to have gone as foreseen: the first training, which prepares the clips of those after it, would else
speak for all."""


@dataclass
class Estimate:
    """Minutes, where anything is known."""

    stage: Stage
    """The data; where it has no scale only the finished trainings tell."""
    _taken: list[tuple[float, float]] = field(default_factory=list)
    """Seconds foreseen and taken."""

    def took(self, task: TrainingTask, seconds: float) -> None:
        """Learns from a finished training."""
        self._taken.append((self.seconds(task), seconds))

    def minutes(self, tasks: Sequence[TrainingTask], num_measurements: int, *, num_clips: int = 0) -> float | None:
        """For trainings and measurements still to come, and clips still to be written; None for unknown."""
        if self.stage.scale is None and not self._taken:
            return None
        foreseen = sum(self.seconds(task) for task in tasks) * self._factor()
        if self.stage.scale is not None:
            asked = _CLASSES * self.stage.scale.test_per_class / 1000 * SECONDS_PER_1000_MEASURED
            foreseen += num_measurements * (SECONDS_PER_MEASUREMENT + asked)
            foreseen += num_clips / 1000 * SECONDS_PER_1000_WRITTEN
        return foreseen / 60

    def seconds(self, task: TrainingTask) -> float:
        """By the scale's figures, whatever the machine."""
        method, recipe = task.recipe.model.method, task.recipe
        known = SECONDS_PER_1000_CLIPS
        fused = " ".join((method, *(one for one in recipe.model.modalities if one != "video")))
        once = known.get(fused, known.get(method, known["other"]))
        clips = self.stage.arms[task.arm].per_class[0] * (_CLASSES if task.classes == "all" else _BASE_CLASSES)
        larger = LARGER_FACTOR if task.larger else 1.0
        again = 1 + (_REHEARSAL if task.calibrated else 0)
        return once * clips / 1000 * recipe.training.epochs * larger * again

    def _factor(self) -> float:
        trusted = _TRUSTED_SECONDS if self.stage.scale is not None else 0.0
        foreseen = sum(one for one, _ in self._taken)
        return (sum(taken for _, taken in self._taken) + trusted) / (foreseen + trusted) if self._taken else 1.0
