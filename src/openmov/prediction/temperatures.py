"""tau_v without labels: the temperature at which the frozen video is, on average, as sure as the extra modalities.

    mean entropy of D_v(tau_v)  =  mean entropy of D_x(tau_x)        over clips and the names of one list

The paper found tau_v = 0.003 by hand and says that the two then agree (table 8). The clips are of base classes but not
of the training set, where D_x is surer than it will ever be again. The entropy of a softmax grows with its temperature
(strictly, unless all names are equally near), so there is one such tau_v, found by halving.
No label is looked at; knows nothing of networks and files.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from openmov.model.similarity import class_probabilities, class_similarity
from openmov.types import ClassEmbeddings, JointEmbeddings, Modality

TAU_RANGE = (1e-5, 10.0)
"""tau_v is looked for between these; where it would lie outside, the nearer end is taken."""
_HALVINGS = 60


def mean_entropy(probabilities: Float[Tensor, "rows classes"]) -> float:
    """In nats: 0 for certainty, log(classes) for a uniform answer. Raises ValueError without a row."""
    if not len(probabilities):
        raise ValueError("no row to take the entropy of")
    rows = probabilities.double()
    return float(torch.special.entr(rows).sum(dim=-1).mean())


def extra_entropy(embeddings: JointEmbeddings, classes: ClassEmbeddings, tau_x: float) -> float:
    """Mean entropy of D_x over all rows and extra modalities that are there. Raises ValueError where none is."""
    answers = [
        class_probabilities(rows[embeddings.present[modality]], classes, tau_x)
        for modality, rows in embeddings.fused.items()
        if modality is not Modality.VIDEO
    ]
    if not sum(map(len, answers)):
        raise ValueError("no clip has flow or sound, so there is nothing to match the video to")
    return mean_entropy(torch.cat(answers))


def matched_tau_v(embeddings: JointEmbeddings, classes: ClassEmbeddings, tau_x: float) -> float:
    """The tau_v at which the frozen video has the entropy of the extras. Raises ValueError where either is missing."""
    if embeddings.frozen is None or not bool(embeddings.present[Modality.VIDEO].any()):
        raise ValueError("no clip has a frozen video, whose temperature is asked for")
    wanted = extra_entropy(embeddings, classes, tau_x)
    similarity = class_similarity(embeddings.frozen[embeddings.present[Modality.VIDEO]], classes).double()
    low, high = map(math.log, TAU_RANGE)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if mean_entropy(torch.softmax(similarity / math.exp(middle), dim=-1)) < wanted:
            low = middle
        else:
            high = middle
    return math.exp((low + high) / 2)
