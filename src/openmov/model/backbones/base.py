"""What a pretrained vision-language model has to offer.

The protocol says nothing of patches, tokens or positions: a convolutional classifier with a sentence encoder beside
it is as good a backbone as CLIP. An image encoder that has patches says so by its type.
"""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from openmov.model.backbones.preprocessing import Preprocessing
from openmov.model.backbones.source import ModelSource


class ImageEncoder(nn.Module):
    """A pretrained image encoder: (batch, 3, height, width) of any size it accepts -> (batch, dim), not normalised."""

    def layers_from_last(self) -> tuple[tuple[nn.Module, ...], ...]:
        """The encoder's layers from the last to the first, each as the modules that belong to it.

        Element 0 holds what follows the last block (final norm and projection, or head and classifier) together with
        that block. Stem, patch and position embeddings belong to no layer: they train only when everything does.
        """
        raise NotImplementedError

    def forward(self, images: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch dim"]:
        raise NotImplementedError

    def for_inference(self, dtype: torch.dtype) -> "ImageEncoder":
        """The same function without gradient, its products in `dtype`: as fast as this family knows how.

        Its embeddings are float32. It may take over this encoder's memory, which is not to be used afterwards.
        """
        return Autocast(self, dtype)


class Autocast(ImageEncoder):
    """Any encoder with its products in another type, as torch chooses them."""

    def __init__(self, encoder: ImageEncoder, dtype: torch.dtype) -> None:
        super().__init__()
        self.encoder = encoder.requires_grad_(False).eval()
        self.dtype = dtype

    def forward(self, images: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch dim"]:
        with torch.autocast(images.device.type, self.dtype, enabled=self.dtype is not torch.float32):
            embedding: Tensor = self.encoder(images).float()
        return embedding


class PatchImageEncoder(ImageEncoder):
    """An encoder that cuts a picture into patches, and can do with some of them."""

    def num_patches(self, height: int, width: int) -> int:
        """Of a picture of so many pixels."""
        raise NotImplementedError

    def forward(
        self, images: Float[Tensor, "batch 3 height width"], kept: Int[Tensor, "batch kept"] | None = None
    ) -> Float[Tensor, "batch dim"]:
        """`kept`: for each picture, the patches that are looked at, counted row by row; None for all."""
        raise NotImplementedError


@runtime_checkable
class TextEncoder(Protocol):
    """An nn.Module: a pretrained text tower that trains; raises BackboneError for words it refuses."""

    @property
    def width(self) -> int:
        """Of a word's vector."""
        ...

    def __call__(self, sentences: Sequence[str]) -> Float[Tensor, "sentences dim"]:
        """Not normalised, with gradient."""
        ...

    def words(self, text: str) -> Float[Tensor, "tokens width"]:
        """The vectors of some words."""
        ...

    def with_context(self, context: Float[Tensor, "tokens width"], names: Sequence[str]) -> Float[Tensor, "names dim"]:
        """Sentences that begin with the words `context` and end with a name."""
        ...


@runtime_checkable
class TrainableText(Protocol):
    """A backbone whose text side can be trained, as CLIP's can."""

    def text_encoder(self) -> nn.Module:
        """A fresh pretrained copy, which is a TextEncoder; every weight requires gradient."""
        ...


@runtime_checkable
class Backbone(Protocol):
    """A pretrained vision-language model behind one interface."""

    @property
    def source(self) -> ModelSource:
        """Licence of its weights and the commit they came from: said in every result. `load_backbone` sets it."""
        ...

    @source.setter
    def source(self, source: ModelSource) -> None: ...

    @property
    def name(self) -> str:
        """What the user called it: a hub name, a folder or a bundled name."""
        ...

    @property
    def family(self) -> str:
        """What tables of results call its frozen frame average: CLIP, ConSE."""
        ...

    @property
    def identity(self) -> str:
        """Hash of weights and preprocessing: part of every cache key, checkpoint and result."""
        ...

    @property
    def dim(self) -> int:
        """Width of the joint space."""
        ...

    @property
    def image_size(self) -> int:
        """Side in pixels of the square pictures it was trained on."""
        ...

    @property
    def patch_size(self) -> int:
        """Height and width of an input must be multiples of this; 1 where any size goes."""
        ...

    @property
    def mean(self) -> tuple[float, float, float]:
        """Of red, green and blue in [0, 1], subtracted before the encoder."""
        ...

    @property
    def std(self) -> tuple[float, float, float]:
        """Divided by after the mean."""
        ...

    @property
    def preprocessing(self) -> Preprocessing:
        """What a picture goes through before the encoder: `mean` and `std`, and how it becomes a square."""
        ...

    @property
    def temperature(self) -> float:
        """tau of its own contrastive training (CLIP: 0.01), of whichever of its parts was trained so."""
        ...

    @property
    def tau_x(self) -> float:
        """Temperature of trained embeddings on the novel path, where a recipe names none (CLIP: 0.01)."""
        ...

    @property
    def tau_v(self) -> float:
        """Temperature of its frozen frame average on the novel path, where a recipe names none (CLIP: 0.003)."""
        ...

    @property
    def prompts(self) -> str:
        """Template set for names it answers about without training, where nobody chose one."""
        ...

    @property
    def suits_bf16(self) -> bool:
        """Whether its picture embeddings in bfloat16 are as good as in single precision (cosine above 0.998)."""
        ...

    @property
    def num_heads(self) -> int:
        """Attention heads for temporal and fusion layers of width `dim` (512: 8, 768: 12)."""
        ...

    def embed_text(self, sentences: Sequence[str]) -> Float[Tensor, "sentences dim"]:
        """Text embeddings, not normalised, without gradient. Raises BackboneError for words it refuses."""
        ...

    def image_encoder(self) -> ImageEncoder:
        """A fresh pretrained copy in training precision, every weight requiring gradient, in eval mode."""
        ...


@runtime_checkable
class TextSide(Protocol):
    """Words as one stream understands them: all that class vectors are made from. Every Backbone is one."""

    @property
    def identity(self) -> str:
        """Hash of all that decides a vector: part of the key of what is kept of it."""
        ...

    @property
    def dim(self) -> int:
        """Width of its space."""
        ...

    def embed_text(self, sentences: Sequence[str]) -> Float[Tensor, "sentences dim"]:
        """Text embeddings, not normalised, without gradient. Raises BackboneError for words it refuses."""
        ...


class ClipEncoder(nn.Module):
    """A pretrained tower that looks at a whole clip: (batch, time, 3, height, width) -> (batch, dim), not normalised.

    Frozen: no weight requires gradient, and it stays in eval mode.
    """

    num_frames: int
    """What it was trained on, and is given."""

    def forward(self, frames: Float[Tensor, "batch time 3 height width"]) -> Float[Tensor, "batch dim"]:
        raise NotImplementedError

    def train(self, mode: bool = True) -> "ClipEncoder":
        return super().train(False)


class AdaptingClipEncoder(ClipEncoder):
    """A tower that adapts class names to each clip before it compares them (X-CLIP)."""

    def with_context(
        self, frames: Float[Tensor, "batch time 3 height width"]
    ) -> tuple[Float[Tensor, "batch dim"], Float[Tensor, "batch tokens dim"]]:
        """The clips' embeddings, and what of them names are adapted to."""
        raise NotImplementedError

    def adapt(
        self, names: Float[Tensor, "names dim"], context: Float[Tensor, "batch tokens dim"]
    ) -> Float[Tensor, "batch names dim"]:
        """The names as each clip sees them; neither is normalised."""
        raise NotImplementedError


@runtime_checkable
class ClipBackbone(Protocol):
    """A Backbone that cannot embed a frame on its own, but a whole clip: it answers, and nothing is trained on it."""

    def clip_encoder(self) -> ClipEncoder:
        """Its picture tower, frozen."""
        ...

    @property
    def num_frames(self) -> int:
        """Of a clip, spread over the whole video: what it was trained on."""
        ...

    @property
    def cosine(self) -> bool:
        """Whether clip and name are compared by their cosine; else by the product of vectors as long as they are."""
        ...


class SoundEncoder(nn.Module):
    """A pretrained sound tower: mono samples in [-1, 1], (batch, samples) -> (batch, dim). Frozen, in eval mode."""

    def forward(self, samples: Float[Tensor, "batch samples"]) -> Float[Tensor, "batch dim"]:
        raise NotImplementedError

    def train(self, mode: bool = True) -> "SoundEncoder":
        return super().train(False)


@runtime_checkable
class SoundTower(Protocol):
    """A pretrained model that compares sound with words, in a space of its own. It is a TextSide."""

    source: ModelSource
    """Licence and commit of its weights."""

    @property
    def name(self) -> str:
        """What the user called it."""
        ...

    @property
    def family(self) -> str:
        """CLAP, PE-AV."""
        ...

    @property
    def identity(self) -> str:
        """Hash of weights, preprocessing and words."""
        ...

    @property
    def dim(self) -> int:
        """Width of its space."""
        ...

    @property
    def temperature(self) -> float:
        """By which similarities are divided before the softmax."""
        ...

    @property
    def cosine(self) -> bool:
        """Whether sound and name are compared by their cosine; else by the product of vectors as long as they are."""
        ...

    @property
    def prompts(self) -> str:
        """Template set for names, where nobody chose one."""
        ...

    @property
    def rate_hz(self) -> int:
        """Samples a second that it hears."""
        ...

    @property
    def longest_seconds(self) -> float:
        """The most that it hears at once."""
        ...

    def embed_text(self, sentences: Sequence[str]) -> Float[Tensor, "sentences dim"]:
        """Text embeddings, without gradient. Raises BackboneError for words it refuses."""
        ...

    def sound_encoder(self) -> SoundEncoder:
        """Its sound side, frozen."""
        ...


class JointEncoder(nn.Module):
    """A pretrained tower that looks and hears at once. Frozen, in eval mode."""

    def forward(
        self, frames: Float[Tensor, "batch time 3 height width"], samples: Float[Tensor, "batch samples"]
    ) -> tuple[Float[Tensor, "batch dim"], Float[Tensor, "batch dim"], Float[Tensor, "batch dim"]]:
        """What pictures alone, sound alone, and both together are embedded as."""
        raise NotImplementedError

    def train(self, mode: bool = True) -> "JointEncoder":
        return super().train(False)


@runtime_checkable
class HearingBackbone(Protocol):
    """A Backbone that also understands sound, and pictures with their sound (PE-AV)."""

    def sound_tower(self) -> SoundTower:
        """Its sound side, with words of its own."""
        ...

    def joint_encoder(self) -> JointEncoder:
        """Pictures and sound in one embedding."""
        ...

    def joint_text(self) -> TextSide:
        """Words for that embedding."""
        ...

    @property
    def joint_temperature(self) -> float:
        """Of that embedding, compared as `cosine` says."""
        ...
