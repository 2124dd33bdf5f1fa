"""CLIP's text tower as a network that trains: sentences, or learned words before class names, to the joint space.

    words -> + positions -> causal transformer -> the sentence's end -> norm -> projection

The weights and modules are Hugging Face's; the forward pass is ours, so that words need not come from the vocabulary.
Knows nothing of which names are base or novel.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from openmov.errors import BackboneError

Tokenise = Callable[[Sequence[str]], Int[Tensor, "sentences tokens"]]
"""Start, words, end and padding; raises BackboneError for words and lengths that are refused."""

_LEARNED = -1
"""Stands where a learned word stands: no id of the vocabulary."""


class CLIPTextEncoder(nn.Module):
    """(sentences) -> (sentences, dim), not normalised, with gradient. Takes over the modules it is given."""

    text: Any
    projection: nn.Module

    def __init__(self, name: str, text: Any, projection: nn.Module, tokenise: Tokenise, end: int) -> None:
        super().__init__()
        self.text = text
        self.projection = projection
        self._name, self._tokenise, self._end = name, tokenise, end

    @property
    def width(self) -> int:
        """Of a word's vector."""
        return int(self.text.embeddings.token_embedding.weight.shape[1])

    def forward(self, sentences: Sequence[str]) -> Float[Tensor, "sentences dim"]:
        """Raises BackboneError for words the tower does not know, and for sentences that are too long."""
        ids = self._ids(sentences)
        return self._encoded(self.text.embeddings.token_embedding(ids), ids)

    def words(self, text: str) -> Float[Tensor, "tokens width"]:
        """The vectors of some words, as they stand in a sentence without positions. Raises BackboneError."""
        found: Tensor = self.text.embeddings.token_embedding(self._ids([text])[0, 1:-1])
        return found.detach()

    def with_context(self, context: Float[Tensor, "tokens width"], names: Sequence[str]) -> Float[Tensor, "names dim"]:
        """Sentences of learned words, then the name. Raises BackboneError where a name leaves no room for them."""
        ids = self._ids(names)
        embedded = self.text.embeddings.token_embedding(ids)
        learned = context.to(embedded).expand(len(ids), -1, -1)
        words = torch.cat([embedded[:, :1], learned, embedded[:, 1:]], dim=1)
        marks = ids.new_full((len(ids), len(context)), _LEARNED)
        return self._encoded(words, torch.cat([ids[:, :1], marks, ids[:, 1:]], dim=1))

    def _ids(self, sentences: Sequence[str]) -> Int[Tensor, "sentences tokens"]:
        return self._tokenise(sentences).to(self.text.embeddings.token_embedding.weight.device)

    def _encoded(
        self, words: Float[Tensor, "sentences tokens width"], ids: Int[Tensor, "sentences tokens"]
    ) -> Float[Tensor, "sentences dim"]:
        length, limit = words.shape[1], int(self.text.embeddings.position_embedding.weight.shape[0])
        if length > limit:
            what = f"takes {limit} tokens, and the longest name is {length} long with its context"
            raise BackboneError(self._name, what, "shorten the class name, or lower baselines.context_tokens")
        # What stands behind a sentence's end is not seen by it: padding needs no mask of its own.
        causal = words.new_full((length, length), float("-inf")).triu(1)[None, None]
        hidden = self.text.embeddings(inputs_embeds=words)
        hidden = self.text.encoder(inputs_embeds=hidden, attention_mask=causal).last_hidden_state
        ends = (ids == self._end).int().argmax(dim=1)
        pooled = self.text.final_layer_norm(hidden)[torch.arange(len(ids), device=ids.device), ends]
        embedded: Tensor = self.projection(pooled)
        return embedded
