"""How a network's encoders are computed in training: the same function at another price.

    recompute   each block keeps its input alone and computes the rest again for the gradient: a fraction of the
                memory for a third more work; the gradient is the same, bit for bit
    compiled    torch.compile makes kernels of each encoder: the same to within rounding

Heads and fusion see one token a frame and are left as they are. Knows nothing of losses or steps.
"""

import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from openmov.errors import RecipeError
from openmov.model.encoders import FrameEncoder, FrozenFrameEncoder
from openmov.runtime.compute import Compute
from openmov.types import ClipBatch, JointEmbeddings, Modality


@runtime_checkable
class OwnBlocks(Protocol):
    """A network that trains an encoder of its own, and not a FrameEncoder."""

    def own_blocks(self) -> Sequence[nn.Module]:
        """Blocks of that encoder, each a function of what the one before gives."""
        ...


def recompute_activations(network: nn.Module) -> None:
    """From now on every encoder that trains does so with the memory of one block, beside the blocks' inputs.

    Raises RecipeError where no encoder trains, or none that has blocks.
    """
    blocks = list(_blocks(network))
    if not blocks:
        what = "is asked for, and the method trains no encoder of blocks"
        raise RecipeError("training.activation_checkpointing", what, "leave it out")
    for block in blocks:
        block.forward = _recomputed(block.forward)


def _blocks(network: nn.Module) -> Iterator[nn.Module]:
    if isinstance(network, OwnBlocks):
        yield from network.own_blocks()
    for module in network.modules():
        if isinstance(module, FrameEncoder) and not isinstance(module, FrozenFrameEncoder):
            yield from (block for block, *_ in module.encoder.layers_from_last())


def compile_encoders(network: nn.Module) -> None:
    """From now on encoders are compiled for each shape and mode they meet, the first time: about a minute each.

    Raises RecipeError where there is no compiler for it, or no encoder of ours.
    """
    encoders = [module.encoder for module in network.modules() if isinstance(module, FrameEncoder)]
    if not encoders:
        what = "is asked for, and the method has no encoder that is compiled"
        raise RecipeError("training.compile", what, "leave it out")
    if not any(map(shutil.which, (os.environ.get("CXX", "g++"), "clang++"))):
        raise RecipeError("training.compile", "finds no C++ compiler", "install g++, or leave it out")
    for encoder in encoders:
        encoder.compile()


def _recomputed(forward: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def keeping_the_input(x: Tensor, *more: Any, **named: Any) -> Tensor:
        if not torch.is_grad_enabled():
            return forward(x, *more, **named)
        output: Tensor = checkpoint(forward, x, *more, use_reentrant=False, **named)
        return output

    return keeping_the_input


_CPU = torch.device("cpu")


class Prepared(nn.Module):
    """Takes over `model`, which is not to be trained or saved afterwards; answers as it did, to within rounding."""

    def __init__(self, model: nn.Module, compute: Compute) -> None:
        super().__init__()
        self.compute = compute
        for module in list(model.modules()):
            if isinstance(module, FrameEncoder):
                module.prepare(compute.dtype)
        self.model: Any = model.requires_grad_(False).eval().to(compute.device)

    @torch.inference_mode()
    def forward(self, batch: ClipBatch) -> JointEmbeddings:
        """The model's embeddings, on the processor wherever they were computed."""
        embeddings: JointEmbeddings = self.model(batch.to(self.compute.device))
        return embeddings.to(_CPU)

    @torch.inference_mode()
    def encode_inputs(self, modality: Modality, inputs: Float[Tensor, "rows ..."]) -> Float[Tensor, "rows _ dim"]:
        """The model's embeddings of frames or windows of sound, for callers who put windows together themselves."""
        embedded: Tensor = self.model.encode_inputs(modality, inputs.to(self.compute.device))
        return embedded.to(_CPU)

    @torch.inference_mode()
    def join(
        self, frames: Mapping[Modality, Float[Tensor, "rows _ dim"]], present: Mapping[Modality, Bool[Tensor, "rows"]]
    ) -> JointEmbeddings:
        """Everything after the encoders."""
        device = self.compute.device
        held = {modality: rows.to(device) for modality, rows in frames.items()}
        masks = {modality: mask.to(device) for modality, mask in present.items()}
        embeddings: JointEmbeddings = self.model.join(held, masks)
        return embeddings.to(_CPU)
