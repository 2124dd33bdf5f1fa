"""Embeddings against class names: cosine similarity, and probability after softmax.

Always in single precision, under autocast too: at a temperature of 0.003 the rounding of bfloat16 would decide.
"""

import hashlib
import json
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from openmov.model.backbones.base import TextSide
from openmov.types import ClassEmbeddings


def class_similarity(
    embeddings: Float[Tensor, "batch dim"], classes: ClassEmbeddings
) -> Float[Tensor, "batch classes"]:
    """Cosine of every embedding with every class, in [-1, 1]; an embedding of zeros has similarity 0 to all."""
    with torch.autocast(embeddings.device.type, enabled=False):
        vectors = classes.vectors.to(embeddings.device, torch.float32)
        return F.normalize(embeddings.float(), dim=-1) @ vectors.T


def class_probabilities(
    embeddings: Float[Tensor, "batch dim"], classes: ClassEmbeddings, tau: float
) -> Float[Tensor, "batch classes"]:
    """softmax(cos / tau) over the classes: the form shared by equations 9-11."""
    return torch.softmax(class_similarity(embeddings, classes) / tau, dim=-1)


_VERSION = 1
"""Raise it when the same names would give other vectors: entries stored before are then left alone."""


def embed_classes(
    backbone: TextSide, names: Sequence[str], templates: Sequence[str], *, unit: bool = True
) -> ClassEmbeddings:
    """Unit vectors of `names` under `templates` (each with a place `{}` for the name).

    With `unit` False, the mean over templates of the text embeddings as they are: for towers that compare them so.
    Raises ValueError for templates without a place, BackboneError for words the backbone refuses.
    """
    if not templates or any("{}" not in template for template in templates):
        raise ValueError("every template needs a place {} for the class name, and there must be one")
    return ClassEmbeddings(tuple(names), _mean_over_templates(backbone, names, templates, unit=unit))


def text_identity(backbone: TextSide, templates: Sequence[str], *, unit: bool = True) -> str:
    """A hash of all that decides the vectors, but for the names."""
    kind = "classes" if unit else "classes as they are"
    facts = json.dumps([kind, _VERSION, backbone.identity, list(templates)], ensure_ascii=False)
    return hashlib.sha256(facts.encode()).hexdigest()


def _mean_over_templates(
    backbone: TextSide, names: Sequence[str], templates: Sequence[str], *, unit: bool
) -> Float[Tensor, "classes dim"]:
    sentences = [template.replace("{}", name) for name in names for template in templates]
    embedded = backbone.embed_text(sentences).float().cpu()
    shaped = (len(names), len(templates), backbone.dim)
    if not unit:
        return embedded.reshape(shaped).mean(dim=1)
    means = F.normalize(embedded, dim=-1).reshape(shaped).mean(dim=1)
    return F.normalize(means, dim=-1)
