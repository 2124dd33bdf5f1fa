"""Methods that train their own text side: what a network must offer beside embeddings, and the rule it answers by.

    training   class names, with gradient, by one template a micro-batch --similarity--> a loss a clip
    answers    class names, all templates ----------------------------- --similarity--> softmax(. / tau)

The text side meets a vocabulary, whatever its roles: which names it is given is decided by whoever trains or asks.
The temperature stays the backbone's own (docs/decisions/0023).
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from openmov.baselines.finetuned import FineTuned
from openmov.errors import RecipeError
from openmov.model.backbones import Backbone
from openmov.model.backbones.base import TextEncoder, TrainableText
from openmov.model.class_embeddings import class_similarity
from openmov.model.trained import NetworkParts
from openmov.text.prompts import fill, load_prompts
from openmov.text.vocabulary import Vocabulary
from openmov.types import ClassEmbeddings, JointEmbeddings, Modality

_SENTENCES = 512
"""Embedded at a time where no gradient is needed."""


@runtime_checkable
class TextHead(Protocol):
    """An nn.Module from clips to embeddings that sees class names in a way of its own."""

    def classes(self, vocabulary: Vocabulary, clips: Sequence[str] = ()) -> ClassEmbeddings:
        """The names as this network sees them; for training, with gradient, the ids of a micro-batch's `clips`.

        Raises BackboneError for words it refuses, VocabularyError for prompts that are none.
        """
        ...

    def probabilities(
        self, embeddings: JointEmbeddings, classes: ClassEmbeddings, tau: float
    ) -> Float[Tensor, "rows classes"]:
        """softmax over the names, at temperature `tau`."""
        ...

    def losses(
        self, embeddings: JointEmbeddings, classes: ClassEmbeddings, targets: Int[Tensor, "rows"], tau: float
    ) -> Float[Tensor, "rows"]:
        """One loss a clip; `targets` are places in the names."""
        ...


class BySimilarity:
    """The softmax of a similarity, and its cross-entropy: how every network answers that has one."""

    def similarity(self, embeddings: JointEmbeddings, classes: ClassEmbeddings) -> Float[Tensor, "rows classes"]:
        """Cosine of every clip with every name."""
        raise NotImplementedError

    def probabilities(
        self, embeddings: JointEmbeddings, classes: ClassEmbeddings, tau: float
    ) -> Float[Tensor, "rows classes"]:
        return torch.softmax(self.similarity(embeddings, classes) / tau, dim=-1)

    def losses(
        self, embeddings: JointEmbeddings, classes: ClassEmbeddings, targets: Int[Tensor, "rows"], tau: float
    ) -> Float[Tensor, "rows"]:
        return F.cross_entropy(self.similarity(embeddings, classes) / tau, targets, reduction="none")


class TextHeadModel(BySimilarity, FineTuned):
    """Cosine similarity and cross-entropy; a subclass says what its class names and its embeddings are."""

    def classes(self, vocabulary: Vocabulary, clips: Sequence[str] = ()) -> ClassEmbeddings:
        raise NotImplementedError

    def similarity(self, embeddings: JointEmbeddings, classes: ClassEmbeddings) -> Float[Tensor, "rows classes"]:
        """Cosine of every clip with every name."""
        return class_similarity(embeddings.fused[Modality.VIDEO], classes)


class TrainedNames(nn.Module):
    """A text tower that trains, with templates: those of `baselines.prompts`, or else of the vocabulary.

    In training one template serves a micro-batch, chosen by its clips' ids, so that a resumed run chooses alike;
    answers take the mean over all, as the frozen text side does.
    """

    def __init__(self, encoder: nn.Module, prompts: str | None, *, keeps_templates: bool = False) -> None:
        super().__init__()
        self.encoder = encoder
        self.prompts = prompts
        self.keeps_templates = keeps_templates

    def forward(self, vocabulary: Vocabulary, clips: Sequence[str] = ()) -> ClassEmbeddings:
        templates = load_prompts(self.prompts or vocabulary.prompts)
        if clips:
            embedded = self.encoder(fill_all(vocabulary.names, (templates[drawn(clips, len(templates))],)))[None]
        else:
            with torch.no_grad():
                embedded = torch.stack([self._answering(fill_all(vocabulary.names, (one,))) for one in templates])
        vectors = F.normalize(F.normalize(embedded, dim=-1).mean(dim=0), dim=-1)
        return ClassEmbeddings(vocabulary.names, vectors, embedded if self.keeps_templates else None)

    def _answering(self, sentences: Sequence[str]) -> Float[Tensor, "sentences dim"]:
        pieces = [sentences[start : start + _SENTENCES] for start in range(0, len(sentences), _SENTENCES)]
        return torch.cat([self.encoder(piece) for piece in pieces])


@dataclass(frozen=True)
class TextHeadRule:
    """softmax(similarity / tau) of a network's own making, the same for base and for novel names."""

    network: TextHead = field(repr=False)
    """With its trained weights."""
    tau: float
    """The temperature of training."""

    @torch.no_grad()
    def __call__(
        self, embeddings: JointEmbeddings, classes: ClassEmbeddings, vocabulary: Vocabulary
    ) -> Float[Tensor, "rows classes"]:
        """Rows of probabilities; uniform for a clip without the modality, about which the method can say nothing."""
        (present,) = embeddings.present.values()
        assert isinstance(self.network, nn.Module)
        device = next(self.network.parameters()).device
        rows = self.network.probabilities(embeddings.to(device), classes.to(device), self.tau).to(present.device)
        return torch.where(present[:, None], rows, torch.full_like(rows, 1 / rows.shape[-1]))


def fill_all(names: Sequence[str], templates: tuple[str, ...]) -> list[str]:
    """Every name in every template, names first."""
    return [sentence for name in names for sentence in fill(templates, name)]


def drawn(clips: Sequence[str], count: int) -> int:
    """A number below `count` that follows from the clips alone: the same on every machine and after a resumption."""
    digest = hashlib.blake2b("\0".join(clips).encode(errors="surrogateescape"), digest_size=8).digest()
    return int.from_bytes(digest, "big") % count


def text_encoder(parts: NetworkParts) -> nn.Module:
    """The backbone's text tower, to be trained. Raises RecipeError where it has none that can be."""
    backbone: Backbone = parts.backbone
    if not isinstance(backbone, TrainableText):
        method = parts.recipe.model.method
        what = f"{method} works on the text tower of CLIP, and the backbone {backbone.name} has none that trains"
        raise RecipeError("model.method", what, "take a CLIP as backbone.name, or the method clip_adapter")
    encoder = backbone.text_encoder()
    assert isinstance(encoder, TextEncoder)
    return encoder
