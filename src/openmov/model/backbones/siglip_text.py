"""SigLIP's text tower as a network that trains: sentences, or learned words before class names, to the joint space.

    words, end, padding -> + positions -> transformer -> the last place -> norm -> projection

All places look at each other, the padding included. The weights and modules are Hugging Face's; the forward pass is
ours, so that words need not come from the vocabulary. Knows nothing of which names are base or novel.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from openmov.errors import BackboneError

Rows = Callable[[Sequence[str]], list[list[int]]]
"""Words and end of each sentence; raises BackboneError for words and lengths that are refused."""


class SigLIPTextEncoder(nn.Module):
    """(sentences) -> (sentences, dim), not normalised, with gradient. Takes over the module it is given."""

    text: Any

    def __init__(self, name: str, text: Any, rows: Rows, padding: int) -> None:
        super().__init__()
        self.text = text
        self._name, self._rows, self._padding = name, rows, padding

    @property
    def width(self) -> int:
        """Of a word's vector."""
        return int(self.text.embeddings.token_embedding.weight.shape[1])

    def forward(self, sentences: Sequence[str]) -> Float[Tensor, "sentences dim"]:
        """Raises BackboneError for words the tower does not know, and for sentences that are too long."""
        return self._encoded(self._embedded(self._rows(sentences), self._length))

    def words(self, text: str) -> Float[Tensor, "tokens width"]:
        """The vectors of some words, as they stand in a sentence without positions. Raises BackboneError."""
        found: Tensor = self._embedded([self._rows([text])[0][:-1]], None)[0]
        return found.detach()

    def with_context(self, context: Float[Tensor, "tokens width"], names: Sequence[str]) -> Float[Tensor, "names dim"]:
        """Sentences of learned words, then the name. Raises BackboneError where a name leaves no room for them."""
        rows, room = self._rows(names), self._length - len(context)
        longest = max((len(row) for row in rows), default=0)
        if longest > room:
            long = longest + len(context)
            what = f"takes {self._length} tokens, and the longest name is {long} long with its context"
            raise BackboneError(self._name, what, "shorten the class name, or lower baselines.context_tokens")
        embedded = self._embedded(rows, room)
        learned = context.to(embedded).expand(len(rows), -1, -1)
        return self._encoded(torch.cat([learned, embedded], dim=1))

    @property
    def _length(self) -> int:
        return int(self.text.embeddings.position_embedding.weight.shape[0])

    def _embedded(self, rows: Sequence[Sequence[int]], length: int | None) -> Float[Tensor, "sentences tokens width"]:
        """Vectors of ids, filled up with padding to `length` where there is one."""
        table = self.text.embeddings.token_embedding
        filled = [[*row, *[self._padding] * ((length or len(row)) - len(row))] for row in rows]
        ids: Int[Tensor, "sentences tokens"] = torch.tensor(filled, device=table.weight.device)
        embedded: Tensor = table(ids)
        return embedded

    def _encoded(self, words: Float[Tensor, "sentences tokens width"]) -> Float[Tensor, "sentences dim"]:
        hidden = self.text.embeddings(inputs_embeds=words)
        hidden = self.text.encoder(inputs_embeds=hidden, attention_mask=None).last_hidden_state
        embedded: Tensor = self.text.head(self.text.final_layer_norm(hidden[:, -1]))
        return embedded
