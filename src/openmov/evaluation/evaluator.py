"""Runs any Scorer over batches of labelled clips and keeps what it answered.

The vocabulary is given, never taken from training. Every sample of every batch counts, the last, smaller batch
included; the result depends neither on the batch size nor on the order. Knows a Scorer and no model.
"""

from collections.abc import Iterable

import numpy as np
import torch
from jaxtyping import Float, Int

from openmov.errors import ManifestError
from openmov.evaluation.metrics import order_of_answers, true_ranks
from openmov.evaluation.result import Conditions, Evaluation, Failure, SampleRecord
from openmov.text.vocabulary import Vocabulary
from openmov.types import ClipBatch, Scorer

__all__ = ["Evaluation", "Failure", "SampleRecord", "evaluate"]

_NUM_KEPT = 5
"""Answers kept of a sample."""
_SUM_TOLERANCE = 1e-3
"""How far a row's sum may be from 1: float32 over thousands of classes stays well below."""


def evaluate(
    scorer: Scorer,
    batches: Iterable[ClipBatch],
    vocabulary: Vocabulary,
    *,
    failures: Iterable[Failure] = (),
    what: str = "",
    conditions: Conditions | None = None,
) -> Evaluation:
    """What `scorer` answers when the possible answers are `vocabulary.names`.

    `failures` is read after the last batch, so a loader may still be filling it; `conditions` go with the result.
    Gradients are off.
    Raises VocabularyError for a label that is not a class of the vocabulary; ManifestError for a video without label,
    and where there is none at all; ValueError (a bug) for scores that are no probabilities or a video met twice.
    """
    records: dict[str, SampleRecord] = {}
    for batch in batches:
        labels = _label_indices(batch, vocabulary)
        with torch.no_grad():
            scores = scorer.score(batch, vocabulary)
        probabilities = _checked(scores.detach().to("cpu", torch.float64).numpy(), batch, vocabulary)
        for record in _records(batch, probabilities, labels, vocabulary):
            if record.video_id in records:
                raise ValueError(f"{record.video_id} was evaluated twice")
            records[record.video_id] = record
    listed = tuple(failures)
    if not records:
        why = f"all {len(listed)} files failed, the first with: {listed[0].reason}" if listed else "there is no video"
        raise ManifestError(what or "evaluation", why, "check the manifest and its split")
    return Evaluation(
        what=what,
        base=vocabulary.base,
        novel=vocabulary.novel,
        vocabulary_identity=vocabulary.identity,
        records=tuple(records[video_id] for video_id in sorted(records)),
        failures=listed,
        conditions=conditions,
    )


def _label_indices(batch: ClipBatch, vocabulary: Vocabulary) -> Int[np.ndarray, "batch"]:
    indices = []
    for video_id, label in zip(batch.video_ids, batch.labels or (None,) * len(batch), strict=True):
        if label is None:
            raise ManifestError(video_id, "has no label", "only labelled videos can be evaluated; use openmov predict")
        indices.append(vocabulary.index_of(label))
    return np.array(indices, dtype=np.int64)


def _checked(
    probabilities: Float[np.ndarray, "..."], batch: ClipBatch, vocabulary: Vocabulary
) -> Float[np.ndarray, "batch classes"]:
    expected = (len(batch), len(vocabulary.names))
    if probabilities.shape != expected:
        raise ValueError(f"scores have shape {probabilities.shape}, not (batch, classes) = {expected}")
    finite = np.isfinite(probabilities).all(axis=1)
    if not finite.all():
        raise ValueError(f"scores of {batch.video_ids[int(np.argmin(finite))]} are not finite")
    fair = (probabilities >= 0).all(axis=1) & (np.abs(probabilities.sum(axis=1) - 1) <= _SUM_TOLERANCE)
    if not fair.all():
        worst = int(np.argmin(fair))
        raise ValueError(
            f"scores of {batch.video_ids[worst]} are no probabilities: they sum to {probabilities[worst].sum():.6g}"
        )
    return probabilities


def _records(
    batch: ClipBatch,
    probabilities: Float[np.ndarray, "batch classes"],
    labels: Int[np.ndarray, "batch"],
    vocabulary: Vocabulary,
) -> list[SampleRecord]:
    names = vocabulary.names
    order, ranks = order_of_answers(probabilities)[:, :_NUM_KEPT], true_ranks(probabilities, labels)
    return [
        SampleRecord(
            video_id=video_id,
            label=names[labels[i]],
            rank=int(ranks[i]),
            true_probability=float(probabilities[i, labels[i]]),
            names=tuple(names[k] for k in order[i]),
            probabilities=tuple(float(probabilities[i, k]) for k in order[i]),
        )
        for i, video_id in enumerate(batch.video_ids)
    ]
