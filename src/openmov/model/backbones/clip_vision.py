"""CLIP's vision transformer for pictures of any size.

    patches + class token -> + positions -> norm -> blocks -> class token of the last block -> norm -> projection

The weights and modules are Hugging Face's; the forward pass is ours, for three reasons: positions are interpolated
bilinearly (theirs: bicubic; the paper: bilinear), the last block computes the class token alone (nothing else of it
is read), and the order of layers is known for partial fine-tuning. At the pretrained size the result is theirs.
In training some of the patches may be left out, once they have their positions.
Knows nothing of files, text, time or modalities.
"""

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from openmov.errors import BackboneError
from openmov.model.backbones.base import ImageEncoder, PatchImageEncoder
from openmov.model.backbones.clip_inference import PreparedCLIPEncoder
from openmov.model.backbones.positions import interpolate_positions


class VisionBlock(nn.Module):
    """One pre-norm transformer block around the modules of Hugging Face's CLIPEncoderLayer."""

    attention: Any

    def __init__(self, layer: Any, *, class_token_only: bool = False) -> None:
        super().__init__()
        self.norm1 = layer.layer_norm1
        self.attention = layer.self_attn
        self.norm2 = layer.layer_norm2
        self.mlp = layer.mlp
        self.class_token_only = class_token_only

    def forward(self, tokens: Float[Tensor, "batch tokens channels"]) -> Float[Tensor, "batch queries channels"]:
        """As many tokens as came in, or the class token alone."""
        wanted = slice(1) if self.class_token_only else slice(None)
        normed = self.norm1(tokens)
        # contiguous: else torch picks a kernel by requires_grad, and frozen and trainable copies differ in the last bit
        tokens = tokens[:, wanted] + self._attend(normed[:, wanted].contiguous(), normed)
        output: Tensor = tokens + self.mlp(self.norm2(tokens))
        return output

    def _attend(
        self, queries: Float[Tensor, "batch queries channels"], tokens: Float[Tensor, "batch tokens channels"]
    ) -> Float[Tensor, "batch queries channels"]:
        attention = self.attention
        projected = (attention.q_proj(queries), attention.k_proj(tokens), attention.v_proj(tokens))
        query, key, value = (x.unflatten(-1, (attention.num_heads, -1)).transpose(1, 2) for x in projected)
        dropout = attention.dropout if self.training else 0.0
        attended = F.scaled_dot_product_attention(query, key, value, dropout_p=dropout)
        output: Tensor = attention.out_proj(attended.transpose(1, 2).flatten(2))
        return output


class CLIPImageEncoder(PatchImageEncoder):
    """h of equation 1: (batch, 3, height, width) -> (batch, dim), not normalised.

    Takes over the modules it is given; hand it copies. Sides must be multiples of `patch_size` (BackboneError).
    """

    embeddings: Any
    post_norm: nn.Module
    projection: nn.Module

    def __init__(self, vision: Any, projection: Any) -> None:
        super().__init__()
        layers = list(vision.encoder.layers)
        self.embeddings = vision.embeddings
        self.pre_norm = vision.pre_layrnorm
        self.blocks = nn.ModuleList(VisionBlock(layer, class_token_only=layer is layers[-1]) for layer in layers)
        self.post_norm = vision.post_layernorm
        self.projection = projection
        self.patch_size = int(vision.embeddings.patch_size)

    def layers_from_last(self) -> tuple[tuple[nn.Module, ...], ...]:
        """Blocks from the last to the first; the last with the final norm and the projection (table 6)."""
        last, *others = reversed(self.blocks)
        return ((last, self.post_norm, self.projection), *((block,) for block in others))

    def for_inference(self, dtype: torch.dtype) -> ImageEncoder:
        """Half as fast again as this one in the same type, and within rounding of it; takes over its memory."""
        return PreparedCLIPEncoder(self, dtype)

    def num_patches(self, height: int, width: int) -> int:
        return (height // self.patch_size) * (width // self.patch_size)

    def forward(
        self, images: Float[Tensor, "batch 3 height width"], kept: Int[Tensor, "batch kept"] | None = None
    ) -> Float[Tensor, "batch dim"]:
        tokens = self._embed(images)
        tokens = self.pre_norm(tokens if kept is None else _chosen(tokens, kept))
        for block in self.blocks:
            tokens = block(tokens)
        embedding: Tensor = self.projection(self.post_norm(tokens[:, 0]))
        return embedding

    def _embed(self, images: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch tokens channels"]:
        height, width = images.shape[-2:]
        if height % self.patch_size or width % self.patch_size:
            raise BackboneError(
                "backbone",
                f"takes pictures whose sides are multiples of {self.patch_size} pixels, not {width} x {height}",
                "change video.crop_size",
            )
        patches = self.embeddings.patch_embedding(images)
        positions = interpolate_positions(
            self.embeddings.position_embedding.weight, (patches.shape[-2], patches.shape[-1])
        )
        class_token = self.embeddings.class_embedding.to(patches.dtype).expand(images.shape[0], 1, -1)
        return torch.cat([class_token, patches.flatten(2).transpose(1, 2)], dim=1) + positions


def _chosen(
    tokens: Float[Tensor, "batch tokens channels"], kept: Int[Tensor, "batch kept"]
) -> Float[Tensor, "batch 1+kept channels"]:
    """The class token and these patches, each with the position it had."""
    patches = tokens[:, 1:].gather(1, kept[:, :, None].expand(-1, -1, tokens.shape[-1]))
    return torch.cat([tokens[:, :1], patches], dim=1)
