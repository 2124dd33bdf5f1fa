"""What `openmov study` says beforehand."""

import sys
from collections import Counter

from openmov.cli.output import say
from openmov.experiments.plan import StudyPlan, left_out_note


def plan_lines(plan: StudyPlan) -> list[str]:
    """How many trainings and measurements, of which kinds, and about how long."""
    there = len(plan.tasks) - len(plan.missing)
    have = f", {there} of them there already" if there else ""
    lines = [
        f"{', '.join(study.name for study in plan.studies)} on {plan.data.title}: {len(plan.tasks)} trainings{have}; "
        f"{len(plan.measurements)} measurements, {plan.unmeasured} of them to be made."
    ]
    kinds = Counter(task.title.rsplit("-seed", 1)[0] for task in plan.missing)
    lines += [f"  train {kind}{f' x {count}' if count > 1 else ''}" for kind, count in sorted(kinds.items())]
    lines += map(left_out_note, plan.left_out)
    if plan.left_over:
        lines.append(f"{plan.left_over} trainings of other code, recipes, data or studies lie there and are not used.")
    return [*lines, _time(plan)]


def announce(plan: StudyPlan) -> None:
    """The plan, on stderr."""
    say("\n".join(plan_lines(plan)), file=sys.stderr)


def _time(plan: StudyPlan) -> str:
    if plan.minutes is None:
        return "How long it takes is said after the first training."
    scale = plan.data.scale if plan.data.protocol == "paper" else None
    limit = f", within {scale.limit_minutes} on two idle cores" if scale else ""
    return f"About {max(1, round(plan.minutes))} minutes{limit}."
