"""Heads phi: what happens to one modality's embeddings over time before fusion (equations 2-4).

Before training every head is the identity, except the paper's literal audio head. Without positions (the paper has
none) the transformer is blind to the order of frames: motion reaches it through the flow alone.
Knows nothing of other modalities.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from openmov.model.layers import MLP, Attention, MLPBranch


class TransformerLayer(nn.Module):
    """x <- Attention(LN(x)) + x; x <- MLP(LN(x)) + x (equations 2 and 3)."""

    def __init__(self, dim: int, num_heads: int, mlp_ratio: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.attention = Attention(dim, num_heads)
        self.mlp = MLPBranch(dim, mlp_ratio)

    def forward(self, tokens: Float[Tensor, "batch time dim"]) -> Float[Tensor, "batch time dim"]:
        normed = self.norm(tokens)
        tokens = tokens + self.attention(normed, normed)
        updated: Tensor = tokens + self.mlp(tokens)
        return updated


class TemporalTransformer(nn.Module):
    """phi_v and phi_f: pre-norm transformer layers over the frames of a view.

    `max_frames` gives learned positions, starting at zero, for so many frames; None gives none. Longer input is
    then refused with ValueError.
    """

    def __init__(
        self, dim: int, *, num_layers: int, num_heads: int, mlp_ratio: float, max_frames: int | None = None
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList(TransformerLayer(dim, num_heads, mlp_ratio) for _ in range(num_layers))
        self.positions = nn.Embedding(max_frames, dim) if max_frames is not None else None
        if self.positions is not None:
            nn.init.zeros_(self.positions.weight)

    def forward(self, tokens: Float[Tensor, "batch time dim"]) -> Float[Tensor, "batch time dim"]:
        if self.positions is not None:
            tokens = tokens + self._positions_of(tokens.shape[1])
        for layer in self.layers:
            tokens = layer(tokens)
        return tokens

    def _positions_of(self, num_frames: int) -> Float[Tensor, "time dim"]:
        assert self.positions is not None
        if num_frames > self.positions.num_embeddings:
            raise ValueError(f"{num_frames} frames, but positions were made for {self.positions.num_embeddings}")
        learned: Tensor = self.positions(torch.arange(num_frames, device=self.positions.weight.device))
        return learned


class AudioHead(nn.Module):
    """phi_a: a + MLP(LN(a)), which starts as the identity; or, `literal`, the paper's MLP(a), which does not."""

    def __init__(self, dim: int, *, mlp_ratio: float, literal: bool = False) -> None:
        super().__init__()
        self.literal = literal
        self.mlp: nn.Module = MLP(dim, mlp_ratio, start_at_zero=False) if literal else MLPBranch(dim, mlp_ratio)

    def forward(self, tokens: Float[Tensor, "batch time dim"]) -> Float[Tensor, "batch time dim"]:
        mapped: Tensor = self.mlp(tokens)
        return mapped if self.literal else tokens + mapped
