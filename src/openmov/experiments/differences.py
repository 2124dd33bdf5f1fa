"""Two methods over the same test clips: the difference, with a 95 % interval by paired bootstrap over clips.

    accuracy         each clip's correctness averaged over seeds
    harmonic mean    of each seed's accuracies on base and on novel clips, averaged over seeds; both sets of clips are
                     drawn anew, each on its own
    what is lost     on the same clips in another form, against before: of each clip, like accuracy

Pure arithmetic over evaluations.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float

from openmov.evaluation.metrics import PairedDifference, paired_bootstrap
from openmov.experiments.outcome import Evaluations

_RESAMPLES = 10_000
HARMONIC = "harmonic"
"""How figures end that are made of base and novel clips."""


def compare(ours: Sequence[Evaluations], theirs: Sequence[Evaluations], metric: str) -> PairedDifference:
    """Ours - theirs over the same clips. Raises ValueError where the clips differ."""
    if metric.endswith(HARMONIC):
        prefix = metric.removesuffix(HARMONIC)
        parts = [f"{prefix}{role}" for role in ("base", "novel")]
        sides = [[_both(ours, theirs, part)[side] for part in parts] for side in (0, 1)]
        return harmonic_difference(*sides)
    mine, other = _both(ours, theirs, metric)
    return paired_bootstrap(mine.mean(axis=0), other.mean(axis=0))


def compare_lost(
    ours: tuple[Sequence[Evaluations], Sequence[Evaluations]],
    theirs: tuple[Sequence[Evaluations], Sequence[Evaluations]],
    metric: str,
) -> PairedDifference:
    """How much less ours loses than theirs where the same clips are asked in another form: (before, there) of each.

    A clip has the same file name in both forms; `metric` is not a harmonic mean. Raises ValueError where clips differ.
    """
    (mine, clips), (other, same) = (_kept(*side, metric) for side in (ours, theirs))
    if clips != same:
        raise ValueError(f"{metric}: not measured on the same clips")
    return paired_bootstrap(mine, other)


def harmonic_difference(
    ours: Sequence[Bool[np.ndarray, "seeds _"]], theirs: Sequence[Bool[np.ndarray, "seeds _"]]
) -> PairedDifference:
    """Of two harmonic means; each side's answers on base and on novel clips. Raises ValueError where there is none."""
    if not all(answers.shape[1] for answers in ours):
        raise ValueError("no clip to compare")
    random = np.random.default_rng(0)
    exact, drawn = zip(*(_accuracies(*pair, random) for pair in zip(ours, theirs, strict=True)), strict=True)
    (mean,), means = _difference(exact), _difference(drawn)
    low, high = np.quantile(means, (0.025, 0.975))
    tail = min(int((means <= 0).sum()), int((means >= 0).sum()))
    p = min(1.0, 2 * (1 + tail) / (_RESAMPLES + 1))
    return PairedDifference(float(mean), float(low), float(high), p, sum(answers.shape[1] for answers in ours))


def _accuracies(
    ours: Bool[np.ndarray, "seeds clips"], theirs: Bool[np.ndarray, "seeds clips"], random: np.random.Generator
) -> tuple[Float[np.ndarray, "one both"], Float[np.ndarray, "resamples both"]]:
    """Of every seed of ours, then of theirs: as measured, and of resampled clips.

    Clips that all answered alike are interchangeable, so a resample is a draw of how often each pattern occurs.
    """
    patterns, times = np.unique(np.concatenate([ours, theirs]).T, axis=0, return_counts=True)
    count = int(times.sum())
    draws = random.multinomial(count, times / count, size=_RESAMPLES)
    return times[None] @ patterns / count, draws @ patterns / count


def _difference(accuracies: Sequence[Float[np.ndarray, "rows both"]]) -> Float[np.ndarray, "rows"]:
    """Of the harmonic means of base and novel accuracy, averaged over seeds."""
    base, novel = accuracies
    total = base + novel
    harmonic = np.divide(2 * base * novel, total, out=np.zeros_like(total), where=total > 0)
    ours, theirs = np.split(harmonic, 2, axis=1)
    return np.asarray(ours.mean(axis=1) - theirs.mean(axis=1))


def _both(
    ours: Sequence[Evaluations], theirs: Sequence[Evaluations], metric: str
) -> tuple[Bool[np.ndarray, "seeds clips"], Bool[np.ndarray, "seeds clips"]]:
    (mine, clips), (other, same) = _correctness(ours, metric), _correctness(theirs, metric)
    if clips != same:
        raise ValueError(f"{metric}: not measured on the same clips")
    return mine, other


def _kept(
    before: Sequence[Evaluations], there: Sequence[Evaluations], metric: str
) -> tuple[Float[np.ndarray, "clips"], tuple[str, ...]]:
    """The share of seeds that are right there, less that before, clip by clip; and the clips' file names."""
    (was, clips), (became, others) = _correctness(before, metric), _correctness(there, metric)
    names, same = (tuple(clip.rpartition("/")[2] for clip in side) for side in (clips, others))
    if names != same:
        raise ValueError(f"{metric}: the clips are not those of before in another form")
    return became.mean(axis=0) - was.mean(axis=0), names


def _correctness(seeds: Sequence[Evaluations], metric: str) -> tuple[Bool[np.ndarray, "seeds clips"], tuple[str, ...]]:
    """Whether each seed answered each clip rightly, and the clips."""
    parts = [_answers(evaluations, metric) for evaluations in seeds]
    if len({clips for _, clips in parts}) != 1:
        raise ValueError(f"{metric}: the seeds were not measured on the same clips")
    return np.stack([right for right, _ in parts]), parts[0][1]


def _answers(found: Evaluations, metric: str) -> tuple[Bool[np.ndarray, "clips"], tuple[str, ...]]:
    protocol, _, role = metric.partition("_")
    evaluation = found[protocol]
    names = set(evaluation.base if role == "base" else evaluation.novel if role else evaluation.class_names)
    kept = [record for record in evaluation.records if record.label in names]
    return np.array([record.rank == 1 for record in kept]), tuple(record.video_id for record in kept)
