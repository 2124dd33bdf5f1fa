"""The gradients of one optimiser step, added up over its micro-batches.

Each micro-batch adds the sum of its clips' losses divided by the clips of the whole step, so however a batch is
divided, over micro-batches or over processes, its gradient is the same. Knows nothing of optimisers, files or
checkpoints.
"""

import hashlib
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import torch
from torch import Tensor

from openmov.config.schema import TrainingConfig
from openmov.errors import ManifestError, OpenMovError
from openmov.runtime.distributed import World
from openmov.training.loader import NamesFiles, on_device, shown
from openmov.training.objective import Loss, Objective
from openmov.training.sampler import Step
from openmov.types import ClipBatch, JointEmbeddings, Modality, extra_modalities


def drop_modalities(batch: ClipBatch, probability: float, epoch: int, seed: int) -> ClipBatch:
    """The batch with each extra modality of each clip marked absent with `probability`; its inputs stay as they are.

    A clip without video keeps at least one extra: the one whose draw was farthest from being dropped.
    """
    if probability == 0:
        return batch
    present = {modality: mask.clone() for modality, mask in batch.present.items()}
    for row, video_id in enumerate(batch.video_ids):
        has_video = Modality.VIDEO in present and bool(present[Modality.VIDEO][row])
        extras = [extra for extra in extra_modalities() if extra in present and bool(present[extra][row])]
        draws = {extra: draw(video_id, epoch, seed, extra) for extra in extras}
        spared = None if has_video or not draws else max(draws, key=lambda extra: draws[extra])
        for extra, value in draws.items():
            if value < probability and extra is not spared:
                present[extra][row] = torch.tensor(False)
    return replace(batch, present=present)


def draw(video_id: str, epoch: int, seed: int, purpose: str) -> float:
    """A number in [0, 1), uniform and independent over its arguments, the same on every machine."""
    text = f"{seed}\0{epoch}\0{purpose}\0{video_id}"
    digest = hashlib.blake2b(text.encode(errors="surrogateescape"), digest_size=8).digest()
    return (int.from_bytes(digest, "big") >> 11) / 2**53


Embed = Callable[[ClipBatch], JointEmbeddings]


@dataclass(frozen=True)
class StepLoss:
    """What one step's clips gave."""

    loss_sum: float
    """Of equation 9, over clips."""
    sums: Mapping[Modality, float]
    """Cross-entropy of each modality, unweighted, over the clips that have it."""
    counts: Mapping[Modality, int]
    """How many clips have it."""
    video_ids: tuple[str, ...]
    """Those of this process, in order."""
    wait_seconds: float
    """Spent waiting for the source, in this process."""

    @property
    def by_modality(self) -> dict[str, float | None]:
        """`loss_video` ...: mean cross-entropy over the clips that have the modality; None if no clip has."""
        held = [modality for modality in Modality if modality in self.counts]
        return {f"loss_{m}": self.sums.get(m, 0.0) / self.counts[m] if self.counts[m] else None for m in held}


def add_gradients(
    embed: Embed,
    objective: Objective,
    step: Step,
    batches: Iterator[ClipBatch],
    config: TrainingConfig,
    device: torch.device,
) -> StepLoss:
    """Takes the step's micro-batches from `batches` and adds the gradient of their mean loss to the weights'.

    Raises OpenMovError naming the videos whose loss is not finite, and what source and objective raise.
    """
    losses: list[Loss] = []
    video_ids: list[str] = []
    began, worked_seconds = time.monotonic(), 0.0
    for batch in islice(batches, len(step.micro_batches)):
        arrived = time.monotonic()
        loss = batch_loss(embed, objective, batch, step.epoch, config, device)
        torch.autograd.backward(loss.total / step.size)
        losses.append(loss)
        video_ids.extend(batch.video_ids)
        worked_seconds += time.monotonic() - arrived
    assert len(video_ids) == step.here, "the source gave other clips than it was asked for"
    return StepLoss(
        loss_sum=math.fsum(float(loss.total.detach()) for loss in losses),
        sums={m: sum(loss.sums.get(m, 0.0) for loss in losses) for m in _held(losses)},
        counts={m: sum(loss.counts.get(m, 0) for loss in losses) for m in _held(losses)},
        video_ids=tuple(video_ids),
        wait_seconds=time.monotonic() - began - worked_seconds,
    )


