"""The results of several seeds as a Markdown page: one table a task, then what was asked and what came out."""

from collections.abc import Mapping, Sequence
from typing import Any

from openmov.evaluation.content import MethodKind
from openmov.studies.seeds import GoalOutcome, MethodOverSeeds

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
