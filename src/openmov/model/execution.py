"""How a network's encoders are computed in training: the same function at another price.

    recompute   each block keeps its input alone and computes the rest again for the gradient: a fraction of the
                memory for a third more work; the gradient is the same, bit for bit
    compiled    torch.compile makes kernels of each encoder: the same to within rounding

Heads and fusion see one token a frame and are left as they are. Knows nothing of losses or steps.
"""

import os
import shutil
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from openmov.errors import RecipeError
from openmov.model.encoders import FrameEncoder, FrozenFrameEncoder


def recompute_activations(network: nn.Module) -> None:
    """From now on every encoder that trains does so with the memory of one block, beside the blocks' inputs."""
    for module in network.modules():
        if isinstance(module, FrameEncoder) and not isinstance(module, FrozenFrameEncoder):
            for block, *_ in module.encoder.layers_from_last():
                block.forward = _recomputed(block.forward)


def compile_encoders(network: nn.Module) -> None:
    """From now on encoders are compiled for each shape and mode they meet, the first time: about a minute each.

    Raises RecipeError where there is no compiler for it.
    """
    if not any(map(shutil.which, (os.environ.get("CXX", "g++"), "clang++"))):
        raise RecipeError("training.compile", "finds no C++ compiler", "install g++, or leave it out")
    for module in network.modules():
        if isinstance(module, FrameEncoder):
            module.encoder.compile()


def _recomputed(forward: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    def keeping_the_input(x: Tensor) -> Tensor:
        if not torch.is_grad_enabled():
            return forward(x)
        output: Tensor = checkpoint(forward, x, use_reentrant=False)
        return output

    return keeping_the_input
