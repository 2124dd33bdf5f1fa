"""Runs studies from what a user names to the pages.

    names --open_data--> data --make_plan--> plan, said beforehand --run_studies--> clips --> trainings, each once
         --> measurements --> a page a study, and one of all

Interrupted at any moment and called again, it goes on where it stopped.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import torch

from openmov.config.choices import Protocol
from openmov.errors import RecipeError
from openmov.experiments.context import StudyContext
from openmov.experiments.data import DataNote, StudyData, user_data
from openmov.experiments.fill import Measured, fill
from openmov.experiments.folders import StudyFolders
from openmov.experiments.measure import Measurer
from openmov.experiments.page import PageInputs, refuse_other_pages, write_pages
from openmov.experiments.parallel import measure_each, train_each
from openmov.experiments.plan import Estimate, StudyPlan, Work, make_plan
from openmov.experiments.scale import FULL, QUICK
from openmov.experiments.steps import StepClock
from openmov.experiments.trainings import Measurement
from openmov.experiments.world import UNDER_OWN, UNDER_OWN_SAID, world_data
from openmov.runtime.cache_folder import default_cache_folder
from openmov.runtime.progress import progress_bar

WORLD = "shapesav"
"""What the synthetic world is called."""


def open_data(
    names: Sequence[str],
    manifests: Sequence[Path],
    work: Path,
    cache: Path | None,
    seeds: int | None,
    overrides: Sequence[str],
    *,
    quick: bool,
    workers: int,
    protocol: Protocol = "paper",
) -> tuple[StudyData, Work]:
    """The data that was named, and how to work on it. Raises RecipeError, ManifestError."""
    folders = StudyFolders(work)
    if WORLD not in names:
        if quick:
            raise RecipeError("--quick", "is a size of ShapesAV", "leave it out, or use --set training.epochs=1")
        data = user_data(
            names, manifests, cache or default_cache_folder(), seeds=seeds or 1, overrides=tuple(overrides)
        )
        return _with_notes(replace(data, protocol=protocol, last_word=tuple(overrides))), Work(folders, workers)
    if len(names) > 1 or manifests:
        raise RecipeError("--data", f"{WORLD} is made on the spot, alone", "leave out --manifest and other --data")
    scale = QUICK if quick else FULL
    folders = replace(folders, pools=scale.name)
    data = world_data(folders, scale, tuple(overrides))
    data = replace(data, seeds=seeds or scale.seeds, cache=cache or data.cache)
    data = replace(data, protocol=protocol, last_word=(*UNDER_OWN, *overrides))
    at_a_time = 1 if torch.cuda.is_available() else workers
    return _with_notes(data, UNDER_OWN_SAID), Work(folders, workers, scale=scale, at_a_time=at_a_time)


def _with_notes(data: StudyData, *more: str) -> StudyData:
    """Says on every page whose hyper-parameters they are, where they are not the recipe's."""
    return (
        data
        if data.protocol == "paper"
        else replace(data, notes=(*data.notes, DataNote(_OWN_SAID), *map(DataNote, more)))
    )


_OWN_SAID = (
    "CoOp, CLIP-Adapter, ActionCLIP, X-CLIP and ViFi-CLIP are trained with their authors' hyper-parameters as far as a "
    "recipe can express them (docs/hyperparameters.md; decision 24 names those that are assumptions), everything else "
    "as always."
)


def command_of(names: Sequence[str], data: StudyData, overrides: Sequence[str]) -> str:
    """The command line that makes the same again."""
    seeds = f" --seeds {data.seeds}" if data.scale is None or data.seeds != data.scale.seeds else ""
    sets = "".join(f" --set {override}" for override in overrides)
    own = "" if data.protocol == "paper" else f" --protocol {data.protocol}"
    return f"openmov study {' '.join(names)} {data.named}{seeds}{own}{sets}"


def run_studies(
    plan: StudyPlan, out: Path, work: Work, *, command: str, announce: Callable[[StudyPlan], None] | None = None
) -> Path:
    """Does what a plan says and writes the pages into `out`; returns the page of all, or of the one study.

    Raises what trainings and evaluations do.
    """
    refuse_other_pages(out, plan.studies)
    clock = StepClock(shown=work.shown)
    if announce is not None:
        announce(plan)
    if work.scale is not None:
        with clock.step("Write the clips"):
            for pool in plan.pools:
                pool.write(workers=work.workers, shown=work.shown)
        plan = make_plan(plan.studies, plan.data, work)
    context = StudyContext(plan.data, work.folders, work.workers, work.shown)
    _train_missing(plan, context, clock, work.at_a_time)
    paths = _measure_missing(plan, context, clock, work.at_a_time)
    measured = Measured(context, plan.trainings, paths)
    outcomes = tuple(fill(study, measured) for study in plan.studies)
    seconds = [context.folder(task).seconds for task in plan.tasks]
    return write_pages(outcomes, PageInputs(plan, seconds, work.at_a_time, clock, command), out)


def _train_missing(plan: StudyPlan, context: StudyContext, clock: StepClock, at_a_time: int) -> None:
    """Every training that is missing; what it took, and the rest of the time, is said after each."""
    estimate, total = Estimate(plan.data), len(plan.missing)
    with clock.step(f"Train {total} networks" + (f", {at_a_time} at a time" if at_a_time > 1 else "")):
        waiting = dict.fromkeys(plan.missing)
        for task, seconds in train_each(plan.missing, context, at_a_time):
            del waiting[task]
            estimate.took(task, seconds)
            rest = estimate.minutes(tuple(waiting), plan.unmeasured)
            left = "" if rest is None else f"; about {rest:.0f} minutes left"
            clock.say(f"{total - len(waiting)} of {total}: {task.title}, {seconds * at_a_time:.0f} s{left}")


def _measure_missing(
    plan: StudyPlan, context: StudyContext, clock: StepClock, at_a_time: int
) -> dict[Measurement, Path]:
    paths = {one: context.measurement_file(one, plan.trainings[one]) for one in plan.measurements}
    missing = [one for one in plan.measurements if not paths[one].is_file()]
    measurer = Measurer(context)
    with clock.step("Prepare the test clips"):
        for one in missing:
            measurer.prepare(one, plan.trainings[one])
    bar = progress_bar("measuring", len(missing), shown=context.shown)
    with clock.step(f"Measure {len(missing)} of {len(paths)}"), bar as show:
        for done in measure_each(missing, plan.trainings, measurer, at_a_time):
            show(done)
    return paths
