"""all-MiniLM-L6-v2 (Reimers and Gurevych 2019; Wang et al. 2020): sentences to vectors of width 384.

    word + position + type -> norm -> 6 x (attention, norm, MLP, norm) -> mean over the words -> length 1

A BERT of 22 M weights. Its forward pass is written out here because importing the one of `transformers` takes longer
than everything else that `openmov predict` does before the first frame. Frozen; knows nothing of files or labels.
"""

from collections.abc import Iterator, Mapping, Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from tokenizers import Encoding, Tokenizer
from torch import Tensor

from openmov.errors import BackboneError

DIM = 384
MAX_TOKENS = 256
"""Longest sentence it was trained on, with the two tokens around it."""
CONTRASTIVE_TEMPERATURE = 0.05
"""Of its training: cosines times 20 went into the softmax (its `train_script.py`, `scale=20`)."""

_HEADS, _LAYERS = 12, 6
_NORM_EPSILON = 1e-12
_TOKENS_AT_A_TIME = 4096


class MiniLM:
    """Made from the tensors and the tokenizer of its release."""

    def __init__(self, name: str, weights: Mapping[str, Tensor], tokenizer: Tokenizer) -> None:
        """`name` is what errors call it."""
        self._name, self._weights, self._tokenizer = name, weights, tokenizer
        tokenizer.no_padding()
        tokenizer.no_truncation()

    @torch.no_grad()
    def embed(self, sentences: Sequence[str]) -> Float[Tensor, "sentences 384"]:
        """Unit vectors, each independent of the sentences beside it.

        Raises BackboneError for words it has no letters for, and for sentences longer than it was trained on.
        """
        encoded = self._tokenizer.encode_batch(list(sentences))
        self._refuse_unknown(sentences, encoded)
        rows = [encoding.ids for encoding in encoded]
        self._refuse_long(sentences, rows)
        vectors = torch.empty(len(rows), DIM)
        for batch in _of_like_length(rows):
            vectors[batch] = self._embed_tokens(*_padded([rows[i] for i in batch]))
        return vectors

    def _refuse_unknown(self, sentences: Sequence[str], encoded: Sequence[Encoding]) -> None:
        unknown = self._tokenizer.token_to_id("[UNK]")
        words = sorted(
            {
                sentence[slice(*span)]
                for sentence, encoding in zip(sentences, encoded, strict=True)
                for token, span in zip(encoding.ids, encoding.offsets, strict=True)
                if token == unknown
            }
        )
        if words:
            shown = ", ".join(repr(word) for word in words[:5]) + (" ..." if len(words) > 5 else "")
            raise BackboneError(self._name, f"cannot spell {shown}", "use letters")

    def _refuse_long(self, sentences: Sequence[str], rows: Sequence[list[int]]) -> None:
        for sentence, row in zip(sentences, rows, strict=True):
            if len(row) > MAX_TOKENS:
                start = sentence if len(sentence) <= 60 else f"{sentence[:57]}..."
                what = f"{start!r} is {len(row)} tokens long, {MAX_TOKENS} at most fit"
                raise BackboneError(self._name, what, "shorten the class name")

    def _embed_tokens(
        self, tokens: Int[Tensor, "sentences tokens"], mask: Bool[Tensor, "sentences tokens"]
    ) -> Float[Tensor, "sentences 384"]:
        weights = self._weights
        words = weights["embeddings.word_embeddings.weight"][tokens]
        places = weights["embeddings.position_embeddings.weight"][: tokens.shape[1]]
        hidden = self._norm("embeddings", words + places + weights["embeddings.token_type_embeddings.weight"][0])
        for layer in range(_LAYERS):
            hidden = self._layer(f"encoder.layer.{layer}", hidden, mask)
        kept = mask[..., None].to(hidden.dtype)
        return F.normalize((hidden * kept).sum(dim=1) / kept.sum(dim=1), dim=-1)

    def _layer(
        self, name: str, hidden: Float[Tensor, "sentences tokens 384"], mask: Bool[Tensor, "sentences tokens"]
    ) -> Float[Tensor, "sentences tokens 384"]:
        parts = (self._linear(f"{name}.attention.self.{part}", hidden) for part in ("query", "key", "value"))
        query, key, value = (part.reshape(*part.shape[:2], _HEADS, -1).transpose(1, 2) for part in parts)
        attended = F.scaled_dot_product_attention(query, key, value, attn_mask=mask[:, None, None])
        attended = self._linear(f"{name}.attention.output.dense", attended.transpose(1, 2).flatten(2))
        hidden = self._norm(f"{name}.attention.output", hidden + attended)
        wide = F.gelu(self._linear(f"{name}.intermediate.dense", hidden))
        return self._norm(f"{name}.output", hidden + self._linear(f"{name}.output.dense", wide))

    def _linear(self, name: str, x: Float[Tensor, "*any inputs"]) -> Float[Tensor, "*any outputs"]:
        return F.linear(x, self._weights[f"{name}.weight"], self._weights[f"{name}.bias"])

    def _norm(self, name: str, x: Float[Tensor, "*any 384"]) -> Float[Tensor, "*any 384"]:
        scale, shift = (self._weights[f"{name}.LayerNorm.{part}"] for part in ("weight", "bias"))
        return F.layer_norm(x, (DIM,), scale, shift, _NORM_EPSILON)


def _of_like_length(rows: Sequence[list[int]]) -> Iterator[list[int]]:
    """Positions of rows in batches of some thousand tokens, shortest first: little is spent on padding."""
    batch: list[int] = []
    for position in sorted(range(len(rows)), key=lambda i: len(rows[i])):
        if batch and (len(batch) + 1) * len(rows[position]) > _TOKENS_AT_A_TIME:
            yield batch
            batch = []
        batch.append(position)
    if batch:
        yield batch


def _padded(rows: Sequence[list[int]]) -> tuple[Int[Tensor, "sentences tokens"], Bool[Tensor, "sentences tokens"]]:
    longest = max(map(len, rows))
    tokens = torch.tensor([row + [0] * (longest - len(row)) for row in rows])
    lengths = torch.tensor([len(row) for row in rows])
    return tokens, torch.arange(longest) < lengths[:, None]
