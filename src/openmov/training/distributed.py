"""How the processes of a job hold the network: each the whole of it, or each a share.

    replicate   every process has everything; gradients are added up after the backward pass (decision 22)
    fsdp2       every process has a share of weights, gradients and optimiser (decision 35); layers come together
                while they are used, so every process runs the same parts at the same time (`sharded.py`)

Either way the same steps are taken to the same weights, and checkpoints hold whole tensors: a run may go on the other
way. Alone there is nothing to share, and both are one.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Literal, Protocol, cast, runtime_checkable

import torch
from torch import Tensor, nn

from openmov.runtime import distributed as sharding
from openmov.runtime.distributed import World
from openmov.training.optimizer import trained_parameters
from openmov.training.sampler import Step
from openmov.training.state import Trainable
from openmov.training.step import Embed, StepLoss, add_up, add_up_losses
from openmov.types import ClipBatch, JointEmbeddings, Modality

_AXES = 6
"""Of a clip's tensor, at most: views, time, 3, height, width."""


@dataclass(frozen=True)
class _Kind:
    """One tensor of a batch, as far as all processes know it."""

    held: bool
    """Some process's batch has the key."""
    present: bool
    """Some clip of some process has the modality."""
    shape: tuple[int, ...] | None
    """Of one clip; None where no batch has such a tensor."""


