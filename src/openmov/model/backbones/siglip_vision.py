"""SigLIP's vision transformer for pictures of any size (Zhai et al. 2023; SigLIP 2: Tschannen et al. 2025).

    patches -> + positions -> blocks -> norm -> attention pooling: one learned query looks at all patches -> + MLP

There is no class token and no projection. The weights and modules are Hugging Face's; the forward pass is ours, for the
reasons given in `clip_vision`. At the pretrained size the result is theirs. SigLIP 2's naflex models have the same
function at a fixed size; only their patch embedding is written as a product of flattened patches.
Knows nothing of files, text, time or modalities.
"""

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from openmov.errors import BackboneError
from openmov.model.backbones.base import ImageEncoder, PatchImageEncoder
from openmov.model.backbones.clip_inference import PreparedBlock, after_norm, attention, linear, pictures_at_a_time
from openmov.model.backbones.clip_vision import VisionBlock
from openmov.model.backbones.positions import interpolate_positions


class AttentionPool(nn.Module):
    """SigLIP's head: (batch, tokens, channels) -> (batch, channels). Takes over Hugging Face's modules."""

    attention: Any

    def __init__(self, head: Any) -> None:
        super().__init__()
        self.probe = head.probe
        self.attention = head.attention
        self.norm = head.layernorm
        self.mlp = head.mlp

    def forward(self, tokens: Float[Tensor, "batch tokens channels"]) -> Float[Tensor, "batch channels"]:
        weight, bias, width = self.attention.in_proj_weight, self.attention.in_proj_bias, tokens.shape[-1]
        parts = [slice(place * width, (place + 1) * width) for place in range(3)]
        sources = (self.probe.repeat(tokens.shape[0], 1, 1), tokens, tokens)
        projected = [F.linear(x, weight[part], bias[part]) for x, part in zip(sources, parts, strict=True)]
        heads = (self.attention.num_heads, -1)
        query, key, value = (x.view(*x.shape[:2], *heads).transpose(1, 2) for x in projected)
        attended = F.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)
        pooled = self.attention.out_proj(attended)[:, 0]
        output: Tensor = pooled + self.mlp(self.norm(pooled))
        return output


