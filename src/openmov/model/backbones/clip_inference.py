"""CLIP's vision transformer for answering: the function of `clip_vision`, rearranged so that products are what it does.

    patches --linear--> tokens -> [norm -> q, k, v at once -> attention -> + -> norm -> MLP -> +] ... -> class token

What is rearranged (docs/decisions/0015): scale and shift of each norm, and attention's 1/sqrt(head width), go into the
product that follows; quick GELU, x sigmoid(1.702 x), becomes SiLU between products scaled by 1.702 and its inverse;
attention is three plain steps, which on a CPU take 0.4 of the time of torch's fused kernel for 197 tokens; pictures
go through a few at a time, so that activations stay in the processor's caches. Weights and operands of products have
the `dtype` asked for; the stream that the blocks add to, and the statistics of norms, are float32.
Without gradient, and never trained.
"""

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from openmov.errors import BackboneError
from openmov.model.backbones.base import ImageEncoder
from openmov.model.backbones.positions import interpolate_positions

_TOKENS_AT_A_TIME = 1600
"""8 pictures of 197 tokens, 3 spectrograms of 401; on a GPU everything at once."""
_QUICK = 1.702
"""Of quick GELU (Hendrycks and Gimpel 2016, equation 2)."""


class PreparedCLIPEncoder(ImageEncoder):
    """Takes the weights of a CLIPImageEncoder; (batch, 3, height, width) -> (batch, dim), float32, not normalised."""

    class_token: Tensor
    positions: Tensor
    blocks: nn.ModuleList

    def __init__(self, encoder: Any, dtype: torch.dtype) -> None:
        super().__init__()
        embeddings = encoder.embeddings
        self.patch_size, self.dtype = encoder.patch_size, dtype
        self.patches = linear(embeddings.patch_embedding.weight.flatten(1), None, dtype)
        self.register_buffer("class_token", embeddings.class_embedding.detach().float())
        self.register_buffer("positions", embeddings.position_embedding.weight.detach().float())
        self.pre_norm, self.post_norm = encoder.pre_norm, encoder.post_norm
        self.blocks = nn.ModuleList(PreparedBlock(block, dtype) for block in encoder.blocks)
        self.projection = encoder.projection
        self.requires_grad_(False).eval()

    @torch.no_grad()
    def forward(self, images: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch dim"]:
        height, width = images.shape[-2:]
        if height % self.patch_size or width % self.patch_size:
            raise BackboneError(
                "backbone",
                f"takes pictures whose sides are multiples of {self.patch_size} pixels, not {width} x {height}",
                "change video.crop_size",
            )
        tokens = height * width // self.patch_size**2 + 1
        return torch.cat([self._few(some) for some in torch.split(images, pictures_at_a_time(images, tokens))])

    def _few(self, images: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch dim"]:
        tokens = self.pre_norm(self._embed(images))
        for block in self.blocks:
            tokens = block(tokens)
        embedding: Tensor = self.projection(self.post_norm(tokens[:, 0]))
        return embedding

    def _embed(self, images: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch tokens channels"]:
        side = self.patch_size
        rows, columns = images.shape[-2] // side, images.shape[-1] // side
        cut = images.to(self.dtype).reshape(len(images), 3, rows, side, columns, side).permute(0, 2, 4, 1, 3, 5)
        patches = self.patches(cut.reshape(len(images), rows * columns, -1))
        tokens = torch.cat([self.class_token.expand(len(images), 1, -1), patches.float()], dim=1)
        return tokens.add_(interpolate_positions(self.positions, (rows, columns)))


class PreparedBlock(nn.Module):
    """A VisionBlock with its norms' weights in the products."""

    def __init__(self, block: Any, dtype: torch.dtype) -> None:
        super().__init__()
        attention, mlp = block.attention, block.mlp
        self.num_heads, self.dtype, self.class_token_only = attention.num_heads, dtype, block.class_token_only
        self.epsilon = (block.norm1.eps, block.norm2.eps)
        scale = (attention.q_proj.weight.shape[0] // attention.num_heads) ** -0.5
        query, key, value = attention.q_proj, attention.k_proj, attention.v_proj
        weight = torch.cat([query.weight * scale, key.weight, value.weight])
        bias = torch.cat([query.bias * scale, key.bias, value.bias])
        self.queries_keys_values = after_norm(block.norm1, weight, bias, dtype)
        self.out = linear(attention.out_proj.weight, attention.out_proj.bias, dtype)
        self.activation, factor = _activation(mlp.activation_fn)
        self.widen = after_norm(block.norm2, mlp.fc1.weight * factor, mlp.fc1.bias * factor, dtype)
        self.narrow = linear(mlp.fc2.weight / factor, mlp.fc2.bias, dtype)

    def forward(self, tokens: Float[Tensor, "batch tokens channels"]) -> Float[Tensor, "batch queries channels"]:
        """As many tokens as came in, or the class token alone."""
        attended = self.out(self._attend(self._normed(tokens, 0)))
        tokens = tokens[:, : attended.shape[1]] + attended
        output: Tensor = tokens + self.narrow(self.activation(self.widen(self._normed(tokens, 1))))
        return output

    def _normed(self, tokens: Float[Tensor, "batch tokens channels"], which: int) -> Tensor:
        return F.layer_norm(tokens, tokens.shape[-1:], eps=self.epsilon[which]).to(self.dtype)

    def _attend(self, normed: Tensor) -> Tensor:
        batch, tokens, width = normed.shape
        together: Tensor = self.queries_keys_values(normed)
        together = together.view(batch, tokens, 3, self.num_heads, -1).permute(2, 0, 3, 1, 4)
        query, key, value = (one.contiguous().flatten(0, 1) for one in together)
        if self.class_token_only:
            query = query[:, :1]
        attended = attention(query, key, value).view(batch, self.num_heads, -1, width // self.num_heads)
        return attended.transpose(1, 2).flatten(2)


def pictures_at_a_time(images: Float[Tensor, "batch 3 height width"], tokens: int) -> int:
    """How many pictures of so many tokens go through together: on a GPU all."""
    return max(1, _TOKENS_AT_A_TIME // tokens if images.device.type == "cpu" else len(images))


def attention(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Queries that are scaled already, every head a row of the batch."""
    if query.device.type != "cpu":
        return F.scaled_dot_product_attention(query, key, value, scale=1.0)
    return torch.bmm(torch.softmax(torch.bmm(query, key.transpose(1, 2)), dim=-1), value)


def _activation(function: nn.Module) -> tuple[Any, float]:
    """What stands between the two products of the MLP, and by how much the first is scaled and the second unscaled."""
    if type(function).__name__ == "QuickGELUActivation":
        return F.silu, _QUICK
    return function, 1.0


def after_norm(norm: Any, weight: Tensor, bias: Tensor, dtype: torch.dtype) -> nn.Linear:
    """W (scale z + shift) + b as one product of z."""
    return linear(weight * norm.weight, bias + weight @ norm.bias, dtype)


def linear(weight: Tensor, bias: Tensor | None, dtype: torch.dtype) -> nn.Linear:
    """A product with these weights, rounded to `dtype` once and from float32."""
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None, device="meta")
    layer.weight = nn.Parameter(weight.detach().float().to(dtype), requires_grad=False)
    if bias is not None:
        layer.bias = nn.Parameter(bias.detach().float().to(dtype), requires_grad=False)
    return layer
