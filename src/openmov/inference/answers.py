"""What `predict` answers: plain values, and as JSON."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from openmov.data.examples import ExampleInputs
from openmov.report.content import Answer, Example
from openmov.scoring.unknown import Fit
from openmov.types import Modality


@dataclass(frozen=True)
class RankedNames:
    """Class names, most probable first."""

    names: tuple[str, ...]
    """As many as were asked for."""
    probabilities: tuple[float, ...]
    """Theirs; all classes together sum to 1."""

    def __str__(self) -> str:
        pairs = zip(self.names, self.probabilities, strict=True)
        return ", ".join(f"{name} {probability:.1%}" for name, probability in pairs)

    def to_json(self) -> list[dict[str, object]]:
        """One object a name."""
        pairs = zip(self.names, self.probabilities, strict=True)
        return [{"name": name, "probability": probability} for name, probability in pairs]


@dataclass(frozen=True, repr=False)
class Prediction:
    """What one video shows."""

    path: Path
    """The file."""
    answers: RankedNames
    """The answer, and the next best."""
    modalities: tuple[Modality, ...]
    """What was seen and heard."""
    by_modality: Mapping[str, RankedNames]
    """What each stream would have said alone: `clip` (frozen frames), and `video`, `flow`, `audio` after the fusion; of
    pretrained towers `video`, `audio` and `both` (a tower that takes both at once)."""
    notes: tuple[str, ...] = ()
    """What was odd in the file and yet answered from, such as one that is cut off."""
    fit: Fit | None = None
    """Whether any of the names fits, where that was asked; the probabilities are those among the names all the same."""
    weights: Mapping[str, float] = field(default_factory=dict)
    """Of pretrained towers that see and hear: how much each stream of `by_modality` counts in the answer; they sum to
    1. Empty where nothing else than pictures is asked, and of a trained run."""

    @property
    def none_of_these(self) -> bool:
        """Whether no name fits."""
        return self.fit is not None and self.fit.rejected

    @property
    def label(self) -> str:
        """The answer."""
        return self.answers.names[0]

    @property
    def probability(self) -> float:
        """Of the answer."""
        return self.answers.probabilities[0]

    def __repr__(self) -> str:
        seen, odd = ", ".join(self.modalities), "".join(f"; {note}" for note in self.notes)
        none = "none of these; " if self.none_of_these else ""
        return f"Prediction({str(self.path)!r}: {none}{self.answers}; from {seen}{odd})"

    def to_json(self) -> dict[str, object]:
        """Plain values."""
        return {
            "path": str(self.path),
            "answers": self.answers.to_json(),
            "modalities": list(self.modalities),
            "by_modality": {name: ranked.to_json() for name, ranked in self.by_modality.items()},
            "notes": list(self.notes),
            **({} if not self.weights else {"weights": dict(self.weights)}),
            **({} if self.fit is None else {"unknown": self.fit.to_json()}),
        }


@dataclass(frozen=True)
class AnswerSettings:
    """How the probabilities of a vocabulary come about."""

    path: Literal["base", "novel", "weighed", "frozen", "own", "towers"]
    """Equation 10; equations 11-12 (also where base and novel names stand together); CLIP's frame average alone;
    base and novel path weighed; the similarity of a method with a text side of its own; or equation 12 over what
    pretrained towers for pictures and for sound say."""
    tau: float | None = None
    """Temperature of the base path, of the frame average, or of a method's own similarity."""
    beta: float | None = None
    """Novel path: weight of flow and sound. Towers: weight of the sound."""
    tau_x: float | None = None
    """Their temperature."""
    tau_v: float | None = None
    """Temperature of the frozen video."""
    calibrated: bool = False
    """Whether beta and tau_v were chosen on held-out base classes; of towers, on labelled clips."""
    views: str = "1x1"
    """Clips x crops whose probabilities are averaged."""
    preset: str | None = None
    """Name of this way to look, where it has one: paper, standard or fast."""
    device: str = "cpu"
    """Where the network computed."""
    dtype: str = "fp32"
    """Of the products in its image encoders: fp32 or bf16."""

    def to_json(self) -> dict[str, object]:
        """Plain values; what the path does not use is null."""
        return asdict(self)

    def __str__(self) -> str:
        numbers = {"tau": self.tau, "beta": self.beta, "tau_x": self.tau_x, "tau_v": self.tau_v}
        used = [f"{name} {value:.4g}" for name, value in numbers.items() if value is not None]
        chosen = " (calibrated)" if self.calibrated else ""
        preset = f" ({self.preset})" if self.preset else ""
        return f"{self.path} path, {', '.join(used)}{chosen}, {self.views} views{preset}, {self.dtype} on {self.device}"


