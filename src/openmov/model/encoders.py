"""From network inputs to embeddings in the joint space: h_v, h_f and h_a of equation 1.

All three start from the backbone's image encoder. Which of their weights train is decided here (table 6).
Knows nothing of what the pictures show; time is an axis that is folded away and put back.
"""

from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from openmov.errors import RecipeError
from openmov.model.backbones.base import ImageEncoder, PatchImageEncoder
from openmov.model.patch_dropout import PatchChoice


class FrameEncoder(nn.Module):
    """An image encoder over every frame: (batch, time, 3, height, width) -> (batch, time, dim), single precision.

    Without gradient, `chunk` frames go through at a time, so that many views do not take much memory; None is all.
    """

    def __init__(self, encoder: ImageEncoder, dim: int, *, chunk: int | None = None) -> None:
        super().__init__()
        self.encoder: ImageEncoder = encoder
        self.dim = dim
        self.chunk = chunk

    def prepare(self, dtype: torch.dtype) -> None:
        """From now on this encoder only answers, its products in `dtype`, as fast as its family knows how."""
        self.encoder = self.encoder.for_inference(dtype)

    def forward(
        self, frames: Float[Tensor, "batch time 3 height width"], choose: PatchChoice | None = None
    ) -> Float[Tensor, "batch time dim"]:
        """`choose` says which patches of each picture are looked at; None is all."""
        images = frames.flatten(0, 1)
        if images.shape[0] == 0:  # no clip of the batch has this modality
            return frames.new_zeros(*frames.shape[:2], self.dim, dtype=torch.float32)
        if choose is not None:
            return self._encode_parts(images, choose).reshape(*frames.shape[:2], self.dim)
        whole = torch.is_grad_enabled() or self.chunk is None
        pieces = (images,) if whole else torch.split(images, self.chunk or len(images))
        embedded = torch.cat([self.encoder(piece).float() for piece in pieces])
        return embedded.reshape(*frames.shape[:2], self.dim)

    def _encode_parts(
        self, images: Float[Tensor, "pictures 3 height width"], choose: PatchChoice
    ) -> Float[Tensor, "pictures dim"]:
        assert isinstance(self.encoder, PatchImageEncoder)
        kept = choose(self.encoder.num_patches(*images.shape[-2:])).to(images.device)
        embedded: Tensor = self.encoder(images, kept).float()
        return embedded


class FrozenFrameEncoder(FrameEncoder):
    """h_v: no weight requires gradient, no graph is recorded, and .train() leaves it in eval mode."""

    def __init__(self, encoder: ImageEncoder, dim: int, *, chunk: int | None = None) -> None:
        super().__init__(encoder, dim, chunk=chunk)
        self.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> "FrozenFrameEncoder":
        return super().train(False)

    @torch.no_grad()
    def forward(
        self, frames: Float[Tensor, "batch time 3 height width"], choose: PatchChoice | None = None
    ) -> Float[Tensor, "batch time dim"]:
        return super().forward(frames, choose)


class SpectrogramEncoder(FrameEncoder):
    """h_a: a spectrogram as one picture, (batch, 3, bins, columns) -> (batch, 1, dim).

    Zeros (the mean of a normalised spectrogram) are put above the highest bin and after the last column where the
    patch size asks for it: 128 x 800 becomes 140 x 812 for patches of 14.
    """

    def __init__(self, encoder: ImageEncoder, dim: int, *, patch_size: int, chunk: int | None = None) -> None:
        super().__init__(encoder, dim, chunk=chunk)
        self.patch_size = patch_size

    def forward(
        self, spectrograms: Float[Tensor, "batch 3 bins columns"], choose: PatchChoice | None = None
    ) -> Float[Tensor, "batch 1 dim"]:
        padded = pad_to_multiple(spectrograms, self.patch_size)
        return super().forward(padded[:, None], choose)


def pad_to_multiple(
    images: Float[Tensor, "batch 3 height width"], size: int
) -> Float[Tensor, "batch 3 new_height new_width"]:
    """Zeros at the bottom and right up to the next multiple of `size`; unchanged where both sides are multiples."""
    height, width = images.shape[-2:]
    return F.pad(images, (0, -width % size, 0, -height % size))


def train_last_layers(encoder: ImageEncoder, count: int | Literal["all"]) -> None:
    """Lets the last `count` layers of the encoder train and freezes the rest (table 6).

    The final norm and projection belong to the last layer; patch and position embeddings train only with "all".
    Raises RecipeError where the encoder has fewer layers.
    """
    if count == "all":
        encoder.requires_grad_(True)
        return
    layers = encoder.layers_from_last()
    if count > len(layers):
        raise RecipeError(
            "model.trainable_layers", f"is {count}, but the backbone has {len(layers)} layers", "take fewer, or all"
        )
    encoder.requires_grad_(False)
    for modules in layers[:count]:
        for module in modules:
            module.requires_grad_(True)
