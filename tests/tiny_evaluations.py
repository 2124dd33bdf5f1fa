"""Evaluations whose answers are known, for the tests of studies."""

from collections.abc import Sequence

from openmov.evaluation.result import Evaluation, SampleRecord


def evaluation(right: Sequence[int], base: Sequence[str], novel: Sequence[str]) -> Evaluation:
    """Clip i is of class i modulo the number of names."""
    names = (*base, *novel)
    records = tuple(
        SampleRecord(f"v{i:03d}", names[i % len(names)], 1 if ok else 2, 0.5, (names[0],), (1.0,))
        for i, ok in enumerate(right)
    )
    return Evaluation("", tuple(base), tuple(novel), "id", records)


FOUND = {
    "base": evaluation([1, 1, 1, 0], ["a"], []),
    "novel": evaluation([1, 0], [], ["b"]),
    "generalised": evaluation([1, 0, 1, 0, 1, 1], ["a"], ["b"]),
}
"""Base 3 of 4, novel 1 of 2; among all names base 3 of 3, novel 1 of 3."""
