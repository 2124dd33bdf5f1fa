"""What a call has to do: which trainings, measurements and clips are missing, and about how long they take.

studies, data, what lies there --make_plan--> StudyPlan
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from openmov.errors import RecipeError
from openmov.experiments.context import StudyContext
from openmov.experiments.data import StudyData
from openmov.experiments.folders import StudyFolders, TrainingFolder
from openmov.experiments.scale import (
    LARGER_FACTOR,
    SECONDS_PER_1000_CLIPS,
    SECONDS_PER_1000_MEASURED,
    SECONDS_PER_1000_WRITTEN,
    SECONDS_PER_MEASUREMENT,
    Scale,
)
from openmov.experiments.study import Study
from openmov.experiments.trainings import Measurement, TrainingTask, measurements_of, possible, trainings_of
from openmov.experiments.world import Pool, pools_behind

_BASE_CLASSES, _CLASSES = 40, 64
_CALIBRATION_SHARE = 0.8
"""Calibration trains once more, on four fifths of the base classes."""
_TRUSTED_SECONDS = 120.0
"""So much is taken to have gone as foreseen: the first training, which prepares the clips of those after it, would else
speak for all."""


@dataclass
class Estimate:
    """Minutes, where anything is known."""

    data: StudyData
    """The data; where it has no scale only the finished trainings tell."""
    _taken: list[tuple[float, float]] = field(default_factory=list)
    """Seconds foreseen and taken."""

    def took(self, task: TrainingTask, seconds: float) -> None:
        """Learns from a finished training."""
        self._taken.append((self.seconds(task), seconds))

    def minutes(self, tasks: Sequence[TrainingTask], num_measurements: int, *, num_clips: int = 0) -> float | None:
        """For trainings and measurements still to come, and clips still to be written; None for unknown."""
        if self.data.scale is None and not self._taken:
            return None
        foreseen = sum(self.seconds(task) for task in tasks) * self._factor()
        if self.data.scale is not None:
            asked = _CLASSES * self.data.scale.test_per_class / 1000 * SECONDS_PER_1000_MEASURED
            foreseen += num_measurements * (SECONDS_PER_MEASUREMENT + asked)
            foreseen += num_clips / 1000 * SECONDS_PER_1000_WRITTEN
        return foreseen / 60

    def seconds(self, task: TrainingTask) -> float:
        """By the scale's figures, whatever the machine."""
        method, recipe = task.recipe.model.method, task.recipe
        known = SECONDS_PER_1000_CLIPS
        fused = " ".join((method, *(one for one in recipe.model.modalities if one != "video")))
        once = known.get(fused, known.get(method, known["other"]))
        clips = self.data.tracks[task.track].per_class[0] * (_CLASSES if task.classes == "all" else _BASE_CLASSES)
        larger = LARGER_FACTOR if task.larger else 1.0
        again = 1 + (_CALIBRATION_SHARE if task.calibrated else 0)
        return once * clips / 1000 * recipe.training.epochs * larger * again

    def _factor(self) -> float:
        trusted = _TRUSTED_SECONDS if self.data.scale is not None else 0.0
        foreseen = sum(one for one, _ in self._taken)
        return (sum(taken for _, taken in self._taken) + trusted) / (foreseen + trusted) if self._taken else 1.0


@dataclass(frozen=True)
class StudyPlan:
    """What there is to do."""

    studies: tuple[Study, ...]
    """What was asked for."""
    data: StudyData
    """The data."""
    measurements: tuple[Measurement, ...] = field(repr=False)
    """Every measurement, once."""
    trainings: dict[Measurement, tuple[TrainingTask, ...]] = field(repr=False)
    """Behind each."""
    missing: tuple[TrainingTask, ...] = field(repr=False)
    """Trainings that are not there yet."""
    unmeasured: int
    """Measurements that are not there yet."""
    minutes: float | None
    """About how long it will take; None where nothing is known."""
    left_over: int = 0
    """Trainings of other code, recipes or data in the work folder, which are not used."""
    left_out: tuple[Study, ...] = ()
    """Of all studies, those that cannot be on this data."""
    pools: tuple[Pool, ...] = field(default=(), repr=False)
    """The clips of ShapesAV it needs."""

    @property
    def tasks(self) -> tuple[TrainingTask, ...]:
        """Every training, once."""
        return tuple(dict.fromkeys(task for tasks in self.trainings.values() for task in tasks))


@dataclass(frozen=True)
class Work:
    """How to work, whatever on."""

    folders: StudyFolders
    """Where clips, trainings and measurements lie."""
    workers: int = 2
    """Processes and threads."""
    shown: bool = True
    """Progress on stderr."""
    scale: Scale | None = None
    """Of ShapesAV; None for data that a user has."""
    at_a_time: int = 1
    """Networks trained or measured side by side, each by a process of one thread; 1 for here, with all threads."""


def make_plan(studies: Sequence[Study], data: StudyData, work: Work) -> StudyPlan:
    """What there is to do, without doing it. Raises RecipeError for a study that cannot be on this data."""
    kept, left_out = possible(studies, data)
    measurements = measurements_of(kept, data)
    trainings = trainings_of(measurements, data)
    _refuse_own_without_effect(kept, data, trainings)
    context = StudyContext(data, work.folders, work.workers, work.shown)
    lists = frozenset(path for one in measurements for path in context.manifests(one))
    unwritten = frozenset(path for path in lists if not path.is_file())
    folders = {
        task: None if data.tracks[task.track].clips.manifest in unwritten else context.folder(task)
        for tasks in trainings.values()
        for task in tasks
    }
    missing = tuple(task for task, there in folders.items() if not _finished(there, task))
    unmeasured = sum(
        bool(unwritten & context.manifests(one)) or not context.measurement_file(one, trainings[one]).is_file()
        for one in measurements
    )
    pools = pools_behind(lists, work.folders, work.scale) if work.scale else ()
    clips = sum(pool.num_clips for pool in pools if unwritten & pool.lists)
    minutes = Estimate(data).minutes(missing, unmeasured, num_clips=clips)
    left = 0 if unwritten else work.folders.unused_trainings([one for one in folders.values() if one is not None])
    return StudyPlan(kept, data, measurements, trainings, missing, unmeasured, minutes, left, left_out, pools)


def _refuse_own_without_effect(
    studies: Sequence[Study], data: StudyData, trainings: Mapping[Measurement, tuple[TrainingTask, ...]]
) -> None:
    if data.protocol == "own" and not any(task.own for tasks in trainings.values() for task in tasks):
        what = f"changes nothing in {', '.join(study.name for study in studies)}"
        hint = "leave it out; it is about other people's methods: table1, table2, table4"
        raise RecipeError("--protocol own", what, hint)


def _finished(folder: TrainingFolder | None, task: TrainingTask) -> bool:
    return folder is not None and folder.finished(calibrated=task.calibrated)


def left_out_note(study: Study) -> str:
    """Why a study is not among all of them, in a line."""
    return f"{study.name} is left out: it is about {study.needs}; run it on --data shapesav."
