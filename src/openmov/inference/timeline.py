"""A long video in sliding windows, answered while it is read.

    file --grid, decoded once--> windows --base, novel or frozen path--> Window
                                         --mean over each part, hysteresis--> Segment

Iterate over a Timeline: it gives every window as soon as it is answered, and every segment as soon as it is closed.
What is held does not depend on the length of the video.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from openmov.errors import DecodeError, RecipeError
from openmov.inference.answers import Segment, Window, ranked
from openmov.inference.streaming import EmbeddedWindow, StagedNetwork, StreamSettings, WindowStream, streams_span
from openmov.media.decode import MediaInfo
from openmov.media.sampling import Span, WindowGrid, window_grid
from openmov.scoring.embeddings import AnswerRule
from openmov.scoring.paths import average_views
from openmov.scoring.segments import DEFAULT_MARGIN, PartAverager, Run, Segmenter
from openmov.scoring.unknown import NONE_OF_THESE, BackgroundTest
from openmov.text.vocabulary import Vocabulary
from openmov.types import OURS, ClassEmbeddings, Modality

_SHORTEST_HOP_SECONDS = 0.001
DEFAULT_WINDOW_SECONDS = 4.0


@dataclass(frozen=True)
class TimelineSettings:
    """How a long video is cut; refuses what would not cover it. Raises RecipeError."""

    window_seconds: float = DEFAULT_WINDOW_SECONDS
    """What one answer is given for."""
    hop_seconds: float | None = None
    """From window to window; None is half a window. At most a window: else time between them would not be seen."""
    min_seconds: float | None = None
    """No segment is shorter; None is a window."""
    margin: float = DEFAULT_MARGIN
    """A name goes on while it is less probable than the leader by no more than this."""

    def __post_init__(self) -> None:
        if not 0 < self.window_seconds < math.inf:
            raise RecipeError("--window", f"{self.window_seconds:g} s is not a length", "take some seconds, such as 4")
        if not 0 < self.hop < math.inf:
            raise RecipeError("--hop", f"{self.hop:g} s is not a length", "take half the window, or leave it out")
        if self.hop < _SHORTEST_HOP_SECONDS:
            what = f"{self.hop:g} s is less than {_SHORTEST_HOP_SECONDS:g} s, in which no picture follows another"
            raise RecipeError("--hop", what, "take half the window, or leave it out")
        if self.hop > self.window_seconds:
            what = f"{self.hop:g} s is more than the window of {self.window_seconds:g} s: what lies between is not seen"
            raise RecipeError("--hop", what, "take a longer window (it costs no more), or a shorter hop")
        if not 0 <= self.shortest < math.inf:
            raise RecipeError("--min-segment", f"{self.shortest:g} s is not a length", "take 0 or more")

    @property
    def hop(self) -> float:
        """Seconds from window to window."""
        return self.window_seconds / 2 if self.hop_seconds is None else self.hop_seconds

    @property
    def shortest(self) -> float:
        """Seconds of the shortest segment."""
        return self.window_seconds if self.min_seconds is None else self.min_seconds


@dataclass(frozen=True)
class Answering:
    """How a window's embeddings become an answer."""

    rule: AnswerRule
    """The path."""
    classes: ClassEmbeddings
    """The labels."""
    vocabulary: Vocabulary
    """The labels with their roles."""
    test: BackgroundTest | None = None
    """Whether any label fits; None takes that for granted."""
    top: int = 5
    """Answers a window."""


class Timeline:
    """The windows and segments of one file, in order of time. Iterate once; raises DecodeError."""

    def __init__(
        self,
        path: Path,
        info: MediaInfo,
        network: StagedNetwork,
        answering: Answering,
        stream: StreamSettings,
        settings: TimelineSettings | None = None,
    ) -> None:
        """`info` is what the file holds. Raises DecodeError where that is nothing the network looks at."""
        self.path, self.settings = path, settings or TimelineSettings()
        others = [one for one in Modality if one in stream.modalities and one not in OURS]
        if others:
            what = f"{others[0]} cannot be looked at in a long video yet, only in whole clips"
            raise RecipeError("--timeline", what, "leave it out, or ask a run without it")
        span = streams_span(info, stream.modalities)
        if span is None:
            wanted = " or ".join(modality for modality in Modality if modality in stream.modalities)
            raise DecodeError(path, f"gives no {wanted}", "drop it, or use a model for what it holds")
        frames = stream.pictures.video.num_frames
        self.grid: WindowGrid = window_grid(span, self.settings.window_seconds, self.settings.hop, frames)
        """Which windows there are."""
        self._network, self._answering = network, answering
        self._open: tuple[PartAverager, Segmenter] | None = None
        self._stream = WindowStream(path, info, self.grid, network, stream)

    @property
    def notes(self) -> tuple[str, ...]:
        """What was odd in the file and yet answered from, such as one that breaks off; known at the end."""
        return self._stream.notes

    def __iter__(self) -> Iterator[Window | Segment]:
        averager, segmenter = PartAverager(self.grid), Segmenter(self.settings.shortest, self.settings.margin)
        self._open = (averager, segmenter)
        for number, embedded in enumerate(self._stream, start=1):
            window, votes = self._answered(embedded)
            yield window
            averager.take(embedded.span, votes)
            if number < self.grid.num_windows:
                yield from self._closed(averager, segmenter, self.grid.window(number))
        yield from self.rest()

    def rest(self) -> Iterator[Segment]:
        """What is left to say at the end, or wherever the reading was interrupted; once."""
        if self._open is not None:
            averager, segmenter = self._open
            self._open = None
            yield from self._closed(averager, segmenter, None)
            yield from map(self._segment, segmenter.rest())

    def _closed(self, averager: PartAverager, segmenter: Segmenter, following: Span | None) -> Iterator[Segment]:
        for part, votes in averager.ready(following):
            yield from map(self._segment, segmenter.take(part, votes))

    def _answered(self, embedded: EmbeddedWindow) -> tuple[Window, Float[Tensor, "labels_and_none"]]:
        """The answer of a window, and its votes: the labels' probabilities, or one for "none of these"."""
        answering, joined = self._answering, embedded.joined(self._network)
        rows = answering.rule(joined, answering.classes, answering.vocabulary)
        probabilities = average_views(rows, len(rows))[0]
        fit = None if answering.test is None else answering.test.fit(joined)
        present = tuple(modality for modality in Modality if modality in embedded.tokens)
        best = ranked(probabilities, answering.vocabulary.names, answering.top)
        window = Window(embedded.span.start_seconds, embedded.span.end_seconds, best, present, fit)
        known = fit is None or not fit.rejected
        none = probabilities.new_tensor([0.0 if known else 1.0])
        return window, torch.cat([probabilities if known else torch.zeros_like(probabilities), none])

    def _segment(self, run: Run) -> Segment:
        names = self._answering.vocabulary.names
        known = run.name_index < len(names)
        name = names[run.name_index] if known else NONE_OF_THESE
        return Segment(run.span.start_seconds, run.span.end_seconds, name, run.probability, known)
