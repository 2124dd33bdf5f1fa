"""Any Scorer, every sample, whatever the batches."""

import math
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from openmov.errors import ManifestError, VocabularyError
from openmov.evaluation.evaluator import Failure, evaluate
from openmov.text.vocabulary import Vocabulary
from openmov.types import ClipBatch, Modality

BASE, NOVEL = ("archery", "biking"), ("juggling", "yawning", "diving", "rowing")
VOCABULARY = Vocabulary(BASE, NOVEL)


class CosineScorer:
    """Softmax of cosines and sines of the video's number: known, and different for every video."""

    modalities = frozenset({Modality.VIDEO})

    def score(self, batch: ClipBatch, vocabulary: Vocabulary) -> torch.Tensor:
        ids = torch.tensor([float(video_id[1:]) for video_id in batch.video_ids], dtype=torch.float64)
        waves = [torch.cos(ids * (k + 1)) + torch.sin(ids / (k + 1)) for k in range(len(vocabulary.names))]
        return torch.softmax(torch.stack(waves, dim=1), dim=1).float()


class FixedScorer:
    """The same row for every video."""

    modalities = frozenset({Modality.VIDEO})

    def __init__(self, row: list[float]) -> None:
        self.row = row

    def score(self, batch: ClipBatch, vocabulary: Vocabulary) -> torch.Tensor:
        return torch.tensor([self.row] * len(batch))


def batches(ids: list[int], size: int) -> Iterator[ClipBatch]:
    for start in range(0, len(ids), size):
        chosen = ids[start : start + size]
        labels = tuple(VOCABULARY.names[i % 6] for i in chosen)
        yield ClipBatch(tuple(f"v{i:04}" for i in chosen), {}, {}, labels=labels)


def test_the_answers_are_the_scorers():
    found = evaluate(CosineScorer(), batches(list(range(10)), 4), VOCABULARY, what="cosines")
    assert len(found.records) == 10  # the last batch has two
    record = found.records[7]
    waves = [math.cos(7 * (k + 1)) + math.sin(7 / (k + 1)) for k in range(6)]
    order = sorted(range(6), key=lambda k: -waves[k])
    assert record.names == tuple(VOCABULARY.names[k] for k in order[:5])
    assert record.rank == order.index(7 % 6) + 1
    assert record.probabilities[0] == pytest.approx(math.exp(max(waves)) / sum(map(math.exp, waves)), rel=1e-5)
    assert found.accuracy.value == np.mean([r.names[0] == r.label for r in found.records])


@settings(derandomize=True, deadline=None, max_examples=40)
@given(ids=st.permutations(list(range(23))), size=st.integers(1, 30))
def test_batch_size_and_order_change_nothing(ids, size):
    straight = evaluate(CosineScorer(), batches(list(range(23)), 23), VOCABULARY)
    assert evaluate(CosineScorer(), batches(ids, size), VOCABULARY) == straight


def test_labels_in_disorder_are_noticed():
    """The law above would hold for an evaluator that ignores its batches, so: other labels, another result."""
    batch = next(batches(list(range(6)), 6))
    turned = ClipBatch(batch.video_ids, {}, {}, labels=batch.labels[::-1])
    assert evaluate(CosineScorer(), [batch], VOCABULARY) != evaluate(CosineScorer(), [turned], VOCABULARY)


def test_constant_answer_is_right_for_one_class():
    found = evaluate(FixedScorer([0.5, 0.3, 0.1, 0.05, 0.04, 0.01]), batches(list(range(12)), 5), VOCABULARY)
    assert found.accuracy.value == pytest.approx(1 / 6)
    assert found.top5.value == pytest.approx(5 / 6)
    assert found.mean_class_accuracy == pytest.approx(1 / 6)
    assert [c.accuracy for c in found.classes] == [1, 0, 0, 0, 0, 0]
    assert found.accuracy_of("base").value == 0.5
    assert found.accuracy_of("novel").value == 0


def test_failures_are_read_after_the_last_batch():
    failed: list[Failure] = []

    def failing() -> Iterator[ClipBatch]:
        yield from batches([0, 1], 2)
        failed.append(Failure("broken.mp4", "no video stream"))

    assert evaluate(CosineScorer(), failing(), VOCABULARY, failures=failed).failures == (failed[0],)


def test_label_outside_the_vocabulary():
    with pytest.raises(VocabularyError, match="juggling"):
        evaluate(CosineScorer(), batches(list(range(6)), 6), VOCABULARY.for_protocol("base"))


@pytest.mark.parametrize("labels", [(), ("archery", None)])
def test_missing_label(labels):
    with pytest.raises(ManifestError, match="has no label"):
        evaluate(CosineScorer(), [ClipBatch(("v0", "v1"), {}, {}, labels=labels)], VOCABULARY)


def test_no_video_at_all():
    with pytest.raises(ManifestError, match="there is no video"):
        evaluate(CosineScorer(), [], VOCABULARY)
    with pytest.raises(ManifestError, match="all 1 files failed, the first with: empty"):
        evaluate(CosineScorer(), [], VOCABULARY, failures=[Failure("a.mp4", "empty")])


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ([float("nan"), 1, 0, 0, 0, 0], "not finite"),
        ([float("inf"), 0, 0, 0, 0, 0], "not finite"),
        ([0.5, 0.3, 0.1, 0, 0, 0], "they sum to 0.9"),
        ([1.5, -0.5, 0, 0, 0, 0], "no probabilities"),
        ([0.5, 0.5], "shape"),
    ],
)
def test_scores_that_are_no_probabilities(row, message):
    with pytest.raises(ValueError, match=message):
        evaluate(FixedScorer([float(x) for x in row]), batches([3], 1), VOCABULARY)


def test_a_video_met_twice():
    with pytest.raises(ValueError, match="v0003 was evaluated twice"):
        evaluate(CosineScorer(), batches([3, 4, 3], 2), VOCABULARY)
