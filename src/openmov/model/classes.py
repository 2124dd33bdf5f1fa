"""Class names in the joint space: every template's embedding normalised, their mean, normalised again.

Knows nothing of which classes are base or novel, and nothing of where the templates come from.
"""

import hashlib
import json
from collections.abc import Sequence

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from openmov.model.backbones.base import TextSide
from openmov.types import ClassEmbeddings

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
