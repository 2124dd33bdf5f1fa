"""Clips to batches: where the data room meets the model.

A clip without a modality gets zeros and `present` False; a batch in which no clip has it does not carry it at all.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from openmov.data.records import Record
from openmov.types import Clip, ClipBatch, Modality


def collate(clips: Sequence[Clip], modalities: frozenset[Modality]) -> ClipBatch:
    """One batch of clips with equally many views, in their order, with the `modalities` that any of them has.

    Stored video embeddings count as video. Raises ValueError where some clips carry those and others frames.
    """
    wanted = [modality for modality in Modality if modality in modalities]
    held = [modality for modality in wanted if any(modality in clip.present for clip in clips)]
    stored = [clip.frozen for clip in clips]
    inputs = {
        modality: _stacked([clip.inputs.get(modality) for clip in clips])
        for modality in held
        if any(modality in clip.inputs for clip in clips)
    }
    if any(frozen is not None for frozen in stored) and Modality.VIDEO in inputs:
        raise ValueError("some clips carry stored video embeddings, others frames")
    return ClipBatch(
        tuple(clip.video_id for clip in clips),
        inputs,
        {modality: torch.tensor([modality in clip.present for clip in clips]) for modality in held},
        _stacked(stored) if any(frozen is not None for frozen in stored) else None,
        tuple(clip.label for clip in clips),
    )


def collate_features(records: Sequence[Record], features: Float[Tensor, "batch time dim"]) -> ClipBatch:
    """One batch of clips of which nothing but one view's stored video embeddings is looked at."""
    return ClipBatch(
        tuple(record.video_id for record in records),
        {},
        {Modality.VIDEO: torch.ones(len(records), dtype=torch.bool)},
        features[:, None],
        tuple(record.label for record in records),
    )


def _stacked(values: Sequence[Tensor | None]) -> Tensor:
    """Stacked along a new first axis, zeros where there is none."""
    shape = next(value for value in values if value is not None)
    return torch.stack([torch.zeros_like(shape) if value is None else value for value in values])
