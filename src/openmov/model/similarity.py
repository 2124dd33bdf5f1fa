"""Embeddings against class names: cosine similarity, and probability after softmax.

Always in single precision, under autocast too: at a temperature of 0.003 the rounding of bfloat16 would decide.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

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