def batch_loss(
    embed: Embed, objective: Objective, batch: ClipBatch, epoch: int, config: TrainingConfig, device: torch.device
) -> Loss:
    """The loss of a micro-batch: the forward pass in the precision asked for, the loss itself in float32 or better.

    Raises ManifestError for a clip without any modality, OpenMovError for a loss that is not finite.
    """
    batch = seeded(drop_modalities(batch, config.modality_dropout, epoch, config.seed), epoch, config.seed)
    batch = on_device(batch, device)
    with torch.autocast(device.type, torch.bfloat16, enabled=config.precision == "bf16"):
        embeddings = embed(batch)
    loss = objective(embeddings, batch.labels, batch.video_ids)
    if loss.count < len(batch):
        _refuse_empty(batch.video_ids, embeddings)
    finite = torch.isfinite(loss.per_clip.detach()).tolist()
    faulty = [video_id for video_id, good in zip(batch.video_ids, finite, strict=True) if not good]
    if faulty:
        raise NotFiniteError("loss", faulty)
    return loss


def seeded(batch: ClipBatch, epoch: int, seed: int) -> ClipBatch:
    """The batch with a number a clip, a function of (video id, epoch, seed), for what the network draws."""
    draws = [draw(video_id, epoch, seed, "network") for video_id in batch.video_ids]
    return replace(batch, seeds=tuple(int(value * 2**53) for value in draws))


class NotFiniteError(OpenMovError):
    """A loss or gradient is infinite or no number."""

    def __init__(self, quantity: str, video_ids: Sequence[str], files: Sequence[str] = ()) -> None:
        self.quantity = quantity
        """Which."""
        self.video_ids = tuple(video_ids)
        """The clips it was made from."""
        what = f"the {quantity} is not finite; {'files' if files else 'videos'}: {shown(files or self.video_ids)}"
        super().__init__("training", what, "check them with openmov check, or lower training.learning_rate")

    def naming_files(self, source: object) -> "NotFiniteError":
        """The same with the clips' files, where the source knows them."""
        files = [source.file_of(name) for name in self.video_ids] if isinstance(source, NamesFiles) else ()
        return NotFiniteError(self.quantity, self.video_ids, files)

    def __reduce__(self) -> tuple[Any, ...]:
        return NotFiniteError, (self.quantity, self.video_ids)


def _refuse_empty(video_ids: Sequence[str], embeddings: JointEmbeddings) -> None:
    masks = [embeddings.present[modality] for modality in embeddings.fused]
    present = torch.stack(masks).any(0).tolist()
    empty = [video_id for video_id, good in zip(video_ids, present, strict=True) if not good]
    what = f"no {' or '.join(sorted(embeddings.fused))} in: {shown(empty)}"
    raise ManifestError("training", what, "drop these videos from the training split")


def _held(losses: Sequence[Loss]) -> list[Modality]:
    return [modality for modality in Modality if any(modality in loss.counts for loss in losses)]


def add_up(world: World, weights: Sequence[Tensor], result: StepLoss) -> StepLoss:
    """Makes the gradients of `weights` (the same ones in the same order everywhere), and the losses, those of all.

    Raises OpenMovError where a process has stopped.
    """
    if world.size == 1:
        return result
    _sum_gradients(world, weights)
    return add_up_losses(world, result)


def add_up_losses(world: World, result: StepLoss) -> StepLoss:
    """The losses of all processes' clips. Raises OpenMovError where a process has stopped."""
    seen = [float(modality in result.counts) for modality in Modality]
    sums = [result.sums.get(modality, 0.0) for modality in Modality]
    counts = [float(result.counts.get(modality, 0)) for modality in Modality]
    total, *rest = world.sum_numbers([result.loss_sum, *seen, *sums, *counts])
    number = len(seen)
    seen, sums, counts = rest[:number], rest[number : 2 * number], rest[2 * number :]
    held = [index for index, times in enumerate(seen) if times]
    modalities = list(Modality)
    return replace(
        result,
        loss_sum=total,
        sums={modalities[index]: sums[index] for index in held},
        counts={modalities[index]: round(counts[index]) for index in held},
    )


def _sum_gradients(world: World, weights: Sequence[Tensor]) -> None:
    having = world.sum_numbers([float(weight.grad is not None) for weight in weights])
    for weight, count in zip(weights, having, strict=True):
        if count and weight.grad is None:
            weight.grad = torch.zeros_like(weight)
    world.sum_in_place([weight.grad for weight in weights if weight.grad is not None])
