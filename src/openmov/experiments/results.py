"""`openmov results`: both tasks of ShapesAV, several training seeds, one fixed split, at least 50 test clips a class.

    OUT/README.md      mean, deviation and paired comparisons, for people
    OUT/results.json   the same and more, for programs
    OUT/report.html    the page of seed 0

Clips, caches and runs go to a work folder; what an interrupted call finished there is not done again.
"""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from openmov.evaluation.metrics import PairedDifference, harmonic_mean, paired_bootstrap
from openmov.evaluation.result import Evaluation, Role
from openmov.experiments.steps import StepClock
from openmov.experiments.tasks import TASKS, TrainingOptions, WorldFolders, train_and_evaluate
from openmov.experiments.world import POOL_SEED
from openmov.report.content import MethodKind, ReportContent
from openmov.report.report import refuse_other_report, write_report
from openmov.runs.evaluate import HONEST_NOTES, EvaluatedTask, report_of
from openmov.runs.measure import MethodResult, failures_of
from openmov.runs.provenance import fact_groups, machine_facts, recipe_facts, software_facts
from openmov.runtime.own_files import marked, refuse_foreign, stamped, write_own
from openmov.shapesav.pool import PoolSize, write_world


@dataclass(frozen=True)
class Goal:
    """Ours - theirs in accuracy is at least `margin`."""

    ours: MethodKind
    """The method that is meant to be better."""
    theirs: tuple[MethodKind, ...]
    """The best of these is what it is compared with."""
    role: Role
    """On which classes."""
    margin: float
    """Fraction; 0 asks only for not worse."""
    source: str
    """Where the margin comes from."""


MAIN_JOB = (
    Goal("mov", ("clip",), "base", 0.241, "table 1"),
    Goal("mov", ("clip",), "novel", 0.027, "table 2"),
    Goal("mov_calibrated", ("clip",), "novel", 0.027, "table 2"),
    Goal("mov", ("score_fusion",), "base", 0.0, "table 5"),
    Goal("score_fusion", ("single", "video"), "base", 0.0, "table 5"),
)


@dataclass(frozen=True)
class SeedResult:
    """One method, trained with one seed."""

    base: Evaluation
    """On base classes."""
    novel: Evaluation
    """On novel classes."""

    def of(self, role: Role) -> Evaluation:
        """One of the two."""
        return self.base if role == "base" else self.novel


@dataclass(frozen=True)
class MethodOverSeeds:
    """One row of the table; standard deviations are over seeds (n - 1), 0 for a single seed."""

    name: str
    """As shown."""
    seeds: tuple[SeedResult, ...] = field(repr=False)
    """In the order of the seeds."""
    notes: tuple[str, ...] = ()
    """What differs between seeds, such as the calibrated beta."""

    def accuracies(self, role: Role) -> Float[np.ndarray, "seeds"]:
        """One a seed."""
        return np.array([result.of(role).accuracy.value for result in self.seeds])

    def mean_std(self, role: Role) -> tuple[float, float]:
        """Of the accuracies."""
        values = self.accuracies(role)
        return float(values.mean()), float(values.std(ddof=1)) if len(values) > 1 else 0.0

    @property
    def harmonic(self) -> float:
        """Mean over seeds of the harmonic mean of base and novel accuracy."""
        pairs = zip(self.accuracies("base"), self.accuracies("novel"), strict=True)
        return float(np.mean([harmonic_mean(float(base), float(novel)) for base, novel in pairs]))

    def correctness(self, role: Role) -> Float[np.ndarray, "clips"]:
        """Share of seeds that answered each test clip rightly, in the order of `clips`."""
        self.clips(role)
        return np.asarray(np.mean([result.of(role).correct for result in self.seeds], axis=0))

    def clips(self, role: Role) -> tuple[str, ...]:
        """Ids of the test clips, sorted. Raises ValueError where the seeds were tested on different ones."""
        tested = {tuple(record.video_id for record in result.of(role).records) for result in self.seeds}
        if len(tested) != 1:
            raise ValueError(f"the seeds of {self.name} were not tested on the same {role} clips")
        return tested.pop()


@dataclass(frozen=True)
class GoalOutcome:
    """What came of a goal."""

    goal: Goal
    """What was asked."""
    theirs: MethodKind
    """The rival it was held against: the best of the goal's."""
    difference: PairedDifference
    """Ours - theirs, over test clips, each clip's correctness averaged over seeds."""

    @property
    def met(self) -> bool:
        """Whether the mean difference reaches the margin."""
        return self.difference.mean >= self.goal.margin


