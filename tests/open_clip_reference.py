"""open_clip's plain CLIP, written anew in a few lines of torch: the same names of tensors, the same function.

tests/openclip compares it with open_clip itself, where that can be imported; the other tests compare with it.
"""

import torch
from torch import Tensor, nn


class QuickGELU(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(1.702 * x)


class Block(nn.Module):
    def __init__(self, width: int, heads: int, *, quick: bool) -> None:
        super().__init__()
        self.ln_1, self.ln_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attn = nn.MultiheadAttention(width, heads, batch_first=True)
        self.mlp = nn.Sequential()
        self.mlp.add_module("c_fc", nn.Linear(width, 4 * width))
        self.mlp.add_module("gelu", QuickGELU() if quick else nn.GELU())
        self.mlp.add_module("c_proj", nn.Linear(4 * width, width))

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        normed = self.ln_1(x)
        x = x + self.attn(normed, normed, normed, need_weights=False, attn_mask=mask)[0]
        return x + self.mlp(self.ln_2(x))


class Transformer(nn.Module):
    def __init__(self, width: int, heads: int, layers: int, *, quick: bool) -> None:
        super().__init__()
        self.resblocks = nn.ModuleList(Block(width, heads, quick=quick) for _ in range(layers))

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        for block in self.resblocks:
            x = block(x, mask)
        return x


class Visual(nn.Module):
    def __init__(
        self, dim: int, *, size: int, patch: int, width: int, head_width: int, layers: int, quick: bool
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, patch, patch, bias=False)
        self.class_embedding = nn.Parameter(torch.randn(width))
        self.positional_embedding = nn.Parameter(torch.randn((size // patch) ** 2 + 1, width))
        self.ln_pre, self.ln_post = nn.LayerNorm(width), nn.LayerNorm(width)
        self.transformer = Transformer(width, width // head_width, layers, quick=quick)
        self.proj = nn.Parameter(torch.randn(width, dim) * width**-0.5)

    def forward(self, images: Tensor) -> Tensor:
        patches = self.conv1(images).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.class_embedding.expand(len(images), 1, -1), patches], dim=1)
        tokens = self.transformer(self.ln_pre(tokens + self.positional_embedding))
        return self.ln_post(tokens)[:, 0] @ self.proj


class PlainCLIP(nn.Module):
    """The network of an open_clip `model_cfg`; a sentence is read at its highest id, or at `eos_id`."""

    def __init__(self, model: dict) -> None:  # type: ignore[type-arg]
        super().__init__()
        vision, text, quick = model["vision_cfg"], model["text_cfg"], model.get("quick_gelu", False)
        self.visual = Visual(
            model["embed_dim"],
            size=vision["image_size"],
            patch=vision["patch_size"],
            width=vision["width"],
            head_width=vision.get("head_width", 64),
            layers=vision["layers"],
            quick=quick,
        )
        width = text["width"]
        self.token_embedding = nn.Embedding(text["vocab_size"], width)
        self.positional_embedding = nn.Parameter(torch.randn(text["context_length"], width) * 0.1)
        self.transformer = Transformer(width, text["heads"], text["layers"], quick=quick)
        self.ln_final = nn.LayerNorm(width)
        self.text_projection = nn.Parameter(torch.randn(width, model["embed_dim"]) * width**-0.5)
        self.logit_scale = nn.Parameter(torch.tensor(3.0))
        self.eos_id = text.get("eos_id", 2) if text.get("pool_type") == "eos" else None

    def encode_image(self, images: Tensor) -> Tensor:
        return self.visual(images)

    def encode_text(self, ids: Tensor) -> Tensor:
        length = ids.shape[1]
        mask = torch.full((length, length), float("-inf")).triu(1)
        hidden = self.transformer(self.token_embedding(ids) + self.positional_embedding[:length], mask)
        end = ids.argmax(dim=1) if self.eos_id is None else (ids == self.eos_id).int().argmax(dim=1)
        return self.ln_final(hidden)[torch.arange(len(ids)), end] @ self.text_projection
