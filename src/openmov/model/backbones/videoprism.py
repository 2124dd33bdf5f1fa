"""VideoPrism with words (Zhao et al. 2024; its LvT models) from Hugging Face `transformers`: a ClipBackbone.

    frames --spatial ViT--> --temporal transformer--> --pooling--> clip          words --text tower--> name

Pictures are squashed to the input's square and only brought to [0, 1]; sentences are padded to the length of the text
tower, behind which stands what is read. Knows nothing of files.
"""

import copy
from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from transformers import VideoPrismClipModel

from openmov.errors import BackboneError
from openmov.model.backbones.base import ClipEncoder, ImageEncoder
from openmov.model.backbones.contents import ModelContents
from openmov.model.backbones.preprocessing import Preprocessing, folder_identity
from openmov.model.backbones.pretrained import load_model, load_tokenizer, refuse_ids_beyond, shortened
from openmov.model.backbones.source import ModelSource

_TEXT_BATCH = 256
_PREPROCESSING = Preprocessing((0.0, 0.0, 0.0), (1.0, 1.0, 1.0), "squash", "bilinear")


class VideoPrismBackbone:
    """Video and text tower of one VideoPrism; every property is as in `Backbone`."""

    family = "VideoPrism"
    prompts = "video"
    """Its authors' sentence: a video of {}."""
    temperature = 0.01
    """Its weights hold none; this is the one its authors' example divides by."""
    tau_x = 0.01
    tau_v = 0.01
    suits_bf16 = False
    cosine = True
    source = ModelSource()

    def __init__(self, name: str, model: Any, tokenizer: Any, preprocessing: Preprocessing, identity: str) -> None:
        self._model: Any = model.eval().requires_grad_(False)
        self._tokenizer, self._vision, self._text = tokenizer, model.config.vision_config, model.config.text_config
        self.name, self.identity, self.preprocessing = name, identity, preprocessing
        self.mean, self.std = preprocessing.mean, preprocessing.std

    @classmethod
    def load(cls, name: str, contents: ModelContents) -> "VideoPrismBackbone":
        """In single precision whatever it is stored in. Raises BackboneError where it cannot be used."""
        if not contents.has_vocabulary:
            raise BackboneError(name, "holds no tokenizer", "put the model's tokenizer.json beside its weights")
        identity = folder_identity(contents, _PREPROCESSING)
        model = load_model(name, contents, VideoPrismClipModel)
        return cls(name, model, load_tokenizer(name, contents.folder), _PREPROCESSING, identity)

    @property
    def dim(self) -> int:
        return int(self._vision.hidden_size)

    @property
    def image_size(self) -> int:
        size = self._vision.image_size
        return int(size if isinstance(size, int) else size[0])

    @property
    def patch_size(self) -> int:
        return int(self._vision.tubelet_size[-1])

    @property
    def num_frames(self) -> int:
        return int(self._vision.num_frames)

    @property
    def num_heads(self) -> int:
        return int(self._vision.num_attention_heads)

    def image_encoder(self) -> ImageEncoder:
        """Raises BackboneError: there is none."""
        what = "is a VideoPrism, which embeds whole clips and no frame on its own"
        raise BackboneError(self.name, what, "take a CLIP, or ask it without training (predict --backbone)")

    def clip_encoder(self) -> "VideoPrismEncoder":
        return VideoPrismEncoder(copy.deepcopy(self._model.video_model))

    @torch.no_grad()
    def embed_text(self, sentences: Sequence[str]) -> Float[Tensor, "sentences dim"]:
        """Raises BackboneError for sentences longer than the text tower."""
        pieces = [sentences[i : i + _TEXT_BATCH] for i in range(0, len(sentences), _TEXT_BATCH)]
        return torch.cat([self._embed(piece) for piece in pieces])

    def _embed(self, sentences: Sequence[str]) -> Float[Tensor, "sentences dim"]:
        limit = int(self._text.max_position_embeddings)
        for sentence, ids in zip(sentences, self._tokenizer(list(sentences))["input_ids"], strict=True):
            if len(ids) > limit:
                what = f"{shortened(sentence)!r} is {len(ids)} tokens long, {limit} at most fit"
                raise BackboneError(self.name, what, "shorten the class name")
        encoded = self._tokenizer(list(sentences), padding="max_length", max_length=limit, return_tensors="pt")
        tokens = encoded["input_ids"]
        refuse_ids_beyond(self.name, tokens, int(self._text.vocab_size))
        pooled: Tensor = self._model.text_model(tokens, attention_mask=encoded["attention_mask"]).pooler_output
        return pooled.float()


class VideoPrismEncoder(ClipEncoder):
    """(batch, time, 3, height, width) -> (batch, dim)."""

    def __init__(self, video_model: Any) -> None:
        super().__init__()
        self.video_model: Any = video_model
        self.num_frames = int(video_model.config.num_frames)
        self.requires_grad_(False).eval()

    @torch.no_grad()
    def forward(self, frames: Float[Tensor, "batch time 3 height width"]) -> Float[Tensor, "batch dim"]:
        size = self.video_model.config.image_size
        resized = frames.shape[-1] != (size if isinstance(size, int) else size[0])
        parts = [
            self.video_model(pixel_values_videos=clip, interpolate_pos_encoding=resized).pooler_output
            for clip in torch.split(frames, 1)
        ]
        return torch.cat(parts).reshape(len(frames), -1).float()
