"""From evaluations to what a report says of them: rows of the results table, and how every class fared.

Knows nothing of pages.
"""

from openmov.evaluation.content import ClassChange, MethodKind, MethodRow
from openmov.evaluation.result import Evaluation


def method_row(
    method: str, base: Evaluation | None, novel: Evaluation | None, *, kind: MethodKind = "other", note: str = ""
) -> MethodRow:
    """A row from what was measured on base and on novel clips."""
    on_base, on_novel = (evaluation.accuracy if evaluation else None for evaluation in (base, novel))
    return MethodRow(method, on_base, on_novel, kind, note)


def class_changes(before: Evaluation, after: Evaluation) -> tuple[ClassChange, ...]:
    """Every class that has videos, in the vocabulary's order. Raises ValueError where the two know other videos."""
    if [(r.video_id, r.label) for r in before.records] != [(r.video_id, r.label) for r in after.records]:
        raise ValueError(f"{before.what!r} and {after.what!r} are not about the same videos")
    was = {result.name: result.correct for result in before.classes}
    return tuple(
        ClassChange(new.name, new.role, was[new.name] / new.count, new.correct / new.count, new.count)
        for new in after.classes
        if new.count
    )
