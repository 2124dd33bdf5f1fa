"""The processes of one job, as torchrun starts them. The only way to torch.distributed.

    torchrun --nproc-per-node 2 --no-python openmov train ...     every process runs the same command
    World                                                         which of them this one is, and what they share

Alone, every operation here is nothing at all, so that one path of code serves one process and many. What is summed is
summed by everyone in the same order: all processes hold the same numbers afterwards, to the bit.
Knows nothing of networks, clips or files.
"""

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor

from openmov.errors import OpenMovError

_CPU = torch.device("cpu")
_PATIENCE = timedelta(hours=12)
"""How long a process waits for another that lives; one that died is noticed at once. Preparing data may take long."""
_GOODBYE_SECONDS = 0.1
"""For the group's threads to let go of the last tensors. torch's caches keep a group alive that shares of a network
were sent through; a thread of it that then meets the end of the interpreter aborts the process."""
_BUCKET_ELEMENTS = 1 << 24
"""Tensors are sent together up to this size (64 MB in single precision): few messages, little memory."""


@dataclass(frozen=True)
class World:
    """This process among those of its job."""

    rank: int = 0
    """Its number, from 0."""
    size: int = 1
    """How many there are."""
    device: torch.device = _CPU
    """Where what is exchanged has to lie."""

    @property
    def first(self) -> bool:
        """Whether this process writes files and talks to people for all."""
        return self.rank == 0

    def share(self, count: int) -> range:
        """This process's part of `count` things: contiguous, in rank order, sizes differing by at most 1."""
        return range(count * self.rank // self.size, count * (self.rank + 1) // self.size)

    def wait(self) -> None:
        """Until every process is here. Raises OpenMovError where one has stopped."""
        self.sum_numbers([0.0])

    def sum_numbers(self, numbers: Sequence[float | int]) -> list[float]:
        """The sums over processes, in double precision. Raises OpenMovError where one has stopped."""
        if self.size == 1:
            return [float(number) for number in numbers]
        sums = torch.tensor(numbers, dtype=torch.float64, device=self.device)
        with peers_alive():
            dist.all_reduce(sums)
        found: list[float] = sums.tolist()
        return found

    def sum_in_place(self, tensors: Sequence[Tensor]) -> None:
        """Replaces each tensor by its sum over processes; all give tensors of the same shapes in the same order.

        Raises OpenMovError where a process has stopped.
        """
        if self.size == 1:
            return
        with peers_alive():
            for bucket in _buckets(tensors):
                together = torch.cat([tensor.reshape(-1) for tensor in bucket])
                dist.all_reduce(together)
                _scatter(together, bucket)

    def gather_bytes(self, data: bytes) -> list[bytes]:
        """What every process gave, in the order of their numbers. Raises OpenMovError where one has stopped."""
        if self.size == 1:
            return [data]
        lengths = [0.0] * self.size
        lengths[self.rank] = len(data)
        lengths = self.sum_numbers(lengths)
        ours = torch.zeros(int(max(lengths)), dtype=torch.uint8, device=self.device)
        if data:
            ours[: len(data)] = torch.frombuffer(bytearray(data), dtype=torch.uint8).to(self.device)
        gathered = [torch.empty_like(ours) for _ in range(self.size)]
        with peers_alive():
            dist.all_gather(gathered, ours)
        return [one[: int(length)].cpu().numpy().tobytes() for one, length in zip(gathered, lengths, strict=True)]

    def copy_from_first(self, tensors: Sequence[Tensor]) -> None:
        """Replaces each tensor by that of process 0. Raises OpenMovError where a process has stopped."""
        if self.size == 1:
            return
        with peers_alive():
            for bucket in _buckets(tensors):
                together = torch.cat([tensor.reshape(-1) for tensor in bucket])
                dist.broadcast(together, src=0)
                _scatter(together, bucket)


ALONE = World()
"""One process."""


def speaks() -> bool:
    """Whether this process prints results for its job, before the job is joined and after it is left."""
    return os.environ.get("RANK", "0") == "0"


@contextmanager
def joined_world() -> Iterator[World]:
    """The world of the job this process was started in by torchrun; ALONE without one.

    A process group that exists already is used and left as it is. Raises OpenMovError where the others cannot be found.
    """
    if not dist.is_available() or (not dist.is_initialized() and int(os.environ.get("WORLD_SIZE", "1")) == 1):
        yield ALONE
        return
    ours = not dist.is_initialized()
    device = _own_device()
    if ours:
        try:
            dist.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=_PATIENCE)
        except (RuntimeError, ValueError) as error:
            what = f"the processes of the job cannot find each other ({_first_line(error)})"
            raise OpenMovError("torchrun", what, "start all of them with one torchrun command") from error
    try:
        yield World(dist.get_rank(), dist.get_world_size(), device)
    finally:
        if ours:
            dist.destroy_process_group()
            time.sleep(_GOODBYE_SECONDS)


def _own_device() -> torch.device:
    """The accelerator of this process, by its number on this machine; else the CPU."""
    if not torch.cuda.is_available():
        return torch.device("cpu")
    device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
    torch.cuda.set_device(device)
    return device


@contextmanager
def peers_alive() -> Iterator[None]:
    """A process that died leaves the others with an error of gloo or NCCL: both are RuntimeErrors."""
    try:
        yield
    except RuntimeError as error:
        what = f"another process of the job has stopped ({_first_line(error)})"
        raise OpenMovError("torchrun", what, "its own message says why; go on with --resume") from error


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:120]


def _buckets(tensors: Sequence[Tensor]) -> Iterator[list[Tensor]]:
    """Consecutive tensors of one element type, together at most a bucket's size unless one alone is larger."""
    bucket: list[Tensor] = []
    for tensor in tensors:
        full = sum(one.numel() for one in bucket) + tensor.numel() > _BUCKET_ELEMENTS
        if bucket and (full or bucket[0].dtype != tensor.dtype):
            yield bucket
            bucket = []
        bucket.append(tensor)
    if bucket:
        yield bucket


def _scatter(together: Tensor, bucket: Sequence[Tensor]) -> None:
    parts = torch.split(together, [tensor.numel() for tensor in bucket])
    with torch.no_grad():
        for tensor, part in zip(bucket, parts, strict=True):
            tensor.copy_(part.view_as(tensor))


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
