"""A network's weights spread over the processes of a job (FSDP2). A part of the door to torch.distributed.

Each process keeps a share of every weight; a layer's weights come together when the layer is used, and part again
after it. So layers have to be used by all processes alike: who calls the network sees to that.
Knows nothing of clips, losses or files.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor

from openmov.runtime.distributed import World, peers_alive


def shard(network: nn.Module, world: World) -> None:
    """Spreads the weights of `network`, the same in all processes, in place: its parameters are new ones afterwards.

    What comes together at a time is one member of a ModuleList (a transformer's layers); the rest stays together
    from the network's forward pass to the end of the backward pass.
    """
    with peers_alive():
        mesh = init_device_mesh(world.device.type, (world.size,))
        for unit in _units(network):
            fully_shard(unit, mesh=mesh)
        fully_shard(network, mesh=mesh)


def _units(network: nn.Module) -> Iterator[nn.Module]:
    for child in network.children():
        if isinstance(child, nn.ModuleList):
            yield from (layer for layer in child if any(True for _ in layer.parameters()))
        else:
            yield from _units(child)


@contextmanager
def brought_together(network: nn.Module) -> Iterator[None]:
    """Within the block each process has the whole network and may use it as it likes; no weight may change."""
    parts = [module for module in network.modules() if isinstance(module, FSDPModule)]
    layers = [part for part in parts if part is not network]
    with peers_alive():
        for part in parts:
            part.unshard()
    for layer in layers:
        layer.set_reshard_after_forward(False, recurse=False)
    try:
        yield
    finally:
        for layer in layers:
            layer.set_reshard_after_forward(True, recurse=False)
        for part in parts:
            part.reshard()


def whole(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Whole tensors from everyone's shares; all processes ask for the same ones in the same order."""
    with peers_alive():
        return {
            name: tensor.full_tensor() if isinstance(tensor, DTensor) else tensor for name, tensor in tensors.items()
        }


def share_like(tensor: Tensor, like: Tensor) -> Tensor:
    """This process's share of a whole tensor that all processes hold, spread as `like` is where the shapes agree."""
    if not isinstance(like, DTensor) or tensor.shape != like.shape:
        return tensor
    # without a source nothing is sent: every process cuts its share out of what it holds itself
    placed: Tensor = distribute_tensor(tensor.to(like.device), like.device_mesh, like.placements, src_data_rank=None)
    return placed


def multiply_gradients(weights: Sequence[Tensor], factor: float) -> None:
    """In place, each process its shares."""
    for weight in weights:
        if weight.grad is not None:
            _local(weight.grad).mul_(factor)


def plain(tensor: Tensor) -> Tensor:
    """A number that all processes work out together, as an ordinary tensor."""
    if not isinstance(tensor, DTensor):
        return tensor
    with peers_alive():
        return torch.as_tensor(tensor.full_tensor())


def _local(tensor: Tensor) -> Tensor:
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor
