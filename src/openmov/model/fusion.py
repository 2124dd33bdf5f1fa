"""Asymmetric cross-attention between the video and each extra modality x (equations 5-8).

    v_t <- v_t + sum_x MCA_x(LN(v_t), LN(x_t))     v_m = mean over time of v_t + MLP(LN(v_t))
    x_t <- x_t + MCA(LN(x_t), LN(v))               x_m = mean over time of x_t + MLP(LN(x_t))

v is the frozen encoder's output, not v_t: the extra modalities learn from what CLIP already knows and never from
what the video head learns on base classes. Every x_t in the first line is the head's output, before the second line,
and all extras speak to the video at once. Every branch starts at zero: before training v_m and x_m are plain averages.

The sound is one token, so the video's attention to it has nothing to choose from: softmax over one key is 1, and that
branch is a linear map of the normalised token, the same for every frame.
"""

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from openmov.model.heads import Attention, MLPBranch
from openmov.types import Modality


class CrossAttention(nn.Module):
    """MCA(LN(queries), LN(sources)), with a LayerNorm each; the residual branch alone, starting at zero."""

    def __init__(self, dim: int, num_heads: int) -> None:
        super().__init__()
        self.query_norm = nn.LayerNorm(dim)
        self.source_norm = nn.LayerNorm(dim)
        self.attention = Attention(dim, num_heads)

    def forward(
        self, queries: Float[Tensor, "batch time dim"], sources: Float[Tensor, "batch sources dim"]
    ) -> Float[Tensor, "batch time dim"]:
        branch: Tensor = self.attention(self.query_norm(queries), self.source_norm(sources))
        return branch


class AsymmetricFusion(nn.Module):
    """Video with one or more extra modalities.

    A modality that a row lacks gives exactly nothing to the others, whatever stands in its place (NaN too); a
    modality that the whole batch lacks may be left out of the mappings.
    """

    def __init__(self, dim: int, *, extras: Sequence[Modality], num_heads: int, mlp_ratio: float) -> None:
        super().__init__()
        self.extras = tuple(extras)
        self.into_video = nn.ModuleDict({x.value: CrossAttention(dim, num_heads) for x in extras})
        self.from_video = nn.ModuleDict({x.value: CrossAttention(dim, num_heads) for x in extras})
        everyone = (Modality.VIDEO, *extras)
        self.mlps = nn.ModuleDict({m.value: MLPBranch(dim, mlp_ratio) for m in everyone})

    def forward(
        self,
        attended: Mapping[Modality, Float[Tensor, "batch _ dim"]],
        frozen: Float[Tensor, "batch time dim"] | None,
        present: Mapping[Modality, Bool[Tensor, "batch"]],
    ) -> dict[Modality, Float[Tensor, "batch dim"]]:
        """v_m and x_m, one entry for each of `attended` (the heads' outputs); `frozen` is v, None without video."""
        fused = {}
        for modality, tokens in attended.items():
            sources = self._sources(modality, attended, frozen)
            for partner, (branch, tokens_of_partner) in sources.items():
                tokens = tokens + _only_where(present[partner], branch(attended[modality], tokens_of_partner))
            fused[modality] = (tokens + self.mlps[modality.value](tokens)).mean(dim=1)
        return fused

    def _sources(
        self,
        modality: Modality,
        attended: Mapping[Modality, Float[Tensor, "batch _ dim"]],
        frozen: Float[Tensor, "batch time dim"] | None,
    ) -> dict[Modality, tuple[nn.Module, Float[Tensor, "batch _ dim"]]]:
        """Whom `modality` attends to, through which layer: the video to every extra, an extra to the frozen video."""
        if modality is not Modality.VIDEO:
            return {} if frozen is None else {Modality.VIDEO: (self.from_video[modality.value], frozen)}
        return {x: (self.into_video[x.value], attended[x]) for x in self.extras if x in attended}


class SymmetricFusion(AsymmetricFusion):
    """What the asymmetry is measured against: flow and sound attend to the trained video v_t, and all else is equal.

    The same weights by the same names; x_t <- x_t + MCA(LN(x_t), LN(v_t)), with v_t the head's output.
    """

    def _sources(
        self,
        modality: Modality,
        attended: Mapping[Modality, Float[Tensor, "batch _ dim"]],
        frozen: Float[Tensor, "batch time dim"] | None,
    ) -> dict[Modality, tuple[nn.Module, Float[Tensor, "batch _ dim"]]]:
        return super()._sources(modality, attended, attended.get(Modality.VIDEO))


def _only_where(
    present: Bool[Tensor, "batch"], branch: Float[Tensor, "batch time dim"]
) -> Float[Tensor, "batch time dim"]:
    return torch.where(present[:, None, None], branch, branch.new_zeros(()))
