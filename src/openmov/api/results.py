"""`openmov results`: both tasks of ShapesAV, several training seeds, one fixed split, at least 50 test clips a class.

    OUT/README.md      mean, deviation and paired comparisons, for people
    OUT/results.json   the same and more, for programs
    OUT/report.html    the page of seed 0

Clips, caches and runs go to a work folder; what an interrupted call finished there is not done again.
"""

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from openmov.api.evaluate import HONEST_NOTES, EvaluatedTask, report_of
from openmov.api.facts import fact_groups, machine_facts, recipe_facts, software_facts
from openmov.api.measuring import Method
from openmov.api.recorded import failures_of
from openmov.api.shapesav import PoolSize, write_world
from openmov.api.world_tasks import POOL_SEED, TASKS, Effort, StepClock, WorldFolders, train_and_evaluate
from openmov.evaluation.content import MethodKind, ReportContent
from openmov.evaluation.report import write_report
from openmov.runtime.atomic import write_text
from openmov.studies.goals import MAIN_JOB
from openmov.studies.results_page import results_markdown
from openmov.studies.seeds import GoalOutcome, MethodOverSeeds, SeedResult, outcomes

RESULTS_SIZE = PoolSize(train_per_class=24, val_per_class=4, test_per_class=56)
"""56 clips of each class: every (motion, sound) pair of a shape 7 times."""


def run_results(
    out: Path,
    work: Path,
    *,
    seeds: int = 3,
    workers: int = 2,
    size: PoolSize = RESULTS_SIZE,
    overrides: Sequence[str] = (),
    shown: bool = True,
) -> Path:
    """Trains, measures and writes the page; returns its path. `overrides` change every recipe."""
    folders, clock = WorldFolders(work), StepClock(shown=shown)
    with clock.step("Write the clips"):
        write_world(folders.clips, size, POOL_SEED, workers=workers, shown=shown)
    measured: dict[str, list[EvaluatedTask]] = {name: [] for name in TASKS}
    for seed in range(seeds):
        effort = Effort((*overrides, f"training.seed={seed}"), workers, shown)
        for name in TASKS:
            runs = work / "runs" / f"{name}-seed{seed}"
            measured[name].append(train_and_evaluate(name, folders, runs.joinpath, effort, clock))
    tables = {name: _over_seeds(evaluated) for name, evaluated in measured.items()}
    reached = {name: outcomes(methods, MAIN_JOB) for name, methods in tables.items()}
    _write_seed_page(out, measured, clock, workers)
    facts = _facts(measured, clock, seeds)
    titles = {name: task.title for name, task in TASKS.items()}
    write_text(out / "results.json", json.dumps(_as_json(facts, tables, reached), indent=1, ensure_ascii=False) + "\n")
    write_text(out / "README.md", results_markdown(titles, tables, reached, facts))
    return out / "README.md"


def _over_seeds(evaluated: Sequence[EvaluatedTask]) -> dict[MethodKind, MethodOverSeeds]:
    by_kind: dict[MethodKind, list[Method]] = {}
    for task in evaluated:
        for method in task.methods:
            by_kind.setdefault(method.kind, []).append(method)
    return {
        kind: MethodOverSeeds(
            methods[0].name,
            tuple(SeedResult(method.base, method.novel) for method in methods),
            tuple(dict.fromkeys(method.note for method in methods if method.note)),
        )
        for kind, methods in by_kind.items()
    }


def _facts(measured: Mapping[str, Sequence[EvaluatedTask]], clock: StepClock, seeds: int) -> dict[str, Any]:
    return {
        "date": time.strftime("%Y-%m-%d"),
        "seeds": list(range(seeds)),
        "minutes": round(sum(step.seconds for step in clock.steps) / 60, 1),
        "tasks": {
            name: {**recipe_facts(tasks[0].mov[0].wiring), **tasks[0].data_facts} for name, tasks in measured.items()
        },
        "software": dict(software_facts()),
        "machine": dict(machine_facts()),
        "steps": [{"name": step.name, "seconds": round(step.seconds, 1)} for step in clock.steps],
    }


def _as_json(
    facts: Mapping[str, Any],
    tables: Mapping[str, Mapping[MethodKind, MethodOverSeeds]],
    reached: Mapping[str, Sequence[GoalOutcome]],
) -> dict[str, Any]:
    results = {
        name: {
            "methods": [
                {
                    "method": method.name,
                    "kind": kind,
                    "notes": list(method.notes),
                    **{role: [float(value) for value in method.accuracies(role)] for role in ("base", "novel")},
                    "clips": {"base": len(method.seeds[0].base.records), "novel": len(method.seeds[0].novel.records)},
                }
                for kind, method in methods.items()
            ],
            "goals": [
                {
                    "ours": outcome.goal.ours,
                    "theirs": outcome.theirs,
                    "role": outcome.goal.role,
                    "margin": outcome.goal.margin,
                    "difference": vars(outcome.difference),
                    "met": outcome.met,
                }
                for outcome in reached[name]
            ],
        }
        for name, methods in tables.items()
    }
    return {**facts, "results": results}


def _write_seed_page(
    out: Path, measured: Mapping[str, Sequence[EvaluatedTask]], clock: StepClock, workers: int
) -> None:
    """The full page of seed 0."""
    first = {name: tasks[0] for name, tasks in measured.items()}
    wirings = {TASKS[name].title: task.mov[0].wiring for name, task in first.items()}
    content = ReportContent(
        title="openmov on ShapesAV, training seed 0",
        summary="The page of one of the seeds; means over seeds stand in README.md beside it.",
        date=time.strftime("%Y-%m-%d"),
        facts=fact_groups(wirings, {TASKS[name].title: task.data_facts for name, task in first.items()}),
        steps=tuple(clock.steps),
        tasks=tuple(
            report_of(task, TASKS[name].title, TASKS[name].explanation, num_examples=4, workers=workers)
            for name, task in first.items()
        ),
        failures=tuple(failure for task in first.values() for failure in failures_of(task.clips)),
        notes=HONEST_NOTES,
    )
    write_report(out, content)
