"""beta and tau_v chosen on held-out base classes.

The novel path's weights depend on how well the backbone already knows the classes, so the paper's values suit the
paper's backbone. Here a fifth of the *base* classes play novel: a network trained on the other four fifths answers
for clips of classes it never saw, and the setting that answers best is taken. No novel label, name or clip is used.
Or, without labels and without a second network, tau_v is matched by entropy (`temperatures`).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from openmov.model.class_embeddings import class_probabilities, class_similarity
from openmov.scoring.embeddings import EmbedClasses, Embeddings
from openmov.scoring.paths import NovelPath, average_views, novel_probabilities
from openmov.text.vocabulary import Vocabulary
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


CalibrationRule = Literal["classes", "entropy"]
"""How beta and tau_v are chosen: both on held-out base classes; or tau_v alone, by entropy, beta staying as it is."""

BETAS = (0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0)
TAUS_V = (0.1, 0.03, 0.01, 0.003, 0.001, 0.0003)


@dataclass(frozen=True)
class GridPoint:
    """One setting of the novel path and how it did."""

    beta: float
    """Weight of the extra modalities."""
    tau_v: float
    """Temperature of the frozen video."""
    accuracy: float
    """Share of pseudo-novel clips answered rightly."""
    log_likelihood: float
    """Mean log-probability of the right answer: breaks ties."""


@dataclass(frozen=True)
class Calibration:
    """The chosen setting, and what it was chosen from."""

    chosen: NovelPath
    """The best grid point."""
    grid: tuple[GridPoint, ...]
    """Everything that was tried."""
    pseudo_novel: tuple[str, ...]
    """The base classes that played novel."""
    num_clips: int
    """Clips the choice rests on."""
    how: CalibrationRule = "classes"
    """On held-out base classes, or by matched entropy, which tries nothing and holds no class back."""


def match_entropy(recording: Embeddings, embed_classes: EmbedClasses, base: Vocabulary, path: NovelPath) -> Calibration:
    """tau_v at which the frozen video is as sure as the extras on clips of base classes that were not trained on.

    `base` are the names of those classes; no label is looked at. Raises ValueError where there is no clip with both.
    """
    tau_v = matched_tau_v(recording.embeddings, embed_classes(base), path.tau_x)
    return Calibration(replace(path, tau_v=tau_v), (), (), len(recording.video_ids), "entropy")


def calibrate(
    recording: Embeddings,
    embed_classes: EmbedClasses,
    pseudo: Vocabulary,
    tau_x: float,
    betas: Sequence[float] = BETAS,
    taus_v: Sequence[float] = TAUS_V,
) -> Calibration:
    """The beta and tau_v with the highest accuracy on the clips of `pseudo.novel`; ties by log-likelihood.

    Where that ties too, the first of the grid: the smaller beta, then the blunter video.
    `recording` holds those clips as embedded by a network trained without their classes. Raises ValueError where it
    holds none.
    """
    clips = recording.where(pseudo.novel)
    if not clips.video_ids:
        raise ValueError("no clip of a pseudo-novel class")
    vocabulary = pseudo.for_protocol("novel")
    classes = embed_classes(vocabulary)
    truth = torch.tensor([vocabulary.index_of(str(label)) for label in clips.labels])
    grid = []
    for beta, tau_v in product(betas, taus_v):
        rows = novel_probabilities(clips.embeddings, classes, NovelPath(beta=beta, tau_x=tau_x, tau_v=tau_v))
        probabilities = average_views(rows, clips.views)
        accuracy = (probabilities.argmax(-1) == truth).double().mean().item()
        right = probabilities.gather(-1, truth[:, None]).double().clamp_min(1e-12)
        grid.append(GridPoint(beta, tau_v, accuracy, right.log().mean().item()))
    best = max(grid, key=lambda point: (point.accuracy, point.log_likelihood))
    chosen = NovelPath(beta=best.beta, tau_x=tau_x, tau_v=best.tau_v)
    return Calibration(chosen, tuple(grid), pseudo.novel, len(clips.video_ids))
