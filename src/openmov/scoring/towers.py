"""Answers of pretrained towers that see and hear: one distribution a stream, mixed by equation 12.

    P = (1 - beta) * softmax(s_video / tau_v) + beta * softmax(s_audio / tau_x)

s is what each tower compares its embedding with its own class vectors by. A tower that takes both shares beta with the
sound. A row without sound is answered from its pictures alone, and a row without pictures from its sound alone.

How far sound can reach follows from beta alone. Pictures are *confident* where their best name leads their second by
more than beta / (1 - beta): whatever the sound says, that name stays the answer, for the most that sound can add to
another name is beta. With the default of 1/4 that is a lead of 1/3; so a name to which the pictures give more than 2/3
always stands. Where there are labelled clips, beta and both temperatures are chosen on them (`calibrate_towers`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from openmov.model.backbones.base import AdaptingClipEncoder
from openmov.model.towers import AUDIO, BOTH, VIDEO, FrozenTowers
from openmov.scoring.calibration import BETAS, GridPoint
from openmov.scoring.embeddings import EmbedClasses, Embeddings
from openmov.scoring.paths import NovelPath, average_views
from openmov.text.vocabulary import Vocabulary
from openmov.types import ClassEmbeddings, JointEmbeddings, Modality

DEFAULT_BETA = 0.25
"""Weight of what is heard where nobody calibrated it: the paper's beta for its extra modality."""
TAU_FACTORS = (10.0, 3.0, 1.0, 0.3, 0.1)
"""Temperatures that calibration tries, as multiples of each tower's own."""


@dataclass(frozen=True)
class TowersRule:
    """The rule of the module's head."""

    network: FrozenTowers = field(repr=False)
    """Adapts names to clips, where its tower does."""
    taus: Mapping[str, float]
    """Of each stream that there is."""
    cosine: Mapping[str, bool]
    """Whether a stream is compared by cosine; else by the product of vectors as long as they are."""
    beta: float = DEFAULT_BETA
    """Weight of what is heard, beside pictures."""

    @property
    def hears(self) -> bool:
        """Whether there is more than pictures."""
        return AUDIO in self.taus

    @property
    def path(self) -> NovelPath:
        """beta, the temperature of the sound and that of the pictures."""
        return NovelPath(self.beta, self.taus.get(AUDIO, 1.0), self.taus.get(VIDEO, 1.0))

    def weighed(self, path: NovelPath) -> "TowersRule":
        """The same with other numbers; the temperature of a tower that takes both moves with the sound's."""
        changed = {VIDEO: path.tau_v, AUDIO: path.tau_x}
        if BOTH in self.taus:
            changed[BOTH] = self.taus[BOTH] * path.tau_x / self.taus[AUDIO]
        taus = {stream: changed[stream] for stream in self.taus}
        return replace(self, beta=path.beta, taus=taus)

    def __call__(
        self, embeddings: JointEmbeddings, classes: ClassEmbeddings, vocabulary: Vocabulary
    ) -> Float[Tensor, "rows classes"]:
        """Rows of probabilities. Raises ValueError for a row with neither pictures nor sound."""
        return self.mixed(self.similarities(embeddings, classes), self.weights(embeddings))

    def mixed(
        self, similarities: Mapping[str, Float[Tensor, "rows classes"]], weights: Mapping[str, Float[Tensor, "rows"]]
    ) -> Float[Tensor, "rows classes"]:
        """Equation 12 over the streams."""
        parts = [
            torch.where(weights[stream][:, None] > 0, weights[stream][:, None] * answer, 0.0)
            for stream, answer in self.answers(similarities).items()
        ]
        return torch.stack(parts).sum(dim=0)

    def answers(
        self, similarities: Mapping[str, Float[Tensor, "rows classes"]]
    ) -> dict[str, Float[Tensor, "rows classes"]]:
        """What each stream says alone; rows that lack it mean nothing."""
        return {stream: torch.softmax(rows / self.taus[stream], dim=-1) for stream, rows in similarities.items()}

    @torch.no_grad()
    def similarities(
        self, embeddings: JointEmbeddings, classes: ClassEmbeddings
    ) -> dict[str, Float[Tensor, "rows classes"]]:
        """Of every row with every name, by stream, before any temperature."""
        found = dict(embeddings.own)
        if embeddings.frozen is not None:
            found[VIDEO] = embeddings.frozen
        clip, context = self.network.clip, embeddings.context
        scores: dict[str, Tensor] = {}
        for stream in (stream for stream in (VIDEO, AUDIO, BOTH) if stream in found and stream in self.taus):
            rows, names = found[stream].float(), classes.own.get(stream, classes.vectors).float()
            if stream == VIDEO and context is not None and isinstance(clip, AdaptingClipEncoder):
                device = next(clip.parameters()).device
                adapted = F.normalize(clip.adapt(names.to(device), context.to(device)), dim=-1).to(rows.device)
                scores[stream] = torch.einsum("rd,rnd->rn", F.normalize(rows, dim=-1), adapted)
            elif self.cosine[stream]:
                scores[stream] = F.normalize(rows, dim=-1) @ F.normalize(names, dim=-1).T
            else:
                scores[stream] = rows @ names.T
        return scores

    def weights(self, embeddings: JointEmbeddings) -> dict[str, Float[Tensor, "rows"]]:
        """Of each stream in each row; they sum to 1. Raises ValueError for a row with neither pictures nor sound."""
        some = next(iter(embeddings.present.values()))
        absent = torch.zeros_like(some)
        seen = embeddings.present.get(Modality.VIDEO, absent)
        heard = embeddings.present.get(Modality.AUDIO, absent)
        if not bool((seen | heard).all()):
            raise ValueError("a clip with neither pictures nor sound cannot be answered from")
        share = torch.where(seen, self.beta, 1.0) * heard  # of everything that is heard
        weights = {VIDEO: seen * (1.0 - share), AUDIO: share.clone()}
        if BOTH in self.taus:
            together = seen & heard
            weights[BOTH] = torch.where(together, share / 2, 0.0)
            weights[AUDIO] = torch.where(together, share / 2, share)
        return {stream: weights[stream].float() for stream in (VIDEO, AUDIO, BOTH) if stream in weights}


