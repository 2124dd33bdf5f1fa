"""A fusion from outside: every stream is added to the video, each by a gate that is learned and starts closed.

    v_m = mean over time of v_t + sum_x g_x * mean over time of x_t        x_m = mean over time of x_t

A fusion is an nn.Module, made with the width of the joint space and the modalities beside the video, and called with
what the heads gave, the frozen video and which clips have which modality.
"""

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from openmov import FUSIONS, Modality


class GatedFusion(nn.Module):
    """A number a modality, zero before training: MOV is then frozen CLIP on the video's side."""

    def __init__(self, dim: int, *, extras: Sequence[Modality], num_heads: int, mlp_ratio: float) -> None:
        super().__init__()
        self.gates = nn.ParameterDict({extra.value: nn.Parameter(torch.zeros(dim)) for extra in extras})

    def forward(
        self,
        attended: Mapping[Modality, Float[Tensor, "batch _ dim"]],
        frozen: Float[Tensor, "batch time dim"] | None,
        present: Mapping[Modality, Bool[Tensor, "batch"]],
    ) -> dict[Modality, Float[Tensor, "batch dim"]]:
        """v_m and x_m, one entry for each of `attended`."""
        fused = {modality: tokens.mean(dim=1) for modality, tokens in attended.items()}
        for extra, gate in self.gates.items():
            if extra in fused and Modality.VIDEO in fused:
                there = present[Modality(extra)][:, None]
                fused[Modality.VIDEO] = fused[Modality.VIDEO] + there * gate * fused[Modality(extra)]
        return fused


def register() -> None:
    """What an installed package does with an entry point in the group `openmov.fusions`."""
    FUSIONS.register("gated", GatedFusion)
