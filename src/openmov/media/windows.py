"""Sliding windows over a long video, and the one grid of times that all of them look at: arithmetic, no I/O.

    window 0   |.  .  .  .  .  .|
    window 1            |.  .  .  .  .  .|          the same frames where they overlap
    steps       .  .  .  .  .  .  .  .  .
    parts      |--------|--------|--------|         as long as a hop: what answers are given for

A frame stands in the middle of each step, and a hop is a whole number of steps: so consecutive windows share frames,
and each frame is decoded and embedded once. Parts are half-open, follow each other and cover the video exactly.
It knows nothing of files, pictures or answers.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

_ROUNDING = 1e-9


@dataclass(frozen=True)
class Span:
    """A piece of time, without its end."""

    start_seconds: float
    """On the file's clock."""
    end_seconds: float
    """On the file's clock."""

    @property
    def middle_seconds(self) -> float:
        """Half way."""
        return (self.start_seconds + self.end_seconds) / 2

    def holds(self, seconds: float) -> bool:
        """Whether a moment lies in it; an empty span holds its start."""
        return self.start_seconds <= seconds < self.end_seconds or seconds == self.start_seconds


@dataclass(frozen=True)
class WindowGrid:
    """Windows of one video, made by `window_grid`."""

    span: Span
    """What the windows cover, by what the file promises."""
    window_seconds: float
    """Length of a window; that of the span if it is shorter."""
    hop_seconds: float
    """From the start of a window to that of the next, and the length of a part."""
    steps_per_hop: int
    """Steps of the grid in a hop."""
    stride: int
    """Steps from frame to frame in a window; above 1 only where a hop is shorter than that."""
    frames_per_window: int
    """At most as many as were asked for."""

    @property
    def step_seconds(self) -> float:
        """From frame to frame of the grid."""
        return self.hop_seconds / self.steps_per_hop

    @property
    def num_windows(self) -> int:
        """At least one; the last one is moved back so that it ends with the video."""
        free = self._duration_seconds - self.window_seconds
        return 1 if free <= 0 else 1 + math.ceil(free / self.hop_seconds - _ROUNDING)

    @property
    def num_frames(self) -> int:
        """Frames of the grid that any window looks at."""
        return self.frames_of(self.num_windows - 1)[-1] + 1

    @property
    def num_parts(self) -> int:
        """At least one."""
        return max(1, math.ceil(self._duration_seconds / max(self.hop_seconds, _ROUNDING) - _ROUNDING))

    def frame_seconds(self, index: int) -> float:
        """When frame `index` of the grid is looked at: in the middle of its step, never after the end."""
        return min(self.span.start_seconds + (index + 0.5) * self.step_seconds, self.span.end_seconds)

    def frame_times(self) -> Iterator[float]:
        """The times of all frames."""
        return (self.frame_seconds(index) for index in range(self.num_frames))

    def frames_of(self, window: int) -> range:
        """The frames of the grid that a window looks at."""
        first = self._first_step(window) + self.stride // 2
        return range(first, first + self.frames_per_window * self.stride, self.stride)

    def window(self, index: int) -> Span:
        """The time that a window stands for."""
        start = self.span.start_seconds + self._first_step(index) * self.step_seconds
        return Span(start, min(start + self.window_seconds, self.span.end_seconds))

    def part(self, index: int) -> Span:
        """The time that part `index` stands for."""
        start, end = (self.span.start_seconds + edge * self.hop_seconds for edge in (index, index + 1))
        return Span(start, min(end, self.span.end_seconds))

    def _first_step(self, window: int) -> int:
        last = math.ceil((self._duration_seconds - self.window_seconds) / max(self.step_seconds, _ROUNDING) - _ROUNDING)
        return min(window * self.steps_per_hop, max(last, 0))

    @property
    def _duration_seconds(self) -> float:
        return self.span.end_seconds - self.span.start_seconds


def window_grid(span: Span, window_seconds: float, hop_seconds: float, num_frames: int) -> WindowGrid:
    """The grid on which windows of `window_seconds` see `num_frames` evenly spread frames, or a few less.

    The step is the shortest that divides the hop and gives a window no more than `num_frames`. A video shorter than a
    window is one window. Raises ValueError unless 0 < hop <= window: time between windows would never be looked at.
    """
    if not (0 < hop_seconds <= window_seconds < math.inf) or num_frames < 1:
        raise ValueError(f"no windows of {num_frames} frames: {window_seconds} s every {hop_seconds} s")
    duration = span.end_seconds - span.start_seconds
    if duration <= 0:
        return WindowGrid(span, 0.0, 0.0, 1, 1, 1)
    if duration <= window_seconds:
        return WindowGrid(span, duration, duration, num_frames, 1, num_frames)
    steps = max(1, math.floor(hop_seconds * num_frames / window_seconds + _ROUNDING))
    steps_per_window = window_seconds / (hop_seconds / steps)
    stride = max(1, math.ceil(steps_per_window / num_frames - _ROUNDING))
    frames = max(1, math.floor(steps_per_window / stride + _ROUNDING))
    return WindowGrid(span, window_seconds, hop_seconds, steps, stride, frames)
