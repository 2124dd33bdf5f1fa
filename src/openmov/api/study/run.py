"""Runs studies from plan to page.

    plan, said beforehand --> clips --> trainings, each once --> measurements --> a page a study, and one of all

Interrupted at any moment and called again, it goes on where it stopped.
"""

from collections.abc import Callable
from pathlib import Path

from openmov.api.study.agenda import Plan, Work, make_plan
from openmov.api.study.bench import Bench
from openmov.api.study.estimate import Estimate
from openmov.api.study.fill import Filler, Measured
from openmov.api.study.measure import Measurer
from openmov.api.study.pages import Made, write_pages
from openmov.api.study.plan import Wanted
from openmov.api.study.side_by_side import measure_each, train_each
from openmov.api.world_tasks import StepClock
from openmov.runtime.progress import progress_bar


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
    seconds = [bench.folder(task).seconds for task in plan.tasks]
    return write_pages(filled, Made(plan, seconds, work.at_a_time, clock, command), out)


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
        for done in measure_each(missing, plan.trainings, measurer, at_a_time):
            show(done)
    return paths
