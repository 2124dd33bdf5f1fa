"""SigLIP (Zhai et al. 2023) and SigLIP 2 (Tschannen et al. 2025) from Hugging Face `transformers`, as a Backbone.

    siglip    SigLIP, and SigLIP 2 at a fixed size
    siglip2   SigLIP 2's naflex models, here at their default size: a square of as many patches as positions

Pictures are squashed to the input's square, as these models were trained; naflex, which was trained on pictures of any
shape, is given undistorted squares. Sentences are lower case (SigLIP: without punctuation), padded to the length of
the text tower, and the padding is looked at. Trained with a sigmoid: each pair of a picture and a sentence has a
probability of its own. Knows nothing of video.
"""

import copy
import json
import math
import string
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor
from transformers import Siglip2Model, SiglipModel

from openmov.errors import BackboneError
from openmov.model.backbones.base import ImageEncoder
from openmov.model.backbones.contents import FETCH_AGAIN, ModelContents, read_contents
from openmov.model.backbones.folder import resolve_folder
from openmov.model.backbones.preprocessing import Preprocessing, folder_identity, read_preprocessing
from openmov.model.backbones.pretrained import (
    load_model,
    load_tokenizer,
    load_tokenizer_json,
    refuse_ids_beyond,
    shortened,
)
from openmov.model.backbones.siglip_text import SigLIPTextEncoder
from openmov.model.backbones.siglip_vision import SigLIPImageEncoder
from openmov.model.backbones.source import ModelSource

_NAFLEX = "siglip2"
_MODELS: dict[str, Any] = {"siglip": SiglipModel, _NAFLEX: Siglip2Model}
_HALVES = (0.5, 0.5, 0.5)
_PREPROCESSING = {
    "siglip": Preprocessing(_HALVES, _HALVES, "squash", "bicubic"),
    _NAFLEX: Preprocessing(_HALVES, _HALVES, "shortest", "bilinear"),
}
"""Where the folder is silent: the defaults of transformers' image processors."""
_TEXT_BATCH = 256
_PUNCTUATION = str.maketrans("", "", string.punctuation)


class SigLIPBackbone:
    """Vision and text tower of one SigLIP; every property is as in `Backbone`."""

    family = "SigLIP"
    prompts = "kinetics700"
    suits_bf16 = True
    """Cosines above 0.999 with single precision (B/16 with random weights, pictures and spectrograms)."""
    source = ModelSource()

    def __init__(
        self,
        name: str,
        model: Any,
        tokenizer: Any,
        preprocessing: Preprocessing,
        identity: str,
        *,
        strip_punctuation: bool,
    ) -> None:
        """`strip_punctuation`: as SigLIP's tokenizer does and SigLIP 2's does not."""
        self._model: Any = model.eval().requires_grad_(False)
        self._tokenizer, self._strip_punctuation = tokenizer, strip_punctuation
        self._config: Any = model.config
        self.name, self.identity, self.preprocessing = name, identity, preprocessing
        self.mean, self.std = preprocessing.mean, preprocessing.std

    @classmethod
    def load(cls, name: str, contents: ModelContents | None = None) -> "SigLIPBackbone":
        """In single precision whatever it is stored in; without `contents` the folder behind `name` is read.

        Raises BackboneError where it cannot be found, reached or used.
        """
        found = contents or read_contents(name, resolve_folder(name))
        if found.model_type not in _MODELS:
            raise BackboneError(name, f"holds a model of type {found.model_type!r}, not SigLIP", "give a SigLIP")
        if not found.has_vocabulary:
            raise BackboneError(name, "holds no tokenizer", "put the model's tokenizer.json beside its weights")
        preprocessing = _preprocessing(name, found)
        identity = folder_identity(found, preprocessing)
        model = load_model(name, found, _MODELS[found.model_type])
        _refuse_other_shapes(name, model.config)
        tokenizer = _load_tokenizer(name, found.folder)
        strip = _strips_punctuation(tokenizer, found.folder)
        return cls(name, model, tokenizer, preprocessing, identity, strip_punctuation=strip)

    @property
    def dim(self) -> int:
        return int(self._config.vision_config.hidden_size)

    @property
    def image_size(self) -> int:
        vision = self._config.vision_config
        if self._config.model_type == _NAFLEX:
            return math.isqrt(vision.num_patches) * int(vision.patch_size)
        return int(vision.image_size)

    @property
    def patch_size(self) -> int:
        return int(self._config.vision_config.patch_size)

    @property
    def temperature(self) -> float:
        """Of the cosine, before `logit_bias` is added."""
        return math.exp(-float(self._model.logit_scale))

    @property
    def logit_bias(self) -> float:
        """b of sigmoid(cos / temperature + b), the probability that a picture and a sentence belong together."""
        return float(self._model.logit_bias)

    @property
    def tau_x(self) -> float:
        """Its own temperature, as the paper's 0.01 is CLIP's."""
        return self.temperature

    @property
    def tau_v(self) -> float:
        """In the proportion of the paper's 0.003 to CLIP's own 0.01."""
        return 0.3 * self.temperature

    @property
    def num_heads(self) -> int:
        """Those of the text tower, whose width is the joint space's in most released SigLIPs (768: 12, 1152: 16)."""
        return math.gcd(self.dim, int(self._config.text_config.num_attention_heads))

    def image_encoder(self) -> ImageEncoder:
        encoder = SigLIPImageEncoder(copy.deepcopy(self._model.vision_model), self.image_size)
        return encoder.requires_grad_(True).eval()

    def text_encoder(self) -> SigLIPTextEncoder:
        """A fresh pretrained copy of the text tower in training precision, every weight requiring gradient."""
        text = copy.deepcopy(self._model.text_model).requires_grad_(True).eval()
        return SigLIPTextEncoder(self.name, text, self._rows, self._tokenizer.pad_token_id)

    @torch.no_grad()
    def embed_text(self, sentences: Sequence[str]) -> Float[Tensor, "sentences dim"]:
        """Text embeddings, not normalised; each is independent of the others it is embedded with.

        Raises BackboneError for words outside a closed vocabulary and for sentences longer than the text tower.
        """
        batches = [self._tokens(sentences[i : i + _TEXT_BATCH]) for i in range(0, len(sentences), _TEXT_BATCH)]
        device = self._model.logit_scale.device
        embedded = [self._model.text_model(input_ids=tokens.to(device)).pooler_output for tokens in batches]
        return torch.cat(embedded) if embedded else torch.zeros(0, self.dim)

    @torch.no_grad()
    def pair_probabilities(
        self, pictures: Float[Tensor, "pictures dim"], sentences: Float[Tensor, "sentences dim"]
    ) -> Float[Tensor, "pictures sentences"]:
        """sigmoid(cos / temperature + logit_bias): each pair for itself; rows do not sum to 1 (Zhai et al., eq. 1)."""
        cosines = F.normalize(pictures.float(), dim=-1) @ F.normalize(sentences.float(), dim=-1).T
        return torch.sigmoid(cosines / self.temperature + self.logit_bias)

    def _tokens(self, sentences: Sequence[str]) -> Int[Tensor, "sentences tokens"]:
        """Ids, filled up with padding to the length of the text tower."""
        length, padding = int(self._config.text_config.max_position_embeddings), self._tokenizer.pad_token_id
        return torch.tensor([[*row, *[padding] * (length - len(row))] for row in self._rows(sentences)])

    def _rows(self, sentences: Sequence[str]) -> list[list[int]]:
        """Ids of each sentence's words and of its end. Raises BackboneError."""
        length = int(self._config.text_config.max_position_embeddings)
        rows: list[list[int]] = self._tokenizer([self._canonical(one) for one in sentences], padding=False).input_ids
        end, unknown = self._tokenizer.eos_token_id, self._tokenizer.unk_token_id
        for sentence, row in zip(sentences, rows, strict=True):
            if end is not None and row[-1:] != [end]:
                row.append(end)
            if unknown is not None and unknown != end and unknown in row:
                what = f"does not know all letters of {shortened(sentence)!r}"
                raise BackboneError(self.name, what, "use letters of its vocabulary")
            if len(row) > length:
                what = f"{shortened(sentence)!r} is {len(row)} tokens long, {length} at most fit"
                raise BackboneError(self.name, what, "shorten the class name")
        ids = torch.tensor([[self._tokenizer.pad_token_id, *(one for row in rows for one in row)]])
        refuse_ids_beyond(self.name, ids, int(self._config.text_config.vocab_size))
        return rows

    def _canonical(self, sentence: str) -> str:
        lower = sentence.lower()
        return " ".join(lower.translate(_PUNCTUATION).split()) if self._strip_punctuation else lower


