"""How long the trainings of a plan will take: by the scale's figures, corrected by what the finished ones took."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from openmov.api.study.plan import TrainingTask
from openmov.api.study.world import num_clips
from openmov.studies.scale import (
    LARGER_FACTOR,
    SECONDS_PER_1000_CLIPS,
    SECONDS_PER_1000_WRITTEN,
    SECONDS_PER_MEASUREMENT,
    Scale,
)

_BASE_CLASSES, _CLASSES = 40, 64
_REHEARSAL = 0.8
"""Calibration trains once more, on four fifths of the base classes."""


@dataclass
class Estimate:
    """Minutes, where anything is known."""

    scale: Scale | None
    """Of ShapesAV; None where only the finished trainings tell."""
    _taken: list[tuple[float, float]] = field(default_factory=list)
    """Seconds foreseen and taken."""

    def took(self, task: TrainingTask, seconds: float) -> None:
        """Learns from a finished training."""
        self._taken.append((self.seconds(task), seconds))

    def minutes(self, tasks: Sequence[TrainingTask], num_measurements: int, *, clips: bool = False) -> float | None:
        """For trainings and measurements still to come, with the clips where they must be written; None for unknown."""
        if self.scale is None and not self._taken:
            return None
        foreseen = sum(self.seconds(task) for task in tasks) * self._factor()
        if self.scale is not None:
            foreseen += num_measurements * SECONDS_PER_MEASUREMENT
            foreseen += num_clips(self.scale) / 1000 * SECONDS_PER_1000_WRITTEN if clips else 0
        return foreseen / 60

    def seconds(self, task: TrainingTask) -> float:
        """By the scale's figures, whatever the machine."""
        method, recipe = task.recipe.model.method, task.recipe
        known = SECONDS_PER_1000_CLIPS
        once = known.get(f"{method} {task.arm}", known.get(method, known["other"]))
        per_class = self.scale.train_per_class if self.scale else 1
        clips = per_class * (_CLASSES if task.classes == "all" else _BASE_CLASSES)
        larger = LARGER_FACTOR if task.larger else 1.0
        again = 1 + (_REHEARSAL if task.calibrated else 0)
        return once * clips / 1000 * recipe.training.epochs * larger * again

    def _factor(self) -> float:
        foreseen = sum(one for one, _ in self._taken)
        return sum(taken for _, taken in self._taken) / foreseen if foreseen else 1.0
