"""One optimiser step of several processes: their gradients and losses, added up.

Every process has divided its clips' losses by the clips of the whole step, so the sum of the gradients is the gradient
of the mean loss, however unevenly the clips are spread: a process may have fewer of them, or none. A weight that no
clip of one process touched (a modality it lacked) gets the others' gradient; one that no clip of any process touched
keeps none, as in a single process. Nothing waits for what does not come: which weights have a gradient is agreed first.
"""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from openmov.runtime.distributed import World
from openmov.training.step import StepLoss
from openmov.types import Modality


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
