"""Micro-batches equal one batch, and faults name their videos."""

import math
from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch

from openmov.errors import ManifestError, OpenMovError
from openmov.training.sampler import BatchSampler, Step
from openmov.training.step import StepLoss, add_gradients, batch_loss, seeded
from openmov.types import ClipBatch, JointEmbeddings, Modality
from tiny_training import TinyClips, TinyNet, tiny_config, tiny_objective

CPU = torch.device("cpu")


def gradients(micro_batch_size: int, precision: str = "fp32") -> tuple[StepLoss, torch.Tensor]:
    net, source = TinyNet(dropout=0.0), TinyClips(10)
    step = next(BatchSampler(10, 1, 10, micro_batch_size, seed=0).steps_from(0))
    batches = (source.batch(part, step.epoch) for part in step.micro_batches)
    result = add_gradients(net, tiny_objective(), step, batches, tiny_config(precision=precision), CPU)
    assert net.frozen.weight.grad is None
    return result, torch.cat([p.grad.flatten() for p in net.parameters() if p.grad is not None])


@pytest.mark.parametrize("micro_batch_size", [1, 3, 5])
def test_micro_batches_equal_one_batch(micro_batch_size: int) -> None:
    (whole, expected), (parts, gradient) = gradients(10), gradients(micro_batch_size)
    assert (gradient - expected).abs().max() < 1e-6
    assert expected.abs().max() > 1e-3
    assert parts.loss_sum == pytest.approx(whole.loss_sum, abs=1e-5)
    assert parts.by_modality == pytest.approx(whole.by_modality, abs=1e-5)
    assert parts.video_ids == whole.video_ids


def test_bf16_is_near_fp32_and_not_the_same() -> None:
    (_, exact), (_, coarse) = gradients(10), gradients(10, "bf16")
    assert coarse.dtype == torch.float32
    assert not torch.equal(exact, coarse)
    assert torch.nn.functional.cosine_similarity(exact, coarse, dim=0) > 0.99


def poisoned(batch: ClipBatch, row: int, value: float) -> ClipBatch:
    flow = batch.inputs[Modality.FLOW].clone()
    flow[row] = value
    return replace(batch, inputs={**batch.inputs, Modality.FLOW: flow})


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_names_the_videos(value: float) -> None:
    batch = TinyClips(8).batch(range(8), 0)
    config = tiny_config(modality_dropout=0.0)
    assert math.isfinite(batch_loss(TinyNet(), tiny_objective(), batch, 0, config, CPU).total.item())
    with pytest.raises(OpenMovError, match=r"loss is not finite; videos: clip003; ") as caught:
        batch_loss(TinyNet(), tiny_objective(), poisoned(batch, 3, value), 0, config, CPU)
    assert "\n" not in str(caught.value)


def test_a_clip_with_nothing_to_train_on_is_named() -> None:
    def flow_only(batch: ClipBatch) -> JointEmbeddings:
        return JointEmbeddings(
            {Modality.FLOW: batch.inputs[Modality.FLOW][:, 0]}, {Modality.FLOW: batch.present[Modality.FLOW]}
        )

    batch = TinyClips(4).batch(range(4), 0)
    config = tiny_config(modality_dropout=0.0)
    assert batch_loss(flow_only, tiny_objective(), batch, 0, config, CPU).count == 4
    batch.present[Modality.FLOW][2] = False
    with pytest.raises(ManifestError, match="no flow in: clip002;"):
        batch_loss(flow_only, tiny_objective(), batch, 0, config, CPU)


def test_a_source_that_leaves_clips_out_is_caught() -> None:
    def half(indices: Sequence[int]) -> ClipBatch:
        return TinyClips(4).batch(indices[:1], 0)

    step = Step(0, 0, ((0, 1), (2, 3)))
    with pytest.raises(AssertionError, match="other clips"):
        add_gradients(TinyNet(), tiny_objective(), step, map(half, step.micro_batches), tiny_config(), CPU)


def test_a_clips_seed_follows_from_its_id_the_epoch_and_the_trainings_seed() -> None:
    batch = TinyClips(4).batch(range(4), 0)
    found = seeded(batch, 0, 0).seeds
    assert len(set(found)) == 4
    assert seeded(batch, 0, 0).seeds == found
    assert not set(seeded(batch, 1, 0).seeds) & set(found)
    assert not set(seeded(batch, 0, 1).seeds) & set(found)
    assert seeded(TinyClips(4).batch([2], 0), 0, 0).seeds == found[2:3]
