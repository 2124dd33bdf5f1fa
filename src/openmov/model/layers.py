"""The two parts of every transformer layer here: attention and MLP, each a residual branch that starts at zero.

A branch that starts at zero makes `x + branch(x)` the identity before training, bit for bit. Knows nothing of
modalities or time.
"""

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