class SigLIPImageEncoder(PatchImageEncoder):
    """h of equation 1: (batch, 3, height, width) -> (batch, dim), not normalised.

    Takes over the modules it is given; hand it copies. Sides are multiples of `patch_size`, or `image_size` on both
    sides, where pixels that fill no patch are left out as in training (BackboneError for others).
    """

    positions: nn.Embedding

    def __init__(self, vision: Any, image_size: int) -> None:
        super().__init__()
        self.patches = _as_convolution(vision.embeddings.patch_embedding, int(vision.config.patch_size))
        self.positions = vision.embeddings.position_embedding
        self.blocks = nn.ModuleList(VisionBlock(layer) for layer in vision.encoder.layers)
        self.post_norm = vision.post_layernorm
        self.pool = AttentionPool(vision.head)
        self.patch_size, self.image_size = int(vision.config.patch_size), image_size

    def layers_from_last(self) -> tuple[tuple[nn.Module, ...], ...]:
        """Blocks from the last to the first; the last with the final norm and the attention pooling (table 6)."""
        last, *others = reversed(self.blocks)
        return ((last, self.post_norm, self.pool), *((block,) for block in others))

    def for_inference(self, dtype: torch.dtype) -> ImageEncoder:
        """Within rounding of this one, and faster; takes over its memory."""
        return PreparedSigLIPEncoder(self, dtype)

    def num_patches(self, height: int, width: int) -> int:
        return (height // self.patch_size) * (width // self.patch_size)

    def forward(
        self, images: Float[Tensor, "batch 3 height width"], kept: Int[Tensor, "batch kept"] | None = None
    ) -> Float[Tensor, "batch dim"]:
        refuse_size(images.shape[-2], images.shape[-1], self.patch_size, self.image_size)
        patches = self.patches(images)
        grid = (patches.shape[-2], patches.shape[-1])
        tokens = patches.flatten(2).transpose(1, 2) + interpolate_positions(self.positions.weight, grid, class_tokens=0)
        if kept is not None:
            tokens = tokens.gather(1, kept[:, :, None].expand(-1, -1, tokens.shape[-1]))
        for block in self.blocks:
            tokens = block(tokens)
        embedding: Tensor = self.pool(self.post_norm(tokens))
        return embedding


class PreparedSigLIPEncoder(ImageEncoder):
    """A SigLIPImageEncoder for answering, rearranged as `clip_inference` says; without gradient, never trained."""

    positions: Tensor
    query: Tensor
    blocks: nn.ModuleList

    def __init__(self, encoder: SigLIPImageEncoder, dtype: torch.dtype) -> None:
        super().__init__()
        self.patch_size, self.image_size, self.dtype = encoder.patch_size, encoder.image_size, dtype
        self.patches = linear(encoder.patches.weight.flatten(1), encoder.patches.bias, dtype)
        self.register_buffer("positions", encoder.positions.weight.detach().float())
        self.blocks = nn.ModuleList(PreparedBlock(block, dtype) for block in encoder.blocks)
        pool, norm = encoder.pool, encoder.post_norm
        query, key, value = pool.attention.in_proj_weight.float().chunk(3)
        biases = pool.attention.in_proj_bias.float().chunk(3)
        self.num_heads, self.epsilon = pool.attention.num_heads, norm.eps
        scale = (len(query) // self.num_heads) ** -0.5
        self.register_buffer("query", ((pool.probe[0].float() @ query.T + biases[0]) * scale).detach())
        self.keys_values = after_norm(norm, torch.cat([key, value]), torch.cat(biases[1:]), dtype)
        self.out, self.norm, self.mlp = pool.attention.out_proj, pool.norm, pool.mlp
        self.requires_grad_(False).eval()

    @torch.no_grad()
    def forward(self, images: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch dim"]:
        height, width = images.shape[-2:]
        refuse_size(height, width, self.patch_size, self.image_size)
        count = pictures_at_a_time(images, (height // self.patch_size) * (width // self.patch_size))
        return torch.cat([self._few(some) for some in torch.split(images, count)])

    def _few(self, images: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch dim"]:
        side = self.patch_size
        rows, columns = images.shape[-2] // side, images.shape[-1] // side
        whole = images[:, :, : rows * side, : columns * side].to(self.dtype)
        cut = whole.reshape(len(images), 3, rows, side, columns, side).permute(0, 2, 4, 1, 3, 5)
        tokens = self.patches(cut.reshape(len(images), rows * columns, -1)).float()
        tokens = tokens.add_(interpolate_positions(self.positions, (rows, columns), class_tokens=0))
        for block in self.blocks:
            tokens = block(tokens)
        return self._pooled(tokens)

    def _pooled(self, tokens: Float[Tensor, "batch tokens channels"]) -> Float[Tensor, "batch channels"]:
        batch, count, width = tokens.shape
        normed = F.layer_norm(tokens, (width,), eps=self.epsilon).to(self.dtype)
        both = self.keys_values(normed).view(batch, count, 2, self.num_heads, -1).permute(2, 0, 3, 1, 4)
        key, value = (one.contiguous().flatten(0, 1) for one in both)
        query = self.query.to(self.dtype).view(self.num_heads, 1, -1).repeat(batch, 1, 1)
        attended = attention(query, key, value).reshape(batch, width).float()
        pooled = self.out(attended)
        output: Tensor = pooled + self.mlp(self.norm(pooled))
        return output


def refuse_size(height: int, width: int, patch_size: int, image_size: int) -> None:
    """Raises BackboneError for pictures whose last pixels would fill no patch, those of the trained size aside."""
    if (height % patch_size or width % patch_size) and (height, width) != (image_size, image_size):
        what = f"takes pictures of {image_size} x {image_size} pixels, or whose sides are multiples of {patch_size}"
        raise BackboneError("backbone", f"{what}, not {width} x {height}", "change video.crop_size")


def _as_convolution(embedding: Any, patch_size: int) -> nn.Conv2d:
    """A patch embedding as the convolution it is; naflex models write it as a product of (row, column, colour)."""
    if isinstance(embedding, nn.Conv2d):
        return embedding
    channels = embedding.out_features
    weight = embedding.weight.detach().reshape(channels, patch_size, patch_size, 3).permute(0, 3, 1, 2)
    convolution = nn.Conv2d(3, channels, patch_size, patch_size, device="meta")
    convolution.weight = nn.Parameter(weight.contiguous())
    convolution.bias = nn.Parameter(embedding.bias.detach().clone())
    return convolution
