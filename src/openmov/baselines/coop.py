"""CoOp (Zhou et al. 2022): learned words before the class name, everything of CLIP frozen.

    [start] w_1 ... w_16 NAME [end] --text tower (frozen)--> class vector        clip: frame average

The words are shared by all classes and drawn from N(0, 0.02), or start as those of `baselines.context_init`.
Knows nothing of files.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import nn

from openmov.baselines.text_head import TextHeadModel, text_encoder
from openmov.model.backbones.base import TextEncoder
from openmov.model.trained import NetworkParts
from openmov.text.vocabulary import Vocabulary
from openmov.types import ClassEmbeddings

_STD = 0.02
_NAMES = 512
"""Embedded at a time where no gradient is needed."""


class CoOp(TextHeadModel):
    """`coop`. Raises RecipeError for a backbone without a text tower, BackboneError for words it does not know."""

    def __init__(self, parts: NetworkParts) -> None:
        super().__init__(parts)
        self.text = text_encoder(parts).requires_grad_(False).eval()
        assert isinstance(self.text, TextEncoder)
        chosen = parts.recipe.baselines
        if chosen.context_init is not None:
            start = self.text.words(chosen.context_init).clone()
        else:
            start = torch.randn(chosen.context_tokens, self.text.width) * _STD
        self.context = nn.Parameter(start.contiguous())

    def classes(self, vocabulary: Vocabulary, clips: Sequence[str] = ()) -> ClassEmbeddings:
        """The same words in training and in answers; templates have no part in it."""
        assert isinstance(self.text, TextEncoder)
        names = vocabulary.names
        size = len(names) if clips else _NAMES
        with torch.set_grad_enabled(bool(clips)):
            parts = [self.text.with_context(self.context, names[i : i + size]) for i in range(0, len(names), size)]
            return ClassEmbeddings(names, F.normalize(torch.cat(parts), dim=-1))
