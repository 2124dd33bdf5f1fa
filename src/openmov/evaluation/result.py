"""What one evaluation found: every sample's answer, and the figures that follow from them.

Plain values only, so that results can be stored, read back and compared without a network. Figures are computed from
the records each time, hence a file that was read back cannot disagree with itself.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from jaxtyping import Bool, Int

from openmov.errors import RunFolderError
from openmov.evaluation.metrics import (
    ConfidenceBin,
    PairedDifference,
    Proportion,
    accuracy,
    confidence_bins,
    confusion_matrix,
    expected_calibration_error,
    mean_class_accuracy,
    paired_bootstrap,
    proportion,
    top_k_accuracy,
)
from openmov.text.vocabulary import Protocol


@dataclass(frozen=True)
class VideosPresent:
    """How many of the clips that should have been evaluated were."""

    split: str
    """train, val or test."""
    listed: int
    """Clips of the split by the data set's own lists (the manifest's, where it is not a known data set)."""
    evaluated: int
    """Clips the figures are about."""
    missing: tuple[str, ...] = field(default=(), repr=False)
    """Ids of listed clips without a file."""
    broken: tuple[str, ...] = field(default=(), repr=False)
    """Ids of listed clips whose file cannot be read."""

    def __str__(self) -> str:
        return f"{self.evaluated:,} of {self.listed:,} {self.split} clips present"


@dataclass(frozen=True)
class Conditions:
    """What an evaluation was made with."""

    prompts: str
    """Name or file of the template set."""
    templates: tuple[str, ...] = field(repr=False)
    """Its sentences."""
    views: str
    """Clips x crops, such as 4x3."""
    checkpoints: Mapping[str, str]
    """SHA-256 of the trained weights, by run; empty where nothing was trained."""
    backbone: str
    """Its name."""
    backbone_identity: str
    """Hash of its weights and preprocessing."""
    manifest: str
    """Hash of the list of videos."""
    versions: Mapping[str, str] = field(repr=False)
    """Of what computes."""
    wall_seconds: float
    """Time to prepare the clips and to embed them."""
    dataset: str = ""
    """Title of the data set, where it is a known one."""
    notes: tuple[str, ...] = ()
    """What a reader must know, such as whose base / novel split it is."""
    videos: VideosPresent | None = None
    """How many of the clips are there."""
    novel_path: Mapping[str, float] = field(default_factory=dict)
    """beta, tau_x and tau_v, where the answers depend on them."""
    revision: str | None = None
    """Full commit hash of the hub's repository the backbone came from; None for one of no hub."""
    licence: str = "unknown"
    """Under which the backbone's weights are published."""

    def to_json(self) -> dict[str, Any]:
        """Plain values for `json.dump`."""
        return asdict(self) | {"said": str(self.videos) if self.videos else ""}

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> "Conditions":
        """What `to_json` gave. Raises KeyError or TypeError for anything else."""
        plain = _with_tuples(fields)
        del plain["said"]
        videos = plain.pop("videos")
        return cls(**plain, videos=None if videos is None else VideosPresent(**_with_tuples(videos)))


def _with_tuples(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()}


Role = Literal["base", "novel"]
ROLES: tuple[Role, ...] = get_args(Role)

FORMAT_VERSION = 2
"""Of the JSON below."""


@dataclass(frozen=True)
class Failure:
    """A file that could not be evaluated."""

    file: str
    """Its path or id, as in the manifest."""
    reason: str
    """One line: what is wrong with it."""


@dataclass(frozen=True)
class SampleRecord:
    """What was answered to one video."""

    video_id: str
    """Id of the manifest."""
    label: str
    """The true class."""
    rank: int
    """Of the true class; 1 is the answer."""
    true_probability: float
    """Probability of the true class."""
    names: tuple[str, ...]
    """The (up to five) most probable classes, first the answer."""
    probabilities: tuple[float, ...]
    """Theirs."""


@dataclass(frozen=True)
class ClassResult:
    """How one class fared."""

    name: str
    """The class."""
    role: Role
    """Trained on, or not."""
    correct: int
    """Its samples that were answered rightly."""
    count: int
    """Its samples."""

    @property
    def accuracy(self) -> float | None:
        """Fraction; None for a class without samples."""
        return self.correct / self.count if self.count else None


