"""Confusion, calibration and rows of other data sets from a handful of answers."""

import io
import json

import numpy as np
import pytest
from PIL import Image

from openmov.errors import RunFolderError
from openmov.evaluation.result import Conditions, Evaluation, SampleRecord, VideosPresent
from openmov.evaluation.rows import confusion_map, cross_row, generalised_row, protocol_row, reliability
from openmov.report.figures import reliability_chart
from openmov.report.pictures import confusion_picture

CONDITIONS = Conditions(
    prompts="kinetics700",
    templates=("a photo of {}.",),
    views="4x3",
    checkpoints={"runs/a": "ab" * 32},
    backbone="clip",
    backbone_identity="cd",
    manifest="ef",
    versions={"torch": "2"},
    wall_seconds=1.5,
    videos=VideosPresent("test", 15_446, 14_012, ("x",), ()),
)


def answered(*pairs: tuple[str, str], sure: float = 0.75) -> Evaluation:
    """(true class, answer) over the base classes a and b and the novel class c."""
    records = tuple(
        SampleRecord(f"v{k}", label, 1 if label == name else 2, sure, (name,), (sure,))
        for k, (label, name) in enumerate(pairs)
    )
    return Evaluation("sample", ("a", "b"), ("c",), "0", records, conditions=CONDITIONS)


FOUND = answered(("a", "a"), ("a", "b"), ("b", "a"), ("b", "a"), ("c", "c"))


def test_confusion_counts_rows_of_true_classes():
    np.testing.assert_array_equal(FOUND.confusion, [[1, 1, 0], [2, 0, 0], [0, 0, 1]])
    assert confusion_map("MOV", "all", FOUND).pairs == (("b", "a", 2), ("a", "b", 1))


def test_rows():
    row = protocol_row("MOV", "all", FOUND)
    assert (row.top1.value, row.top5.value) == (0.4, 1.0)
    assert row.mean_class_accuracy == pytest.approx((0.5 + 0 + 1) / 3)
    assert row.calibration_error == pytest.approx(0.75 - 0.4)
    whole = generalised_row("MOV", FOUND)
    assert (whole.base.value, whole.novel.value) == (0.25, 1.0)
    assert whole.harmonic == pytest.approx(0.4)


def test_a_row_of_another_data_set():
    right, wrong = answered(("a", "a")), answered(("a", "b"))
    row = cross_row("MOV", "", FOUND, {1: right, 3: wrong}, {0: right, 1: right}, {})
    assert row.full.value == 0.4
    assert {number: share.value for number, share in row.splits.items()} == {1: 1.0, 3: 0.0}
    assert row.over_splits is not None
    assert (row.over_splits.mean, row.over_splits.deviation) == (0.5, 0.5)
    assert row.over_halves is not None
    assert (row.over_halves.mean, row.over_halves.deviation) == (1.0, 0.0)
    assert row.over_halves_of_split is None


def test_the_picture_is_dark_where_the_clips_are():
    with Image.open(io.BytesIO(confusion_picture(FOUND.confusion))) as image:
        pixels = np.asarray(image.convert("L")).astype(int)
    cell = len(pixels) // 3
    shades = pixels[cell // 2 :: cell, cell // 2 :: cell]
    assert pixels.shape == (900, 900)
    assert shades[1, 0] == shades[2, 2] < shades[0, 0] == shades[0, 1] < shades[0, 2]
    with pytest.raises(ValueError, match="no class"):
        confusion_picture(np.zeros((0, 0), dtype=np.int64))


def test_seven_hundred_classes_stay_a_small_picture():
    picture = confusion_picture(np.eye(700, dtype=np.int64))
    with Image.open(io.BytesIO(picture)) as image:
        assert image.size == (700, 700)
    assert len(picture) < 30_000


def test_the_curve_says_its_error():
    curve = reliability("MOV", "all classes", FOUND)
    assert [(one.confidence, one.accuracy, one.count) for one in curve.bins] == [(0.75, 0.4, 5)]
    assert "calibration error 35.0 points" in str(reliability_chart(curve))


def test_a_result_file_says_how_it_was_made():
    fields = json.loads(json.dumps(FOUND.to_json(), allow_nan=False))
    assert fields["conditions"]["said"] == "14,012 of 15,446 test clips present"
    assert fields["conditions"]["checkpoints"] == {"runs/a": "ab" * 32}
    assert fields["confusion"][0] == {"label": "a", "answer": "a", "count": 1}
    assert len(fields["confusion"]) == 4
    assert Evaluation.from_json(fields) == FOUND


@pytest.mark.parametrize("change", [{"views": None, "more": 1}, {"videos": {"split": "test"}}])
def test_conditions_of_another_make_are_refused(change):
    fields = FOUND.to_json()
    fields["conditions"] |= change
    with pytest.raises(RunFolderError, match="damaged"):
        Evaluation.from_json(fields)
