"""The two parts of every transformer layer here: attention and MLP, each a residual branch that starts at zero.

A branch that starts at zero makes `x + branch(x)` the identity before training, bit for bit. Knows nothing of
modalities or time.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


def zeroed(linear: nn.Linear) -> nn.Linear:
    """The same layer with weight and bias zero."""
    nn.init.zeros_(linear.weight)
    nn.init.zeros_(linear.bias)
    return linear


class Attention(nn.Module):
    """Multi-head attention softmax(Q K^T / sqrt(d)) V; the output projection starts at zero."""

    def __init__(self, dim: int, num_heads: int) -> None:
        super().__init__()
        if dim % num_heads:
            raise ValueError(f"{num_heads} heads do not divide a width of {dim}")
        self.num_heads = num_heads
        self.query = nn.Linear(dim, dim)
        self.key = nn.Linear(dim, dim)
        self.value = nn.Linear(dim, dim)
        self.output = zeroed(nn.Linear(dim, dim))

    def forward(
        self, queries: Float[Tensor, "batch time dim"], sources: Float[Tensor, "batch sources dim"]
    ) -> Float[Tensor, "batch time dim"]:
        """What each query takes from the sources."""
        projected = (self.query(queries), self.key(sources), self.value(sources))
        query, key, value = (x.unflatten(-1, (self.num_heads, -1)).transpose(1, 2) for x in projected)
        attended = F.scaled_dot_product_attention(query, key, value)
        output: Tensor = self.output(attended.transpose(1, 2).flatten(2))
        return output


class MLP(nn.Sequential):
    """Linear, GELU, linear, `ratio` times `dim` wide inside; the last starts at zero unless asked not to."""

    def __init__(self, dim: int, ratio: float, *, start_at_zero: bool = True) -> None:
        hidden = round(dim * ratio)
        last = nn.Linear(hidden, dim)
        super().__init__(nn.Linear(dim, hidden), nn.GELU(), zeroed(last) if start_at_zero else last)


class MLPBranch(nn.Sequential):
    """MLP(LN(x)), to be added to x: equations 4, 6 and 8."""

    def __init__(self, dim: int, ratio: float) -> None:
        super().__init__(nn.LayerNorm(dim), MLP(dim, ratio))


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
