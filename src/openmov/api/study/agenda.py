"""What a call has to do: which trainings, measurements and clips are missing, and about how long they take.

studies, data, what lies there --make_plan--> Plan
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from openmov.api.study.bench import Bench
from openmov.api.study.estimate import Estimate
from openmov.api.study.layout import StudyFolders, TrainingFolder
from openmov.api.study.plan import TrainingTask, Wanted, measurements_of, possible, trainings_of
from openmov.api.study.pools import Pool, pools_behind
from openmov.api.study.stage import Stage
from openmov.errors import RecipeError
from openmov.studies.scale import Scale
from openmov.studies.study import Study


@dataclass(frozen=True)
class Plan:
    """What there is to do."""

    studies: tuple[Study, ...]
    """What was asked for."""
    stage: Stage
    """The data."""
    wanted: tuple[Wanted, ...] = field(repr=False)
    """Every measurement, once."""
    trainings: dict[Wanted, tuple[TrainingTask, ...]] = field(repr=False)
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


def make_plan(studies: Sequence[Study], stage: Stage, work: Work) -> Plan:
    """What there is to do, without doing it. Raises RecipeError for a study that cannot be on this data."""
    kept, left_out = possible(studies, stage)
    wanted = measurements_of(kept, stage)
    trainings = trainings_of(wanted, stage)
    _refuse_own_without_effect(kept, stage, trainings)
    bench = Bench(stage, work.folders, work.workers, work.shown)
    lists = frozenset(path for one in wanted for path in bench.manifests(one))
    unwritten = frozenset(path for path in lists if not path.is_file())
    folders = {
        task: None if stage.arms[task.arm].clips.manifest in unwritten else bench.folder(task)
        for tasks in trainings.values()
        for task in tasks
    }
    missing = tuple(task for task, there in folders.items() if not _finished(there, task))
    unmeasured = sum(
        bool(unwritten & bench.manifests(one)) or not bench.measurement(one, trainings[one]).is_file() for one in wanted
    )
    pools = pools_behind(lists, work.folders, work.scale) if work.scale else ()
    clips = sum(pool.num_clips for pool in pools if unwritten & pool.lists)
    minutes = Estimate(stage).minutes(missing, unmeasured, num_clips=clips)
    left = 0 if unwritten else work.folders.others_than([one for one in folders.values() if one is not None])
    return Plan(kept, stage, wanted, trainings, missing, unmeasured, minutes, left, left_out, pools)


def _refuse_own_without_effect(
    studies: Sequence[Study], stage: Stage, trainings: Mapping[Wanted, tuple[TrainingTask, ...]]
) -> None:
    if stage.protocol == "own" and not any(task.own for tasks in trainings.values() for task in tasks):
        what = f"changes nothing in {', '.join(study.name for study in studies)}"
        mend = "leave it out; it is about other people's methods: table1, table2, table4"
        raise RecipeError("--protocol own", what, mend)


def _finished(folder: TrainingFolder | None, task: TrainingTask) -> bool:
    return folder is not None and folder.finished(calibrated=task.calibrated)


def left_out_note(study: Study) -> str:
    """Why a study is not among all of them, in a line."""
    return f"{study.name} is left out: it is about {study.needs}; run it on --data shapesav."