class Sharded:
    """See `training.parallel.ParallelStrategy`."""

    saves_together = True

    def __init__(self, model: Trainable, world: World) -> None:
        self._model, self._world = model, world
        self._network = cast(nn.Module, model)
        sharding.shard(self._network, world)

    def embed(self, batch: ClipBatch) -> JointEmbeddings:
        """The network on this process's clips, beside the others on theirs."""
        return self._run(batch, batch.present)

    def add_up(self, step: Step, weights: Sequence[Tensor], result: StepLoss) -> StepLoss:
        """Takes part in the passes in which this process has no clip; gradients, averaged by FSDP2, become sums."""
        for _ in range(step.passes - len(step.micro_batches)):
            nothing = self._run(None, {})
            torch.autograd.backward(torch.stack([rows.sum() for rows in nothing.fused.values()]).sum())
        sharding.multiply_gradients(weights, self._world.size)
        return add_up_losses(self._world, result)

    def norm(self, norm: Tensor) -> Tensor:
        return sharding.plain(norm)

    def copied(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        whole = sharding.whole({name: tensor.detach() for name, tensor in tensors.items()})
        return {name: tensor.to("cpu", copy=True) for name, tensor in whole.items()} if self._world.first else {}

    def placed(self, tensors: Mapping[str, Tensor], like: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {name: sharding.share_like(one, like[name]) if name in like else one for name, one in tensors.items()}

    def whole(self) -> AbstractContextManager[None]:
        return sharding.brought_together(self._network)

    def _run(self, batch: ClipBatch | None, present: Mapping[Modality, Tensor]) -> JointEmbeddings:
        kinds = self._agreed(batch, present)
        count = 0 if batch is None else len(batch)
        lacking = any(kind.present and not _any(present.get(modality)) for modality, kind in kinds[0].items())
        completed = _completed(batch, kinds, extra=lacking or not count, device=self._world.device)
        embeddings = self._model(completed)
        # every output hangs on every part, so that the backward pass too runs the same parts everywhere
        anchor = torch.stack([rows.sum() for rows in embeddings.fused.values()]).sum() * 0.0
        ours = embeddings.map(lambda rows: rows[:count])
        return replace(ours, fused={modality: rows + anchor for modality, rows in ours.fused.items()})

    def _agreed(
        self, batch: ClipBatch | None, present: Mapping[Modality, Tensor]
    ) -> tuple[dict[Modality, _Kind], tuple[int, ...] | None]:
        """What the batches of all processes hold, and the shape of a clip's stored video embeddings."""
        rows = [
            [float(m in present), float(_any(present.get(m))), *_shape(None if batch is None else batch.inputs.get(m))]
            for m in Modality
        ]
        rows.append([0.0, 0.0, *_shape(None if batch is None else batch.frozen)])
        flat = [number for row in rows for number in row]
        start = len(flat) * self._world.rank
        everyone = [*[0.0] * start, *flat, *[0.0] * (len(flat) * (self._world.size - 1) - start)]
        told = torch.tensor(self._world.sum_numbers(everyone)).reshape(self._world.size, len(rows), -1)
        kinds = [_kind(told[:, place]) for place in range(len(rows))]
        return dict(zip(Modality, kinds[:-1], strict=True)), kinds[-1].shape


def _any(mask: Tensor | None) -> bool:
    return mask is not None and bool(mask.any())


def _shape(tensor: Tensor | None) -> list[float]:
    axes = [] if tensor is None else list(tensor.shape[1:])
    return [float(len(axes)), *map(float, axes), *[0.0] * (_AXES - len(axes))]


def _kind(told: Tensor) -> _Kind:
    """From one row a process: whether it has the key, any clip, the number of axes, the axes."""
    having = told[told[:, 2] > 0]
    shape = tuple(int(size) for size in having[0, 3 : 3 + int(having[0, 2])]) if len(having) else None
    return _Kind(bool(told[:, 0].any()), bool(told[:, 1].any()), shape)


def _completed(
    batch: ClipBatch | None,
    agreed: tuple[dict[Modality, _Kind], tuple[int, ...] | None],
    *,
    extra: bool,
    device: torch.device,
) -> ClipBatch:
    """The batch with every key that any process has; with `extra`, an empty clip that has everything comes last."""
    kinds, frozen_shape = agreed
    start = batch if batch is not None else ClipBatch((), {}, {})
    more, count = int(extra), len(start)

    def filled(tensor: Tensor | None, shape: Sequence[int], fill: float | bool = 0.0) -> Tensor:
        rows = torch.zeros(count, *shape, device=device) if tensor is None else tensor
        return torch.cat([rows, rows.new_full((more, *shape), fill)]) if more else rows

    held = {modality: kind for modality, kind in kinds.items() if kind.held}
    inputs = {m: filled(start.inputs.get(m), kind.shape) for m, kind in held.items() if kind.shape is not None}
    absent = torch.zeros(count, dtype=torch.bool, device=device)
    present = {m: filled(start.present.get(m, absent), (), kind.present) for m, kind in held.items()}
    return replace(
        start,
        video_ids=start.video_ids + ("",) * more,
        inputs=inputs,
        present=present,
        frozen=None if frozen_shape is None else filled(start.frozen, frozen_shape),
        labels=start.labels + (None,) * more,
        seeds=start.seeds + (0,) * more,
    )


@runtime_checkable
class ParallelStrategy(Protocol):
    """One of the two ways."""

    @property
    def embed(self) -> Embed:
        """The network, to be called with this process's clips."""
        ...

    @property
    def saves_together(self) -> bool:
        """Whether all processes have to take part in taking a checkpoint."""
        ...

    def add_up(self, step: Step, weights: Sequence[Tensor], result: StepLoss) -> StepLoss:
        """After this process's backward passes: gradients and losses become those of all. Raises OpenMovError."""
        ...

    def norm(self, norm: Tensor) -> Tensor:
        """The gradients' norm as a plain number."""
        ...

    def copied(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Whole tensors in the processor's memory, which no step changes."""
        ...

    def placed(self, tensors: Mapping[str, Tensor], like: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Undoes `copied`: as tensors of the same name in `like` are held."""
        ...

    def whole(self) -> AbstractContextManager[None]:
        """Within the block this process may use the network without the others."""
        ...


class Replicated:
    """Every process has the whole network; see `ParallelStrategy`."""

    saves_together = False

    def __init__(self, model: Trainable, world: World) -> None:
        self._world = world
        self.embed: Embed = model

    def add_up(self, step: Step, weights: Sequence[Tensor], result: StepLoss) -> StepLoss:
        return add_up(self._world, weights, result)

    def norm(self, norm: Tensor) -> Tensor:
        return norm

    def copied(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {name: tensor.detach().to("cpu", copy=True) for name, tensor in tensors.items()}

    def placed(self, tensors: Mapping[str, Tensor], like: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return dict(tensors)

    def whole(self) -> AbstractContextManager[None]:
        return nullcontext()


def hold(model: Trainable, parallel: Literal["replicate", "fsdp2"], world: World) -> ParallelStrategy:
    """Starts all processes from the first one's weights; with fsdp2, `model` has new parameters afterwards."""
    with torch.no_grad():
        world.copy_from_first(list(trained_parameters(cast(nn.Module, model)).values()))
    return Sharded(model, world) if parallel == "fsdp2" and world.size > 1 else Replicated(model, world)
