"""Evaluations are stored and compared without loss."""

import json

import pytest

from openmov.errors import RunFolderError
from openmov.evaluation.result import Evaluation, Failure, SampleRecord, paired_difference
from openmov.report.content import class_changes, method_row


def evaluation(ranks: list[int], what: str = "mov") -> Evaluation:
    names = ("archery", "biking", "diving")
    records = tuple(
        SampleRecord(f"v{i}", names[i % 2], rank, 0.5 / rank, names[: 5 - rank], (0.5, 0.3, 0.2)[: 5 - rank])
        for i, rank in enumerate(ranks)
    )
    return Evaluation(what, ("archery",), ("biking", "diving"), "abc", records, (Failure("x.mp4", "empty"),))


def test_json_there_and_back():
    before = evaluation([1, 2, 1, 1])
    fields = json.loads(json.dumps(before.to_json(), allow_nan=False))
    assert Evaluation.from_json(fields) == before
    assert (fields["evaluated"], fields["failed"], fields["accuracy"]["value"]) == (4, 1, 0.75)
    assert fields["classes"][2] == {"name": "diving", "role": "novel", "correct": 0, "count": 0, "accuracy": None}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format_version": 99}, "format version 2"),
        ({"records": None}, "damaged"),
        ({"records": [{"names": [], "probabilities": []}]}, "damaged"),
        ({"vocabulary": {}}, "damaged"),
    ],
)
def test_other_json_is_refused(change, message):
    with pytest.raises(RunFolderError, match=message):
        Evaluation.from_json(evaluation([1]).to_json() | change, "runs/a/evaluation.json")


def test_protocol_follows_from_the_names():
    generalised = evaluation([1, 1])
    assert generalised.protocol == "generalised"
    assert Evaluation("", ("archery",), (), "", generalised.records[:1]).protocol == "base"
    assert Evaluation("", (), ("archery",), "", generalised.records[:1]).protocol == "novel"


def test_paired_difference_wants_the_same_videos():
    assert paired_difference(evaluation([1, 1, 1, 1]), evaluation([1, 2, 2, 1])).mean == 0.5
    with pytest.raises(ValueError, match="same videos"):
        paired_difference(evaluation([1, 1]), evaluation([1, 1, 1]))


def test_class_changes():
    changes = class_changes(evaluation([2, 1, 2, 1]), evaluation([1, 1, 2, 2]))
    assert [(c.name, c.role, c.before, c.after, c.change) for c in changes] == [
        ("archery", "base", 0.0, 0.5, 0.5),
        ("biking", "novel", 1.0, 0.5, -0.5),
    ]
    with pytest.raises(ValueError, match="same videos"):
        class_changes(evaluation([1]), evaluation([1, 1]))


def test_method_row():
    row = method_row("MOV", evaluation([1, 1, 2, 2]), evaluation([1, 2, 2, 2]))
    assert row.harmonic == pytest.approx(2 * 0.5 * 0.25 / 0.75)
    assert method_row("MOV", evaluation([1]), None).harmonic is None
