"""Several training seeds of one task: mean, deviation, and paired comparisons over the same test clips.

Pure arithmetic over evaluations; knows nothing of how they came about.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float

from openmov.evaluation.content import MethodKind
from openmov.evaluation.metrics import PairedDifference, harmonic_mean, paired_bootstrap
from openmov.evaluation.result import Evaluation, Role
from openmov.studies.goals import Goal


@dataclass(frozen=True)
class SeedResult:
    """One method, trained with one seed."""

    base: Evaluation
    """On base classes."""
    novel: Evaluation
    """On novel classes."""

    def of(self, role: Role) -> Evaluation:
        """One of the two."""
        return self.base if role == "base" else self.novel


@dataclass(frozen=True)
class MethodOverSeeds:
    """One row of the table; standard deviations are over seeds (n - 1), 0 for a single seed."""

    name: str
    """As shown."""
    seeds: tuple[SeedResult, ...] = field(repr=False)
    """In the order of the seeds."""
    notes: tuple[str, ...] = ()
    """What differs between seeds, such as the calibrated beta."""

    def accuracies(self, role: Role) -> Float[np.ndarray, "seeds"]:
        """One a seed."""
        return np.array([result.of(role).accuracy.value for result in self.seeds])

    def mean_std(self, role: Role) -> tuple[float, float]:
        """Of the accuracies."""
        values = self.accuracies(role)
        return float(values.mean()), float(values.std(ddof=1)) if len(values) > 1 else 0.0

    @property
    def harmonic(self) -> float:
        """Mean over seeds of the harmonic mean of base and novel accuracy."""
        pairs = zip(self.accuracies("base"), self.accuracies("novel"), strict=True)
        return float(np.mean([harmonic_mean(float(base), float(novel)) for base, novel in pairs]))

    def correctness(self, role: Role) -> Float[np.ndarray, "clips"]:
        """Share of seeds that answered each test clip rightly, in the order of `clips`."""
        self.clips(role)
        return np.asarray(np.mean([result.of(role).correct for result in self.seeds], axis=0))

    def clips(self, role: Role) -> tuple[str, ...]:
        """Ids of the test clips, sorted. Raises ValueError where the seeds were tested on different ones."""
        tested = {tuple(record.video_id for record in result.of(role).records) for result in self.seeds}
        if len(tested) != 1:
            raise ValueError(f"the seeds of {self.name} were not tested on the same {role} clips")
        return tested.pop()


@dataclass(frozen=True)
class GoalOutcome:
    """What came of a goal."""

    goal: Goal
    """What was asked."""
    theirs: MethodKind
    """The rival it was held against: the best of the goal's."""
    difference: PairedDifference
    """Ours - theirs, over test clips, each clip's correctness averaged over seeds."""

    @property
    def met(self) -> bool:
        """Whether the mean difference reaches the margin."""
        return self.difference.mean >= self.goal.margin


def outcomes(methods: Mapping[MethodKind, MethodOverSeeds], goals: Sequence[Goal]) -> tuple[GoalOutcome, ...]:
    """Each goal whose methods were measured, by a paired bootstrap over test clips.

    Raises ValueError where two methods, or two seeds, were not tested on the same clips.
    """
    found = []
    for goal in goals:
        rivals = [kind for kind in goal.theirs if kind in methods]
        if goal.ours in methods and rivals:
            best = max(rivals, key=lambda kind: methods[kind].mean_std(goal.role)[0])
            ours, theirs = methods[goal.ours], methods[best]
            if ours.clips(goal.role) != theirs.clips(goal.role):
                raise ValueError(f"{ours.name} and {theirs.name} were not tested on the same {goal.role} clips")
            difference = paired_bootstrap(ours.correctness(goal.role), theirs.correctness(goal.role))
            found.append(GoalOutcome(goal, best, difference))
    return tuple(found)
