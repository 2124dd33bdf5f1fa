"""Base path and novel path: from a network's embeddings to probabilities (equations 10-12).

    base     softmax(cos(v_m, B) / tau)
    novel    beta * softmax(cos(x_m, N) / tau_x) + (1 - beta) * softmax(cos(v, N) / tau_v)

v is the frozen video's frame average. With several extra modalities each has weight beta / |X|. A modality that a row
lacks passes its weight to the other extras, or to the video if none is left; without the video the extras share all.
A network that gives no frozen video (one modality on its own) answers both paths with what it has.
Pure functions; knows nothing of networks, files or which names are novel.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from openmov.model.class_embeddings import class_probabilities
from openmov.text.vocabulary import Vocabulary
from openmov.types import ClassEmbeddings, JointEmbeddings, Modality, extra_modalities


@dataclass(frozen=True)
class NovelPath:
    """The numbers of equations 11 and 12; the defaults are the paper's, for CLIP."""

    beta: float = 0.25
    """Weight of the extra modalities."""
    tau_x: float = 0.01
    """Their temperature."""
    tau_v: float = 0.003
    """Temperature of the frozen video."""


def base_probabilities(
    embeddings: JointEmbeddings, classes: ClassEmbeddings, tau: float
) -> Float[Tensor, "batch classes"]:
    """Equation 10: v_m answers; in rows without video, the mean of the extras' probabilities.

    Raises ValueError where a row has no modality at all.
    """
    answers = {m: class_probabilities(x, classes, tau) for m, x in embeddings.fused.items()}
    return _mixture(answers, path_weights(embeddings.present, beta=0.0))


def novel_probabilities(
    embeddings: JointEmbeddings, classes: ClassEmbeddings, path: NovelPath
) -> Float[Tensor, "batch classes"]:
    """Equations 11 and 12: frozen video and the extras' x_m, mixed.

    Without `frozen`, the trained video embedding takes its place, at the temperature of trained embeddings (tau_x).
    Raises ValueError where a row has no modality at all.
    """
    answers = {m: class_probabilities(x, classes, path.tau_x) for m, x in embeddings.fused.items()}
    if embeddings.frozen is not None:
        answers[Modality.VIDEO] = class_probabilities(embeddings.frozen, classes, path.tau_v)
    return _mixture(answers, path_weights(embeddings.present, path.beta))


def path_weights(
    present: Mapping[Modality, Bool[Tensor, "batch"]], beta: float
) -> dict[Modality, Float[Tensor, "batch"]]:
    """Weight of each modality in each row: 1 - beta for the video, beta / |X| for each extra present; 0 if absent.

    They sum to 1 in every row. Raises ValueError where a row has no modality at all.
    """
    if not present or not bool(torch.stack(list(present.values())).any(dim=0).all()):
        raise ValueError("a clip without any of the model's modalities cannot be classified")
    some = next(iter(present.values()))
    video = present.get(Modality.VIDEO, torch.zeros_like(some)).double()
    extras = {m: present[m].double() for m in extra_modalities() if m in present}
    count = torch.stack([torch.zeros_like(video), *extras.values()]).sum(dim=0)
    # What the extras share: beta beside a video, everything without one, nothing where there are none.
    shared = torch.where(video > 0, beta, 1.0) * (count > 0)
    weights = {m: has * shared / count.clamp(min=1) for m, has in extras.items()}
    if Modality.VIDEO in present:
        weights[Modality.VIDEO] = video * (1 - shared)
    return {m: weights[m].float() for m in Modality if m in weights}


def average_views(probabilities: Float[Tensor, "rows classes"], views: int) -> Float[Tensor, "batch classes"]:
    """Mean over the `views` rows of each video, which stand next to each other."""
    return probabilities.reshape(-1, views, probabilities.shape[1]).mean(dim=1)


def _mixture(
    answers: Mapping[Modality, Float[Tensor, "batch classes"]], weights: Mapping[Modality, Float[Tensor, "batch"]]
) -> Float[Tensor, "batch classes"]:
    # An absent row may hold anything, NaN too, and 0 * NaN is NaN.
    parts = [torch.where(w[:, None] > 0, w[:, None] * answers[m], 0.0) for m, w in weights.items()]
    return torch.stack(parts).sum(dim=0)


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
