"""Class names in the joint space: every template's embedding normalised, their mean, normalised again.

Knows nothing of which classes are base or novel, and nothing of where the templates come from.
"""

import hashlib
import json
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from openmov.model.backbones.base import TextSide
from openmov.types import ClassEmbeddings

_VERSION = 1
"""Raise it when the same names would give other vectors: old cache entries are then left alone."""


@runtime_checkable
class ArrayCache(Protocol):
    """Arrays kept by key; an entry exists if and only if it is complete."""

    def load(self, key: str) -> np.ndarray | None:
        """The array, or None."""
        ...

    def store(self, key: str, array: np.ndarray) -> object:
        """Keeps the array."""
        ...


def embed_classes(
    backbone: TextSide,
    names: Sequence[str],
    templates: Sequence[str],
    cache: ArrayCache | None = None,
    *,
    unit: bool = True,
) -> ClassEmbeddings:
    """Unit vectors of `names` under `templates` (each with a place `{}` for the name), through the cache if given.

    With `unit` False, the mean over templates of the text embeddings as they are: for towers that compare them so.
    Raises ValueError for templates without a place, BackboneError for words the backbone refuses.
    """
    if not templates or any("{}" not in template for template in templates):
        raise ValueError("every template needs a place {} for the class name, and there must be one")
    key = cache_key(backbone, names, templates, unit=unit)
    stored = cache.load(key) if cache is not None else None
    if stored is not None and stored.shape == (len(names), backbone.dim):
        return ClassEmbeddings(tuple(names), torch.from_numpy(np.ascontiguousarray(stored, dtype=np.float32)))
    vectors = _mean_over_templates(backbone, names, templates, unit=unit)
    if cache is not None:
        cache.store(key, vectors.numpy())
    return ClassEmbeddings(tuple(names), vectors)


def cache_key(backbone: TextSide, names: Sequence[str], templates: Sequence[str], *, unit: bool = True) -> str:
    """A hash of all that decides the vectors."""
    kind = "classes" if unit else "classes as they are"
    facts = json.dumps([kind, _VERSION, backbone.identity, list(names), list(templates)], ensure_ascii=False)
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