def ranked(scores: Float[Tensor, "classes"], names: tuple[str, ...], top: int) -> RankedNames:
    """The `top` most probable names; of equally probable ones the first."""
    least = scores.topk(min(top, len(scores))).values[-1]
    candidates = (scores >= least).nonzero()[:, 0]  # sorting these alone, not 100,000 names
    order = candidates[torch.argsort(scores[candidates], descending=True, stable=True)][:top].tolist()
    return RankedNames(tuple(names[i] for i in order), tuple(float(scores[i]) for i in order))


def example_of(prediction: Prediction, label: str | None, inputs: ExampleInputs) -> Example:
    """A prediction with its pictures, for a report."""
    sources = {**prediction.by_modality, "answer": prediction.answers}
    return Example(
        video_id=prediction.path.name,
        answers=tuple(Answer(name, best.names, best.probabilities) for name, best in sources.items()),
        label=label,
        frames=inputs.frames,
        flow_px=inputs.flow_px,
        spectrogram=inputs.spectrogram,
        sound_seconds=inputs.sound_seconds,
    )


@dataclass(frozen=True)
class Window:
    """What one window of a long video shows."""

    start_seconds: float
    """On the file's clock."""
    end_seconds: float
    """On the file's clock."""
    answers: RankedNames
    """As of a video of its own."""
    modalities: tuple[Modality, ...]
    """What was seen and heard in it."""
    fit: Fit | None = None
    """Whether any label fits, where that was asked."""

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        found: dict[str, Any] = {
            "start_seconds": round(self.start_seconds, 3),
            "end_seconds": round(self.end_seconds, 3),
            "answers": self.answers.to_json(),
            "modalities": list(self.modalities),
        }
        return found if self.fit is None else found | {"unknown": self.fit.to_json()}


@dataclass(frozen=True)
class Segment:
    """A stretch of a long video that shows one thing; `str` gives `00:12-00:31 playing guitar 0.82`."""

    start_seconds: float
    """On the file's clock."""
    end_seconds: float
    """On the file's clock; where the next one starts."""
    name: str
    """The label, or "none of these"."""
    probability: float
    """Mean over the segment of what the windows over each of its parts gave the label (nothing, where one found that no
    label fits); of "none of these", the share of windows that found so."""
    known: bool = True
    """Whether it is a label."""

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "start_seconds": round(self.start_seconds, 3),
            "end_seconds": round(self.end_seconds, 3),
            "name": self.name if self.known else None,
            "none_of_these": not self.known,
            "probability": self.probability,
        }

    def __str__(self) -> str:
        return f"{clock(self.start_seconds)}-{clock(self.end_seconds)} {self.name} {self.probability:.2f}"


@dataclass
class FileTimeline:
    """What has been said of one file so far."""

    path: Path
    """The file."""
    segments: list[Segment] = field(default_factory=list)
    """In order of time."""
    windows: list[Window] = field(default_factory=list)
    """The same; empty where nobody wants them kept."""
    notes: tuple[str, ...] = ()
    """What was odd, and that it was interrupted."""

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "path": str(self.path),
            "segments": [segment.to_json() for segment in self.segments],
            "windows": [window.to_json() for window in self.windows],
            "notes": list(self.notes),
        }


def clock(seconds: float) -> str:
    """`00:12`, `1:02:03`; with tenths where there are some: `00:12.5`."""
    tenths = round(seconds * 10)
    hours, rest = divmod(tenths, 36_000)
    minutes, rest = divmod(rest, 600)
    text = f"{minutes:02}:{rest // 10:02}" + (f".{rest % 10}" if rest % 10 else "")
    return f"{hours}:{text}" if hours else text
