"""CLIP (Radford et al. 2021) and what has its shape, as a Backbone: a ViT with a class token, a text tower that is read
at the end of the sentence.

    clip         CLIP in Hugging Face's format
    metaclip_2   MetaCLIP 2 (Chuang et al. 2025): the same network, names in any language
    xclip        X-CLIP, for its own method: its frames look at each other
    open_clip    open_clip's plain ViT, its weights renamed (`open_clip.py`)

The modules are those of `transformers`; of their code only what makes and fills them is used. Knows nothing of video.
"""

import copy
import math
from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from transformers import CLIPModel, MetaClip2Model, XCLIPModel

from openmov.errors import BackboneError
from openmov.model.backbones.base import ImageEncoder
from openmov.model.backbones.clip_text import CLIPTextEncoder
from openmov.model.backbones.clip_vision import CLIPImageEncoder
from openmov.model.backbones.contents import ModelContents, read_contents
from openmov.model.backbones.folder import resolve_folder
from openmov.model.backbones.preprocessing import Preprocessing, folder_identity, read_preprocessing
from openmov.model.backbones.pretrained import load_model, load_tokenizer, refuse_ids_beyond, shortened
from openmov.model.backbones.source import ModelSource

_TEXT_BATCH = 256
_XCLIP = "xclip"
_MODELS: dict[str, Any] = {"clip": CLIPModel, "metaclip_2": MetaClip2Model, _XCLIP: XCLIPModel}
_FAMILIES = {"clip": "CLIP", "metaclip_2": "MetaCLIP 2", _XCLIP: "X-CLIP"}
_HIGHEST_ID_POOLS = 2
"""A CLIP's text config with this `eos_token_id` makes transformers read the position of the highest token id; for
MetaCLIP 2 it is the id of the end."""


