"""Runs studies from plan to page.

    plan, said beforehand --> clips --> trainings, each once --> measurements --> a page a study, and one of all

Interrupted at any moment and called again, it goes on where it stopped.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from openmov.api.facts import machine_facts, software_facts
from openmov.api.study.bench import Bench
from openmov.api.study.estimate import Estimate
from openmov.api.study.fill import Filler, Measured
from openmov.api.study.layout import TRAINING_CODE, StudyFolders, TrainingFolder, code_identity
from openmov.api.study.measure import Measurer
from openmov.api.study.plan import TrainingTask, Wanted, measurements_of, possible, trainings_of
from openmov.api.study.pools import Pool, pools_behind
from openmov.api.study.side_by_side import measure_each, train_each
from openmov.api.study.stage import Stage
from openmov.api.world_tasks import StepClock
from openmov.errors import RecipeError
from openmov.evaluation.content import FactGroup
from openmov.runtime.atomic import write_text
from openmov.runtime.progress import progress_bar
from openmov.studies.filled import FilledStudy
from openmov.studies.page import StudiesContent, as_html, as_json, as_markdown
from openmov.studies.scale import Scale
from openmov.studies.study import Study

_NOTE = (
    "No MOV trained on Kinetics or VGGSound has been released by anyone; what stands as the paper's was read off the "
    "paper. No novel class, clip or name was loaded in training or tuning, except where a study says that it trains "
    "on all classes."
)


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


def run_studies(
    plan: Plan, out: Path, work: Work, *, command: str, announce: Callable[[Plan], None] | None = None
) -> Path:
    """Does what a plan says and writes the pages into `out`; returns the page of all, or of the one study.

    Raises what trainings and evaluations do.
    """
    clock = StepClock(shown=work.shown)
    if announce is not None:
        announce(plan)
    if work.scale is not None:
        with clock.step("Write the clips"):
            for pool in plan.pools:
                pool.write(workers=work.workers, shown=work.shown)
        plan = make_plan(plan.studies, plan.stage, work)
    bench = Bench(plan.stage, work.folders, work.workers, work.shown)
    _train(plan, bench, clock, work.at_a_time)
    paths = _measure(plan, bench, clock, work.at_a_time)
    measured = Measured(bench, plan.trainings, paths)
    filled = tuple(Filler(study, measured).filled() for study in plan.studies)
    minutes = sum(bench.folder(task).seconds for task in plan.tasks) / 60
    facts = _facts(plan, {"trainings": f"{len(plan.tasks)}, {minutes:.0f} minutes in all"})
    return _write(filled, _Page(plan, facts, clock, command), out)


def _train(plan: Plan, bench: Bench, clock: StepClock, at_a_time: int) -> None:
    """Every training that is missing; what it took, and the rest of the time, is said after each."""
    estimate, total = Estimate(plan.stage), len(plan.missing)
    with clock.step(f"Train {total} networks" + (f", {at_a_time} at a time" if at_a_time > 1 else "")):
        waiting = dict.fromkeys(plan.missing)
        for task, seconds in train_each(plan.missing, bench, at_a_time):
            del waiting[task]
            estimate.took(task, seconds)
            rest = estimate.minutes(tuple(waiting), plan.unmeasured)
            left = "" if rest is None else f"; about {rest:.0f} minutes left"
            clock.say(f"{total - len(waiting)} of {total}: {task.title}, {seconds * at_a_time:.0f} s{left}")


def _measure(plan: Plan, bench: Bench, clock: StepClock, at_a_time: int) -> dict[Wanted, Path]:
    paths = {wanted: bench.measurement(wanted, plan.trainings[wanted]) for wanted in plan.wanted}
    missing = [wanted for wanted in plan.wanted if not paths[wanted].is_file()]
    measurer = Measurer(bench)
    with clock.step("Prepare the test clips"):
        for wanted in missing:
            measurer.prepare(wanted, plan.trainings[wanted])
    bar = progress_bar("measuring", len(missing), shown=bench.shown)
    with clock.step(f"Measure {len(missing)} of {len(paths)}"), bar as show:
        for done in measure_each(missing, plan.trainings, bench, at_a_time):
            show(done)
    return paths


@dataclass(frozen=True)
class _Page:
    """What every page of one call says alike."""

    plan: Plan
    facts: tuple[FactGroup, ...]
    clock: StepClock
    command: str

    def content(self, title: str, filled: tuple[FilledStudy, ...]) -> StudiesContent:
        stage = self.plan.stage
        seeds = stage.seeds
        said = f"mean and standard deviation over {seeds} training seeds" if seeds > 1 else "one training seed"
        return StudiesContent(
            title=title,
            summary=f"Accuracy in per cent, {said}, one fixed split; the paper's numbers stand beside for comparison.",
            date=time.strftime("%Y-%m-%d"),
            command=self.command,
            studies=filled,
            facts=self.facts,
            steps=tuple(self.clock.steps),
            notes=(*stage.notes, *map(left_out_note, self.plan.left_out), _NOTE),
        )


def _write(filled: tuple[FilledStudy, ...], page: _Page, out: Path) -> Path:
    """A page a study, and where several were asked for one of all."""
    for one in filled:
        _write_page(out, one.study.name, page.content(one.study.title, (one,)))
    if len(filled) == 1:
        return out / f"{filled[0].study.name}.html"
    title = f"The paper's experiments on {page.plan.stage.title}"
    return _write_page(out, "report", page.content(title, filled))


def _write_page(out: Path, name: str, content: StudiesContent) -> Path:
    write_text(out / f"{name}.json", as_json(content))
    write_text(out / f"{name}.md", as_markdown(content))
    write_text(out / f"{name}.html", as_html(content))
    return out / f"{name}.html"


def _facts(plan: Plan, more: dict[str, str]) -> tuple[FactGroup, ...]:
    stage, scale = plan.stage, plan.stage.scale
    data = {"data": stage.title, "training seeds": ", ".join(map(str, range(stage.seeds)))}
    used = {one.arm: stage.arms[one.arm] for one in plan.wanted}
    data |= {name: f"{arm.clips.title} ({arm.recipe})" for name, arm in used.items()}
    if scale is not None:
        sizes = (
            f"{scale.train_per_class} to train on, {scale.val_per_class} to validate, {scale.test_per_class} to test"
        )
        data |= {"clips a class": sizes, "epochs": str(scale.epochs)}
    if stage.protocol == "own":
        data["hyper-parameters of other methods"] = "their authors' own"
    data |= more | {"code": code_identity(TRAINING_CODE)}
    return (
        FactGroup("Data", tuple(data.items())),
        FactGroup("Software", tuple(software_facts().items())),
        FactGroup("Machine", tuple(machine_facts().items())),
    )