def _preprocessing(name: str, contents: ModelContents) -> Preprocessing:
    found = read_preprocessing(name, contents, _PREPROCESSING[contents.model_type])
    if contents.model_type == _NAFLEX:  # its processor has no size: it keeps the shape of every picture
        return Preprocessing(found.mean, found.std, "shortest", found.interpolation)
    return found


def _refuse_other_shapes(name: str, config: Any) -> None:
    vision, text = config.vision_config, config.text_config
    if not vision.vision_use_head:
        raise BackboneError(name, "has no attention pooling (vision_use_head is false)", "give a SigLIP with its head")
    if vision.hidden_size != text.projection_size:
        what = f"embeds pictures in {vision.hidden_size} numbers and words in {text.projection_size}"
        raise BackboneError(name, what, FETCH_AGAIN)
    if _is_not_square(vision):
        raise BackboneError(name, f"has {vision.num_patches} positions, which fill no square", FETCH_AGAIN)


def _is_not_square(vision: Any) -> bool:
    """Whether a naflex model's positions are other than a square of patches."""
    patches = getattr(vision, "num_patches", None)
    return patches is not None and math.isqrt(patches) ** 2 != patches


def _load_tokenizer(name: str, folder: Path) -> Any:
    """tokenizer.json as it stands; else SentencePiece's file, by transformers' own class."""
    if not (folder / "tokenizer.json").is_file():
        tokenizer = load_tokenizer(name, folder)
    else:
        tokenizer = load_tokenizer_json(name, folder)
    if tokenizer.pad_token_id is None:
        raise BackboneError(name, "its tokenizer names no padding", "put the model's own tokenizer_config.json there")
    return tokenizer


def _strips_punctuation(tokenizer: Any, folder: Path) -> bool:
    """Whether these are SigLIP's words (a unigram vocabulary) and not SigLIP 2's (Gemma's byte pairs)."""
    settings = folder / "tokenizer_config.json"
    named = json.loads(settings.read_text(encoding="utf-8")).get("tokenizer_class") if settings.is_file() else None
    if named is not None:
        return str(named).removesuffix("Fast") == "SiglipTokenizer"
    return not hasattr(tokenizer, "backend_tokenizer") or type(tokenizer.backend_tokenizer.model).__name__ == "Unigram"
