"""Base and novel names together: base path and novel path, weighed by how likely the clip is of a base class.

    P(y) = g * base path(y)          y a base name       g: probability that the clip belongs to a base class
    P(y) = (1 - g) * novel path(y)   y a novel name

    g = the share of softmax(cos(v_m, all names) / tau) that falls on base names: v_m was trained to lie near the name
        of its clip among base names, and lies less near to any of them where the clip shows something else.

Instead of the paper's way (appendix C), in which every name goes down the novel path. g asks for no training and no
label; g = 1 is the base path, g = 0 the novel path. Pure functions; knows nothing of networks and files.
"""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from openmov.prediction.base_novel import NovelPath, base_probabilities, novel_probabilities
from openmov.text.vocabulary import Vocabulary
from openmov.types import ClassEmbeddings, JointEmbeddings

Generalised = Literal["novel", "weighed"]
"""How base and novel names together are answered: all down the novel path (appendix C), or as above."""


def parts_of(classes: ClassEmbeddings, vocabulary: Vocabulary) -> tuple[ClassEmbeddings, ClassEmbeddings]:
    """Base and novel names of a vocabulary, whose order `classes` has."""
    count = len(vocabulary.base)
    return classes.take(list(range(count))), classes.take(list(range(count, len(classes.names))))


def base_share(
    embeddings: JointEmbeddings, base: ClassEmbeddings, novel: ClassEmbeddings, tau: float
) -> Float[Tensor, "batch"]:
    """g: what the base path, asked for all names, gives to the base ones."""
    return base_probabilities(embeddings, base.followed_by(novel), tau)[:, : len(base.names)].sum(dim=-1)


def weighed(
    share: Float[Tensor, "batch"], base: Float[Tensor, "batch bases"], novel: Float[Tensor, "batch novels"]
) -> Float[Tensor, "batch classes"]:
    """Base names, then novel ones; rows sum to 1 where those of both paths do."""
    g = share[:, None]
    return torch.cat([g * base, (1 - g) * novel], dim=-1)


def weighed_probabilities(
    embeddings: JointEmbeddings, base: ClassEmbeddings, novel: ClassEmbeddings, tau: float, path: NovelPath
) -> Float[Tensor, "batch classes"]:
    """Both paths, weighed. Raises ValueError where a row has no modality at all."""
    return weighed(
        base_share(embeddings, base, novel, tau),
        base_probabilities(embeddings, base, tau),
        novel_probabilities(embeddings, novel, path),
    )
