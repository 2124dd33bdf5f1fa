"""CLIP (Radford et al. 2021) from Hugging Face `transformers`, as a Backbone.

Loads safetensors only, runs no code of the hub, and needs no image processor. Knows nothing of video.
"""

import copy
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from transformers import AutoTokenizer, CLIPModel, XCLIPModel
from transformers.utils import logging

from openmov.errors import BackboneError
from openmov.model.backbones.base import ImageEncoder
from openmov.model.backbones.clip_text import CLIPTextEncoder
from openmov.model.backbones.clip_vision import CLIPImageEncoder
from openmov.model.backbones.folder import (
    Preprocessing,
    folder_identity,
    read_clip_config,
    read_preprocessing,
    resolve_folder,
)

_TEXT_BATCH = 256
_XCLIP = "xclip"
_HIGHEST_ID_POOLS = 2
"""A text config with this `eos_token_id` makes transformers read the position of the highest token id."""


class CLIPBackbone:
    """Vision and text tower of one CLIP, or of an X-CLIP for its own method; every property is as in `Backbone`."""

    prompts = "kinetics700"
    tau_x = 0.01
    """The paper's, as is tau_v; both for every CLIP, whatever its own temperature came to."""
    tau_v = 0.003
    suits_bf16 = True
    """Cosines of 0.9999 with single precision (ViT-B/16, pictures and spectrograms)."""

    def __init__(self, name: str, model: Any, tokenizer: Any, preprocessing: Preprocessing, identity: str) -> None:
        self._model: Any = model.eval().requires_grad_(False)
        self._tokenizer = tokenizer
        self._config: Any = model.config
        self.family = "X-CLIP" if model.config.model_type == _XCLIP else "CLIP"
        self.name = name
        self.identity = identity
        self.mean = preprocessing.mean
        self.std = preprocessing.std

    @classmethod
    def load(cls, name: str, revision: str | None = None) -> "CLIPBackbone":
        """A CLIP by bundled name, local folder or hub name, in single precision whatever it is stored in.

        Raises BackboneError where it cannot be found, reached or used.
        """
        folder = resolve_folder(name, revision)
        config = read_clip_config(name, folder)
        preprocessing = read_preprocessing(name, folder)
        identity = folder_identity(name, folder, config, preprocessing)
        return cls(
            name,
            _load_model(name, folder, config["model_type"]),
            _load_tokenizer(name, folder),
            preprocessing,
            identity,
        )

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
        if self.family != "CLIP":
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
                start = sentence if len(sentence) <= 60 else f"{sentence[:57]}..."
                raise BackboneError(
                    self.name, f"{start!r} is {length} tokens long, {limit} at most fit", "shorten the class name"
                )

    def _refuse_misplaced_end(self, tokens: Int[Tensor, "sentences tokens"]) -> None:
        """Where the network would read another token than the end of the sentence, every embedding is nonsense."""
        pooled_id = _HIGHEST_ID_POOLS if self.family == "X-CLIP" else int(self._config.text_config.eos_token_id)
        pooled = tokens.amax(dim=1) if pooled_id == _HIGHEST_ID_POOLS else torch.full_like(tokens[:, 0], pooled_id)
        end = self._tokenizer.eos_token_id
        if end is None or not bool((pooled == end).all() and (tokens == end).any(dim=1).all()):
            raise BackboneError(
                self.name,
                "its tokenizer ends sentences with another token than the text tower reads",
                "set text_config.eos_token_id to the tokenizer's, and give that token the largest id",
            )


def _load_model(name: str, folder: Path, kind: str) -> Any:
    with _quiet():
        try:
            model, report = (XCLIPModel if kind == _XCLIP else CLIPModel).from_pretrained(
                folder,
                dtype=torch.float32,
                use_safetensors=True,
                local_files_only=True,
                output_loading_info=True,
            )
        except (OSError, ValueError, RuntimeError) as error:
            raise BackboneError(name, "its weights do not fit its config.json", "fetch the model again") from error
    if report["missing_keys"]:
        missing = ", ".join(sorted(report["missing_keys"])[:3])
        raise BackboneError(name, f"its weights are incomplete ({missing} ...)", "fetch the model again")
    return model


def _load_tokenizer(name: str, folder: Path) -> Any:
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError) as error:
        raise BackboneError(name, "its tokenizer cannot be loaded", "fetch the model again") from error
    tokenizer.padding_side = "right"  # the text tower is causal: what stands behind the end cannot matter
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


@contextmanager
def _quiet() -> Iterator[None]:
    """Keeps transformers' progress bar and load report off the terminal: faults are raised, not printed."""
    bar, verbosity = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bar:
            logging.enable_progress_bar()