def confident_lead(beta: float) -> float:
    """By how much the pictures' best name must lead their second so that no sound can overrule it; inf for beta 1."""
    return float("inf") if beta >= 1 else beta / (1 - beta)


@dataclass(frozen=True)
class TowerCalibration:
    """How much to trust what is heard, chosen on labelled clips."""

    chosen: NovelPath
    """beta, the temperature of the sound (tau_x) and that of the pictures (tau_v)."""
    accuracy: Mapping[str, float]
    """Share of the clips answered rightly: `together` as chosen, and by each stream where a clip has it."""
    num_clips: int
    """Clips the choice rests on."""
    grid: tuple[GridPoint, ...] = field(repr=False)
    """The best point of every beta and tau_v that was tried, over the temperatures of the sound."""


def calibrate_towers(
    recording: Embeddings,
    embed_classes: EmbedClasses,
    vocabulary: Vocabulary,
    rule: TowersRule,
    betas: Sequence[float] = BETAS,
    factors: Sequence[float] = TAU_FACTORS,
) -> TowerCalibration:
    """beta and both temperatures with the highest accuracy on labelled clips; ties by log-likelihood.

    Where that ties too, the first of the grid: the smaller beta, then the blunter towers. Raises ValueError where no
    clip is labelled with one of the names.
    """
    clips = recording.where(vocabulary.names)
    if not clips.video_ids:
        raise ValueError("no clip of any of the names")
    embeddings, classes = clips.embeddings, embed_classes(vocabulary)
    similarities = rule.similarities(embeddings, classes)
    truth = torch.tensor([vocabulary.index_of(str(label)) for label in clips.labels])
    own, grid = rule.path, []
    best: tuple[tuple[float, float], NovelPath] | None = None
    for beta, by_v in product(betas, factors):
        scores = []
        for by_x in factors:
            path = NovelPath(beta, own.tau_x * by_x, own.tau_v * by_v)
            trial = rule.weighed(path)
            rows = average_views(trial.mixed(similarities, trial.weights(embeddings)), clips.views)
            score = _accuracy_and_likelihood(rows, truth)
            scores.append(score)
            if best is None or score > best[0]:
                best = (score, path)
        grid.append(GridPoint(beta, own.tau_v * by_v, *max(scores)))
    assert best is not None
    accuracy = {"together": best[0][0]}
    for stream, rows in rule.weighed(best[1]).answers(similarities).items():
        has = average_views(rule.weights(embeddings)[stream][:, None], clips.views)[:, 0] > 0
        if bool(has.any()):
            accuracy[stream] = _accuracy_and_likelihood(average_views(rows, clips.views)[has], truth[has])[0]
    return TowerCalibration(best[1], accuracy, len(clips.video_ids), tuple(grid))


def _accuracy_and_likelihood(rows: Float[Tensor, "clips classes"], truth: Tensor) -> tuple[float, float]:
    right = rows.gather(-1, truth[:, None]).double().clamp_min(1e-12)
    return (rows.argmax(-1) == truth).double().mean().item(), right.log().mean().item()
