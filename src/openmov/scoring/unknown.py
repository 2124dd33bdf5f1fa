"""Whether any of the labels fits at all: they compete with background names, which nobody asked for.

    r = log max over labels of P - log max over background of P      P: the path's probabilities over all of them

"None of these" is the answer where r is below a threshold. At 0, the default, that says: some background name is more
probable than every label. Labels and background go down the same path, with the same temperatures and weights; the
probabilities of the labels alone, which are shown, are not touched. A run that was calibrated has thresholds of its
own, at which `FALSE_REJECTIONS` of the known clips of held-out base classes are refused.

A background name that means what a label means would be evidence for the label: for every label the nearest hundredth
of the background, by text alone, is left out, and what reads the same.

Knows nothing of files, networks and of where background names come from.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from openmov.errors import VocabularyError
from openmov.scoring.embeddings import AnswerRule, EmbedClasses, Embeddings
from openmov.scoring.paths import average_views
from openmov.text.vocabulary import Vocabulary
from openmov.types import ClassEmbeddings, JointEmbeddings

NONE_OF_THESE = "none of these"
FALSE_REJECTIONS = 0.05
"""Share of known clips that a calibrated threshold refuses, on the clips it was chosen by."""
NEAREST_SHARE = 0.01
_SMALLEST = 1e-30


@dataclass(frozen=True)
class Thresholds:
    """Where "none of these" begins, on each path."""

    base: float = 0.0
    """Log ratio on the base path."""
    novel: float = 0.0
    """Log ratio on the novel path, and of a frozen backbone."""
    calibrated: bool = False
    """Whether they were chosen on held-out base classes."""


@dataclass(frozen=True)
class Fit:
    """How well the labels fit one video, beside the background."""

    log_ratio: float
    """r: natural logarithm of the best label's probability over the best background name's."""
    threshold: float
    """Below it, none of the labels is the answer."""
    background: str
    """The background name that fits best."""

    @property
    def rejected(self) -> bool:
        """Whether the answer is "none of these"."""
        return self.log_ratio < self.threshold

    def to_json(self) -> dict[str, object]:
        """Plain values."""
        return {
            "none_of_these": self.rejected,
            "log_ratio": self.log_ratio,
            "threshold": self.threshold,
            "best_background": self.background,
        }


class BackgroundTest:
    """The labels of one vocabulary against a background."""

    def __init__(
        self,
        labels: Vocabulary,
        background: Sequence[str],
        embed_classes: EmbedClasses,
        rule: AnswerRule,
        thresholds: Thresholds = Thresholds(),
    ) -> None:
        """Raises VocabularyError where no background name is left, BackboneError for words the backbone refuses."""
        self._rule = rule
        self.threshold = thresholds.novel if labels.novel else thresholds.base
        """Of the path that these labels take."""
        self._num_labels = len(labels.names)
        asked = embed_classes(Vocabulary((), labels.names, labels.prompts))
        others = _without_twins(background, labels.names, asked, embed_classes, labels.prompts)
        self._classes = asked.followed_by(others)
        names = self._classes.names
        # Only base names take the base path, with the background beside them; otherwise all go down the novel one.
        self._vocabulary = (
            Vocabulary((), names, labels.prompts) if labels.novel else Vocabulary(names, (), labels.prompts)
        )

    @property
    def background(self) -> tuple[str, ...]:
        """The names that the labels compete with."""
        return self._classes.names[self._num_labels :]

    def log_ratios(self, embeddings: JointEmbeddings, views: int) -> tuple[Float[Tensor, "batch"], list[str]]:
        """r of every video, and its best background name."""
        rows = average_views(self._rule(embeddings, self._classes, self._vocabulary), views).clamp_min(_SMALLEST).log()
        labels = rows[:, : self._num_labels].max(dim=1).values
        others = rows[:, self._num_labels :].max(dim=1)
        return labels - others.values, [self.background[i] for i in others.indices.tolist()]

    def fit(self, embeddings: JointEmbeddings) -> Fit:
        """Of one video, all of whose views the rows are."""
        views = len(next(iter(embeddings.present.values())))
        ratios, names = self.log_ratios(embeddings, views)
        return Fit(float(ratios[0]), self.threshold, names[0])


def rejecting_threshold(log_ratios: Sequence[float], share: float = FALSE_REJECTIONS) -> float:
    """The highest threshold that refuses at most `share` of these clips, all of which are known.

    The (floor(share * (n + 1)))-th smallest: a further known clip like them is refused with a chance of at most
    `share`. With too few clips to say, minus infinity would be right; the smallest of them is taken. Raises ValueError
    for none.
    """
    if not log_ratios:
        raise ValueError("no clip to choose a threshold by")
    place = max(math.floor(share * (len(log_ratios) + 1)), 1)
    return sorted(log_ratios)[place - 1]


def calibrate_unknown(
    novel_clips: Embeddings,
    base_clips: Embeddings | None,
    pseudo: Vocabulary,
    embed_classes: EmbedClasses,
    rule: AnswerRule,
) -> Thresholds:
    """Thresholds from base classes alone, a fifth of which play novel (`pseudo`).

    Novel path: clips of the pseudo-novel classes, of which the network saw none, with those names as labels and the
    pseudo-base names as background. Base path: held-back clips of the pseudo-base classes; each half of those names
    is the labels once, with the other half as background.
    """
    novel = BackgroundTest(pseudo.for_protocol("novel"), pseudo.base, embed_classes, rule)
    clips = novel_clips.where(pseudo.novel)
    on_novel = novel.log_ratios(clips.embeddings, clips.views)[0].tolist()
    on_base: list[float] = []
    halves = (pseudo.base[::2], pseudo.base[1::2])
    for labels, others in (halves, halves[::-1]) if base_clips is not None else ():
        assert base_clips is not None
        clips = base_clips.where(labels)
        if labels and others and clips.video_ids:
            test = BackgroundTest(Vocabulary(labels, (), pseudo.prompts), others, embed_classes, rule)
            on_base += test.log_ratios(clips.embeddings, clips.views)[0].tolist()
    base = rejecting_threshold(on_base) if on_base else 0.0
    return Thresholds(base, rejecting_threshold(on_novel), calibrated=True)


def _without_twins(
    background: Sequence[str], labels: Sequence[str], asked: ClassEmbeddings, embed: EmbedClasses, prompts: str
) -> ClassEmbeddings:
    """The background without what reads as a label, and without the hundredth nearest to each label."""
    names = tuple(dict.fromkeys(background))
    read = {_plain(name) for name in labels}
    different = [i for i, name in enumerate(names) if _plain(name) not in read]
    if not different:
        what = "has nothing to compare the labels with: they hold every background name"
        raise VocabularyError("--unknown", what, "ask for fewer labels, or name others with --background")
    # All of it is embedded, whatever the labels: so it is the same list each time, and kept by whoever keeps lists.
    everything = embed(Vocabulary((), names, prompts))
    vectors = everything.vectors[torch.tensor(different)]
    count = math.floor(NEAREST_SHARE * len(different))
    near = set((asked.vectors @ vectors.T).topk(count, dim=1).indices.flatten().tolist()) if count else set()
    kept = [i for i in range(len(different)) if i not in near] or list(range(len(different)))
    return everything.take([different[i] for i in kept])


def _plain(name: str) -> str:
    return " ".join("".join(letter if letter.isalnum() else " " for letter in name.casefold()).split())
