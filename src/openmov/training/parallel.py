"""How the processes of a job hold the network: each the whole of it, or each a share.

    replicate   every process has everything; gradients are added up after the backward pass (decision 22)
    fsdp2       every process has a share of weights, gradients and optimiser (decision 35); layers come together
                while they are used, so every process runs the same parts at the same time (`sharded.py`)

Either way the same steps are taken to the same weights, and checkpoints hold whole tensors: a run may go on the other
way. Alone there is nothing to share, and both are one.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Literal, Protocol, cast, runtime_checkable

import torch
from torch import Tensor, nn

from openmov.runtime.distributed import World
from openmov.training.network import Trainable
from openmov.training.optimizer import trained_parameters
from openmov.training.order import Step
from openmov.training.sharded import Sharded
from openmov.training.step import Embed, StepLoss
from openmov.training.together import add_up


@runtime_checkable
class Holding(Protocol):
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
    """Every process has the whole network; see `Holding`."""

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


def hold(model: Trainable, parallel: Literal["replicate", "fsdp2"], world: World) -> Holding:
    """Starts all processes from the first one's weights; with fsdp2, `model` has new parameters afterwards."""
    with torch.no_grad():
        world.copy_from_first(list(trained_parameters(cast(nn.Module, model)).values()))
    return Sharded(model, world) if parallel == "fsdp2" and world.size > 1 else Replicated(model, world)
