"""Equation 9: how far the fused embeddings are from the base class of each clip.

    alpha * CE(cos(v_m, B) / tau, y)  +  (1 - alpha) / |X| * CE(cos(x_m, B) / tau, y)   for each extra modality x

Built from base class embeddings alone, it cannot see a novel name. Knows nothing of networks, files or optimisers.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional

from openmov.errors import ManifestError, VocabularyError
from openmov.types import ClassEmbeddings, JointEmbeddings, Modality, extra_modalities


@dataclass(frozen=True)
class Loss:
    """The loss of some clips, as sums, so that parts of a batch add up to exactly the whole."""

    per_clip: Float[Tensor, "batch"] = field(repr=False)
    """Equation 9 for each clip; 0 for a clip with no modality at all. Carries the gradient."""
    count: int
    """Clips with at least one modality."""
    sums: Mapping[Modality, float]
    """Cross-entropy of each modality, unweighted, summed over the clips that have it."""
    counts: Mapping[Modality, int]
    """How many clips have it."""

    @property
    def total(self) -> Float[Tensor, ""]:
        """Sum over clips; divide by the number of clips of the whole batch."""
        return self.per_clip.sum()


@runtime_checkable
class Objective(Protocol):
    """What the loop minimises."""

    def __call__(
        self, embeddings: JointEmbeddings, labels: Sequence[str | None], video_ids: Sequence[str] = ()
    ) -> Loss:
        """One row of `embeddings` a label; `video_ids` serve the error messages."""
        ...


class BaseObjective:
    """Equation 9 over the base classes."""

    def __init__(self, classes: ClassEmbeddings, alpha: float, tau: float) -> None:
        """`alpha` in [0, 1] weighs the video, `tau` > 0 is the temperature. Raises ValueError."""
        if not 0 <= alpha <= 1 or not tau > 0:
            raise ValueError(f"alpha is {alpha} and tau {tau}: alpha lies in [0, 1], tau above 0")
        self.alpha = alpha
        self.tau = tau
        self._index = {name: row for row, name in enumerate(classes.names)}
        self._vectors = classes.vectors.detach()

    def __call__(
        self, embeddings: JointEmbeddings, labels: Sequence[str | None], video_ids: Sequence[str] = ()
    ) -> Loss:
        """Loss of clips with one view each. Rows of an absent modality are never touched, whatever they hold.

        Raises VocabularyError for a label that is not a base class and ManifestError for a missing one.
        """
        fused = {modality: embeddings.fused[modality] for modality in Modality if modality in embeddings.fused}
        present = {modality: embeddings.present[modality] for modality in fused}
        targets = torch.tensor(base_targets(self._index, labels, video_ids))
        weights = modality_weights(present, self.alpha)
        per_clip = torch.zeros(len(labels))
        sums: dict[Modality, float] = {}
        for modality, vectors in fused.items():
            assert vectors.shape[0] == len(labels), "training takes one view a clip"
            rows = present[modality].nonzero().squeeze(1)
            entropy = self._cross_entropy(vectors[rows], targets.to(vectors.device)[rows])
            per_clip = per_clip.to(entropy).index_add(0, rows, weights[modality][rows].to(entropy.dtype) * entropy)
            sums[modality] = float(entropy.detach().sum())
        return Loss(
            per_clip,
            count=int(torch.stack(list(present.values())).any(0).sum()),
            sums=sums,
            counts={modality: int(mask.sum()) for modality, mask in present.items()},
        )

    def _cross_entropy(self, vectors: Float[Tensor, "rows dim"], targets: torch.Tensor) -> Float[Tensor, "rows"]:
        vectors = vectors.to(torch.promote_types(vectors.dtype, torch.float32))  # a bfloat16 loss is too coarse
        self._vectors = self._vectors.to(vectors)
        similarity = functional.normalize(vectors, dim=-1) @ self._vectors.T
        return functional.cross_entropy(similarity / self.tau, targets, reduction="none")


def base_targets(index: Mapping[str, int], labels: Sequence[str | None], video_ids: Sequence[str]) -> list[int]:
    """Places of labels among the base classes. Raises VocabularyError for one that is none, ManifestError for none."""
    for row, label in enumerate(labels):
        where = video_ids[row] if video_ids else f"clip {row} of the batch"
        if label is None:
            raise ManifestError(where, "has no label", "give it one, or drop it from the training split")
        if label not in index:
            what = f"its label {label!r} is not among the {len(index)} base classes"
            raise VocabularyError(where, what, "train on base classes only, or make it one of them")
    return [index[label] for label in labels if label is not None]


def modality_weights(
    present: Mapping[Modality, Bool[Tensor, "batch"]], alpha: float
) -> dict[Modality, Float[Tensor, "batch"]]:
    """What each modality of each clip weighs in equation 9; a clip's weights sum to 1, or to 0 if it has nothing.

    alpha for the video and the rest in equal parts for the extras the clip has; the weight of a missing extra goes to
    the other extras, or to the video if none is left, and that of a missing video to the extras.
    """
    masks = {modality: mask.float() for modality, mask in present.items()}
    none = torch.zeros_like(next(iter(masks.values())))
    video = masks.get(Modality.VIDEO, none)
    extras = sum((masks[modality] for modality in extra_modalities() if modality in masks), none)
    share = torch.where(video > 0, 1 - alpha, 1.0) / extras.clamp(min=1)
    weights = {modality: mask * share for modality, mask in masks.items()}
    if Modality.VIDEO in masks:
        weights[Modality.VIDEO] = video * torch.where(extras > 0, alpha, 1.0)
    return weights


LossesOfClips = Callable[[JointEmbeddings, Int[Tensor, "batch"], Sequence[str]], Float[Tensor, "batch"]]
"""Embeddings, places of the labels among the base names, and video ids, to one loss a clip."""


class TextHeadObjective:
    """Whatever the method minimises, for methods that look at one modality."""

    def __init__(self, names: Sequence[str], losses: LossesOfClips) -> None:
        """`names` are the base classes, in the order of the places that `losses` gets."""
        self._index = {name: place for place, name in enumerate(names)}
        self._losses = losses

    def __call__(
        self, embeddings: JointEmbeddings, labels: Sequence[str | None], video_ids: Sequence[str] = ()
    ) -> Loss:
        """Loss of clips with one view each; a clip without the modality has none.

        Raises VocabularyError for a label that is not a base class and ManifestError for a missing one.
        """
        targets = torch.tensor(base_targets(self._index, labels, video_ids))
        ((modality, present),) = embeddings.present.items()
        losses = self._losses(embeddings, targets.to(present.device), video_ids)
        per_clip = torch.where(present, losses, losses.new_zeros(()))
        count = int(present.sum())
        return Loss(per_clip, count, {modality: float(per_clip.detach().sum())}, {modality: count})