class CLIPBackbone:
    """Vision and text tower of one model of CLIP's shape; every property is as in `Backbone`."""

    prompts = "kinetics700"
    tau_x = 0.01
    """The paper's, as is tau_v; both for every CLIP, whatever its own temperature came to."""
    tau_v = 0.003
    suits_bf16 = True
    """Cosines of 0.9999 with single precision (ViT-B/16, pictures and spectrograms)."""
    source = ModelSource()

    def __init__(self, name: str, model: Any, tokenizer: Any, preprocessing: Preprocessing, identity: str) -> None:
        self._model: Any = model.eval().requires_grad_(False)
        self._tokenizer = tokenizer
        self._config: Any = model.config
        self.family = _FAMILIES[model.config.model_type]
        self.name = name
        self.identity = identity
        self.preprocessing = preprocessing
        self.mean, self.std = preprocessing.mean, preprocessing.std

    @classmethod
    def load(cls, name: str, contents: ModelContents | None = None) -> "CLIPBackbone":
        """In single precision whatever it is stored in; without `contents` the folder behind `name` is read.

        Raises BackboneError where it cannot be found, reached or used.
        """
        found = contents or read_contents(name, resolve_folder(name))
        if found.model_type not in _MODELS:
            raise BackboneError(name, f"holds a model of type {found.model_type!r}, not CLIP", "give a CLIP")
        if not found.has_vocabulary:
            raise BackboneError(name, "holds no tokenizer", "put the model's tokenizer.json beside its weights")
        preprocessing = read_preprocessing(name, found)
        identity = folder_identity(found, preprocessing)
        model = load_model(name, found, _MODELS[found.model_type])
        return cls(name, model, load_tokenizer(name, found.folder), preprocessing, identity)

    @property
    def dim(self) -> int:
        return int(self._config.projection_dim)

    @property
    def image_size(self) -> int:
        return int(self._config.vision_config.image_size)

    @property
    def patch_size(self) -> int:
        return int(self._config.vision_config.patch_size)

    @property
    def temperature(self) -> float:
        return math.exp(-float(self._model.logit_scale))

    @property
    def num_heads(self) -> int:
        """Those of the text tower, whose width is the joint space's in every released CLIP (512: 8, 768: 12)."""
        return math.gcd(self.dim, int(self._config.text_config.num_attention_heads))

    def fresh_model(self) -> Any:
        """A copy of the whole Hugging Face model, CLIPModel or XCLIPModel, every weight requiring gradient."""
        return copy.deepcopy(self._model).requires_grad_(True).eval()

    def image_encoder(self) -> ImageEncoder:
        """Raises BackboneError for an X-CLIP, whose frames look at each other."""
        if self._config.model_type == _XCLIP:
            what = "is an X-CLIP, which cannot embed a frame on its own"
            raise BackboneError(self.name, what, "take a CLIP, or model.method=xclip")
        vision, projection = copy.deepcopy((self._model.vision_model, self._model.visual_projection))
        return CLIPImageEncoder(vision, projection).requires_grad_(True).eval()

    def text_encoder(self) -> CLIPTextEncoder:
        """A fresh pretrained copy of the text tower in training precision, every weight requiring gradient."""
        return self.text_encoder_of(self.fresh_model())

    def text_encoder_of(self, model: Any) -> CLIPTextEncoder:
        """The text tower of a model that `fresh_model` gave, or of one with the same words; takes its modules over."""
        end = int(self._tokenizer.eos_token_id)
        return CLIPTextEncoder(self.name, model.text_model, model.text_projection, self._token_ids, end)

    @torch.no_grad()
    def embed_text(self, sentences: Sequence[str]) -> Float[Tensor, "sentences dim"]:
        """Text embeddings, not normalised; each is independent of the others it is embedded with.

        Raises BackboneError for words outside a closed vocabulary and for sentences longer than the text tower.
        """
        batches = [sentences[i : i + _TEXT_BATCH] for i in range(0, len(sentences), _TEXT_BATCH)]
        embedded = [self._embed_batch(batch) for batch in batches]
        return torch.cat(embedded) if embedded else torch.zeros(0, self.dim)

    def _token_ids(self, sentences: Sequence[str]) -> Int[Tensor, "sentences tokens"]:
        return self._tokens(sentences)[0]

    def _tokens(
        self, sentences: Sequence[str]
    ) -> tuple[Int[Tensor, "sentences tokens"], Int[Tensor, "sentences tokens"]]:
        """Ids, and which of them are no padding."""
        encoded = self._tokenizer(list(sentences), padding=True, return_tensors="pt", return_offsets_mapping=True)
        tokens, mask = encoded["input_ids"], encoded["attention_mask"]
        refuse_ids_beyond(self.name, tokens, int(self._config.text_config.vocab_size))
        self._refuse_unknown_words(sentences, tokens, encoded["offset_mapping"])
        self._refuse_long(sentences, mask)
        self._refuse_misplaced_end(tokens)
        return tokens, mask

    def _embed_batch(self, sentences: Sequence[str]) -> Float[Tensor, "sentences dim"]:
        tokens, mask = self._tokens(sentences)
        device = self._model.logit_scale.device
        pooled = self._model.text_model(input_ids=tokens.to(device), attention_mask=mask.to(device)).pooler_output
        projected: Tensor = self._model.text_projection(pooled)
        return projected

    def _refuse_unknown_words(
        self,
        sentences: Sequence[str],
        tokens: Int[Tensor, "sentences tokens"],
        spans: Int[Tensor, "sentences tokens 2"],
    ) -> None:
        unknown, end = self._tokenizer.unk_token_id, self._tokenizer.eos_token_id
        if unknown is None or unknown == end:  # an open vocabulary: byte-level, as in the released CLIPs
            return
        places = (tokens == unknown).nonzero().tolist()
        words = sorted({sentences[i][slice(*spans[i, j].tolist())] for i, j in places})
        if words:
            shown = ", ".join(repr(word) for word in words[:5]) + (" ..." if len(words) > 5 else "")
            raise BackboneError(self.name, f"does not know the words {shown}", "use words of its vocabulary")

    def _refuse_long(self, sentences: Sequence[str], mask: Int[Tensor, "sentences tokens"]) -> None:
        limit = int(self._config.text_config.max_position_embeddings)
        lengths = mask.sum(dim=1).tolist()
        for sentence, length in zip(sentences, lengths, strict=True):
            if length > limit:
                what = f"{shortened(sentence)!r} is {length} tokens long, {limit} at most fit"
                raise BackboneError(self.name, what, "shorten the class name")

    def _refuse_misplaced_end(self, tokens: Int[Tensor, "sentences tokens"]) -> None:
        """Where the network would read another token than the end of the sentence, every embedding is nonsense."""
        kind, pooled_id = self._config.model_type, int(self._config.text_config.eos_token_id)
        highest = kind == _XCLIP or (kind == "clip" and pooled_id == _HIGHEST_ID_POOLS)
        pooled = tokens.amax(dim=1) if highest else torch.full_like(tokens[:, 0], pooled_id)
        end = self._tokenizer.eos_token_id
        if end is None or not bool((pooled == end).all() and (tokens == end).any(dim=1).all()):
            raise BackboneError(
                self.name,
                "its tokenizer ends sentences with another token than the text tower reads",
                "set text_config.eos_token_id to the tokenizer's, and give that token the largest id",
            )