def outcomes(methods: Mapping[MethodKind, MethodOverSeeds], goals: Sequence[Goal]) -> tuple[GoalOutcome, ...]:
    """Each goal whose methods were measured, by a paired bootstrap over test clips.

    Raises ValueError where two methods, or two seeds, were not tested on the same clips.
    """
    found = []
    for goal in goals:
        rivals = [kind for kind in goal.theirs if kind in methods]
        if goal.ours in methods and rivals:
            best = max(rivals, key=lambda kind: methods[kind].mean_std(goal.role)[0])
            ours, theirs = methods[goal.ours], methods[best]
            if ours.clips(goal.role) != theirs.clips(goal.role):
                raise ValueError(f"{ours.name} and {theirs.name} were not tested on the same {goal.role} clips")
            difference = paired_bootstrap(ours.correctness(goal.role), theirs.correctness(goal.role))
            found.append(GoalOutcome(goal, best, difference))
    return tuple(found)


_TABLE_HEAD = "| method | base | novel | harmonic mean |\n|---|---|---|---|"
_GOAL_HEAD = "| asked on | ours against | at least | measured (95 % interval) | met |\n|---|---|---|---|---|"


def results_markdown(
    titles: Mapping[str, str],
    tables: Mapping[str, Mapping[MethodKind, MethodOverSeeds]],
    reached: Mapping[str, Sequence[GoalOutcome]],
    facts: Mapping[str, Any],
) -> str:
    """The whole page."""
    seeds = ", ".join(map(str, facts["seeds"]))
    parts = [
        f"# Results on ShapesAV, {facts['date']}",
        f"Training seeds {seeds}, one fixed split; accuracy in %, mean and standard deviation over seeds. Made by "
        f"`make results` in {facts['minutes']} minutes ({_line(facts['machine'])}; {_line(facts['software'])}).",
        "MOV is shown with the paper's beta and tau_v, which were tuned for a backbone that already knows the "
        "classes, and with beta and tau_v calibrated on held-out base classes. No novel clip, name or label took "
        "part in either.",
    ]
    for name, methods in tables.items():
        parts += [f"## {titles[name]}", _line(facts["tasks"][name]), _table(methods), _goals(methods, reached[name])]
    return "\n\n".join(parts) + "\n"


def _line(facts: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {value}" for name, value in facts.items())


def _table(methods: Mapping[MethodKind, MethodOverSeeds]) -> str:
    return "\n".join([_TABLE_HEAD, *(_row(method) for method in methods.values())])


def _row(method: MethodOverSeeds) -> str:
    note = f" ({'; '.join(method.notes)})" if method.notes else ""
    base, novel = (_mean_std(*method.mean_std(role)) for role in ("base", "novel"))
    return f"| {method.name}{note} | {base} | {novel} | {100 * method.harmonic:.1f} |"


def _mean_std(mean: float, std: float) -> str:
    return f"{100 * mean:.1f} ± {100 * std:.1f}"


def _goals(methods: Mapping[MethodKind, MethodOverSeeds], reached: Sequence[GoalOutcome]) -> str:
    rows = []
    for outcome in reached:
        goal, found = outcome.goal, outcome.difference
        pair = f"{methods[goal.ours].name} against {methods[outcome.theirs].name}"
        measured = f"{100 * found.mean:+.1f} [{100 * found.low:+.1f}, {100 * found.high:+.1f}]"
        asked = f"{100 * goal.margin:+.1f} ({goal.source})"
        rows.append(f"| {goal.role} | {pair} | {asked} | {measured} | {'yes' if outcome.met else 'no'} |")
    return "\n".join([_GOAL_HEAD, *rows])


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
    refuse_foreign([out / "README.md", out / "results.json"])
    refuse_other_report(out)
    folders, clock = WorldFolders(work), StepClock(shown=shown)
    with clock.step("Write the clips"):
        write_world(folders.clips, size, POOL_SEED, workers=workers, shown=shown)
    measured: dict[str, list[EvaluatedTask]] = {name: [] for name in TASKS}
    for seed in range(seeds):
        effort = TrainingOptions((*overrides, f"training.seed={seed}"), workers, shown)
        for name in TASKS:
            runs = work / "runs" / f"{name}-seed{seed}"
            measured[name].append(train_and_evaluate(name, folders, runs.joinpath, effort, clock))
    tables = {name: _over_seeds(evaluated) for name, evaluated in measured.items()}
    reached = {name: outcomes(methods, MAIN_JOB) for name, methods in tables.items()}
    _write_seed_page(out, measured, clock, workers)
    facts = _facts(measured, clock, seeds)
    titles = {name: task.title for name, task in TASKS.items()}
    data = json.dumps(stamped(_as_json(facts, tables, reached)), indent=1, ensure_ascii=False) + "\n"
    page = marked(results_markdown(titles, tables, reached, facts))
    write_own({out / "README.md": page, out / "results.json": data})
    return out / "README.md"


def _over_seeds(evaluated: Sequence[EvaluatedTask]) -> dict[MethodKind, MethodOverSeeds]:
    by_kind: dict[MethodKind, list[MethodResult]] = {}
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
            name: {**recipe_facts(tasks[0].mov[0].components), **tasks[0].data_facts}
            for name, tasks in measured.items()
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
    wirings = {TASKS[name].title: task.mov[0].components for name, task in first.items()}
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
