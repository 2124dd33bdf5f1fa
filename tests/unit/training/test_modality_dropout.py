"""Decisions follow from the clip and the epoch, come as often as asked, and leave every clip something."""

import pytest
import torch

from openmov.training.step import drop_modalities
from openmov.types import ClipBatch, Modality

V, F, A = Modality.VIDEO, Modality.FLOW, Modality.AUDIO


def batch_of(video_ids: list[str], *modalities: Modality) -> ClipBatch:
    return ClipBatch(
        tuple(video_ids),
        {m: torch.ones(len(video_ids), 1, 2) for m in modalities},
        {m: torch.ones(len(video_ids), dtype=torch.bool) for m in modalities},
    )


IDS = [f"clip{i}" for i in range(2000)]


def test_each_extra_is_dropped_as_often_as_asked_and_the_video_never() -> None:
    present = drop_modalities(batch_of(IDS, V, F, A), 0.3, epoch=0, seed=0).present
    assert bool(present[V].all())
    for extra in (F, A):
        assert 0.66 < present[extra].float().mean().item() < 0.74  # 4 standard deviations
    both = (~present[F] & ~present[A]).float().mean().item()
    assert 0.065 < both < 0.115  # 0.09: the two are independent


def test_a_decision_does_not_depend_on_the_batch() -> None:
    whole = drop_modalities(batch_of(IDS[:50], V, F), 0.5, epoch=2, seed=1).present[F]
    one_by_one = [drop_modalities(batch_of([name], V, F), 0.5, epoch=2, seed=1).present[F] for name in IDS[:50]]
    assert torch.equal(whole, torch.cat(one_by_one))
    other_epoch = drop_modalities(batch_of(IDS[:50], V, F), 0.5, epoch=3, seed=1).present[F]
    other_seed = drop_modalities(batch_of(IDS[:50], V, F), 0.5, epoch=2, seed=2).present[F]
    assert not torch.equal(whole, other_epoch)
    assert not torch.equal(whole, other_seed)


@pytest.mark.parametrize("modalities", [(F, A), (F,), (A,)])
def test_a_clip_without_video_keeps_an_extra(modalities: tuple[Modality, ...]) -> None:
    present = drop_modalities(batch_of(IDS[:200], *modalities), 1.0, epoch=0, seed=0).present
    kept = torch.stack([present[m] for m in modalities]).sum(0)
    assert torch.equal(kept, torch.ones(200, dtype=torch.long))
    with_video = drop_modalities(batch_of(IDS[:200], V, *modalities), 1.0, epoch=0, seed=0).present
    assert not any(bool(with_video[m].any()) for m in modalities)


def test_what_is_absent_stays_absent_and_the_batch_itself_is_left_alone() -> None:
    batch = batch_of(IDS[:100], V, F)
    batch.present[F][:50] = False
    dropped = drop_modalities(batch, 0.5, epoch=0, seed=0)
    assert not dropped.present[F][:50].any()
    assert bool(batch.present[F][50:].all())
    assert dropped.inputs is batch.inputs


def test_no_dropout_is_no_change() -> None:
    batch = batch_of(IDS[:5], V, F)
    assert drop_modalities(batch, 0.0, epoch=0, seed=0) is batch