@dataclass(frozen=True)
class Evaluation:
    """One Scorer on one set of videos with one vocabulary. Accuracy is over evaluated videos; failures are listed."""

    what: str
    """In words: which method, on which clips."""
    base: tuple[str, ...]
    """Base classes among the possible answers."""
    novel: tuple[str, ...]
    """Novel classes among the possible answers."""
    vocabulary_identity: str
    """Hash of names, roles and prompts."""
    records: tuple[SampleRecord, ...] = field(repr=False)
    """One a video, sorted by video_id, at least one."""
    failures: tuple[Failure, ...] = ()
    """Files that could not be evaluated, in their order."""
    conditions: Conditions | None = None
    """What it was made with, where that is known."""

    @property
    def class_names(self) -> tuple[str, ...]:
        """All possible answers, in the vocabulary's order."""
        return self.base + self.novel

    @property
    def protocol(self) -> Protocol:
        """Which classes were the possible answers."""
        return "base" if not self.novel else "novel" if not self.base else "generalised"

    @property
    def correct(self) -> Bool[np.ndarray, "samples"]:
        """Which records are right."""
        return np.array([record.rank == 1 for record in self.records])

    @property
    def accuracy(self) -> Proportion:
        """Share of videos answered rightly."""
        return accuracy(self.correct)

    @property
    def top5(self) -> Proportion:
        """Share of videos whose class is among the first five answers."""
        return top_k_accuracy(self._ranks, 5)

    @property
    def mean_class_accuracy(self) -> float:
        """Mean of the accuracies of the classes that have videos."""
        return mean_class_accuracy(self._labels, self.correct)

    @cached_property
    def classes(self) -> tuple[ClassResult, ...]:
        """Every class, also one without videos, in the vocabulary's order."""
        count = Counter(record.label for record in self.records)
        right = Counter(record.label for record in self.records if record.rank == 1)
        roles: dict[str, Role] = dict.fromkeys(self.base, "base")
        roles |= dict.fromkeys(self.novel, "novel")
        return tuple(ClassResult(name, role, right[name], count[name]) for name, role in roles.items())

    @cached_property
    def confidence(self) -> tuple[ConfidenceBin, ...]:
        """How often answers of each confidence are right."""
        return confidence_bins(np.array([record.probabilities[0] for record in self.records]), self.correct)

    @property
    def calibration_error(self) -> float:
        """ECE over 15 bins."""
        return expected_calibration_error(self.confidence)

    @property
    def confusion(self) -> Int[np.ndarray, "classes classes"]:
        """Counts: row the true class, column the answer, in the vocabulary's order."""
        index = {name: i for i, name in enumerate(self.class_names)}
        answers = np.array([index[record.names[0]] for record in self.records], dtype=np.int64)
        return confusion_matrix(self._labels, answers, len(index))

    def accuracy_of(self, role: Role) -> Proportion:
        """Accuracy on the videos whose class is base, or novel (generalised). ValueError where there is none."""
        chosen = [result for result in self.classes if result.role == role]
        return proportion(sum(result.correct for result in chosen), sum(result.count for result in chosen))

    def to_json(self) -> dict[str, Any]:
        """Plain values for `json.dump`: figures first, then every record."""
        return {
            "format_version": FORMAT_VERSION,
            "what": self.what,
            "protocol": self.protocol,
            "vocabulary": {"identity": self.vocabulary_identity, "base": list(self.base), "novel": list(self.novel)},
            "evaluated": len(self.records),
            "failed": len(self.failures),
            "accuracy": vars(self.accuracy),
            "top5": vars(self.top5),
            "mean_class_accuracy": self.mean_class_accuracy,
            "calibration_error": self.calibration_error,
            "conditions": None if self.conditions is None else self.conditions.to_json(),
            "confidence": [vars(one) for one in self.confidence],
            "confusion": _nonzero(self.confusion, self.class_names),
            "classes": [vars(result) | {"accuracy": result.accuracy} for result in self.classes],
            "failures": [vars(failure) for failure in self.failures],
            "records": [
                vars(record) | {"names": list(record.names), "probabilities": list(record.probabilities)}
                for record in self.records
            ],
        }

    @classmethod
    def from_json(cls, fields: Mapping[str, Any], where: str | Path = "evaluation") -> "Evaluation":
        """What `to_json` gave. Raises RunFolderError (naming `where`) for anything else."""
        hint = "evaluate again with this version of openmov"
        if fields.get("format_version") != FORMAT_VERSION:
            raise RunFolderError(where, f"is not an evaluation of format version {FORMAT_VERSION}", hint)
        try:
            names = fields["vocabulary"]
            return cls(
                what=fields["what"],
                base=tuple(names["base"]),
                novel=tuple(names["novel"]),
                vocabulary_identity=names["identity"],
                records=tuple(_record(record) for record in fields["records"]),
                failures=tuple(Failure(**failure) for failure in fields["failures"]),
                conditions=None if fields["conditions"] is None else Conditions.from_json(fields["conditions"]),
            )
        except (KeyError, TypeError) as error:
            raise RunFolderError(where, f"is damaged ({type(error).__name__}: {error})", hint) from error

    @property
    def _ranks(self) -> Int[np.ndarray, "samples"]:
        return np.array([record.rank for record in self.records], dtype=np.int64)

    @property
    def _labels(self) -> Int[np.ndarray, "samples"]:
        index = {name: i for i, name in enumerate(self.class_names)}
        return np.array([index[record.label] for record in self.records], dtype=np.int64)


def paired_difference(ours: Evaluation, theirs: Evaluation, *, seed: int = 0) -> PairedDifference:
    """Ours - theirs in accuracy on the same videos (paired bootstrap). Raises ValueError where the videos differ."""
    if [(r.video_id, r.label) for r in ours.records] != [(r.video_id, r.label) for r in theirs.records]:
        raise ValueError(f"{ours.what!r} and {theirs.what!r} are not about the same videos")
    return paired_bootstrap(ours.correct, theirs.correct, seed=seed)


def _nonzero(confusion: Int[np.ndarray, "classes classes"], names: tuple[str, ...]) -> list[dict[str, Any]]:
    """The cells that are not 0, row by row: of hundreds of classes most are."""
    return [
        {"label": names[row], "answer": names[column], "count": int(confusion[row, column])}
        for row, column in np.argwhere(confusion).tolist()
    ]


def _record(fields: Mapping[str, Any]) -> SampleRecord:
    plain = dict(fields)
    return SampleRecord(names=tuple(plain.pop("names")), probabilities=tuple(plain.pop("probabilities")), **plain)
