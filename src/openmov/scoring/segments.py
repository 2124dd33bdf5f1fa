"""From the answers of overlapping windows to segments: "from 12 to 31 s: playing guitar, 0.82".

    windows --mean of those that lie over a part--> parts --hysteresis, least duration--> segments

A part is as long as a hop; its probabilities are the mean of all windows that lie over its middle. A segment goes on as
long as its name leads or is within `margin` of the leader. Another name takes over once the segment's own has been
behind for `min_seconds` on end, from where that began; it is then the name that was most probable on average since.
So no segment is shorter than `min_seconds`, unless the video is. What has not lasted so long belongs to the segment
before it. Segments follow each other without a gap, and each is known `min_seconds` after its end at the latest.

Knows nothing of files and networks. Memory: one row of probabilities for each window over a part, and one more.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from openmov.media.sampling import Span, WindowGrid

DEFAULT_MARGIN = 0.1
_ROUNDING_SECONDS = 1e-6


@dataclass(frozen=True)
class Run:
    """Parts that follow each other and show the same."""

    span: Span
    """From the start of the first to the end of the last."""
    name_index: int
    """What they show: a column of the probabilities."""
    probability: float
    """Its mean over the parts."""


class PartAverager:
    """Takes the windows of a grid in their order; gives the parts in theirs."""

    def __init__(self, grid: WindowGrid) -> None:
        self._grid = grid
        self._windows: deque[tuple[Span, Float[Tensor, "classes"]]] = deque()
        self._next_part = 0

    def take(self, window: Span, probabilities: Float[Tensor, "classes"]) -> None:
        """One more window."""
        self._windows.append((window, probabilities))

    def ready(self, following: Span | None) -> Iterator[tuple[Span, Float[Tensor, "classes"]]]:
        """The parts that no window to come lies over; `following` is the next window, None if there is none.

        Where the windows end early (the file breaks off) the parts end with them.
        """
        while self._next_part < self._grid.num_parts:
            part = self._grid.part(self._next_part)
            if following is not None and following.start_seconds <= part.middle_seconds:
                return
            over = self._over(part)
            if not over:
                return
            covered = max(span.end_seconds for span, _ in over)
            # A rounding apart they are the same moment: segments meet exactly.
            end = part.end_seconds if covered > part.end_seconds - _ROUNDING_SECONDS else covered
            yield Span(part.start_seconds, end), torch.stack([row for _, row in over]).mean(dim=0)
            self._next_part += 1

    def _over(self, part: Span) -> list[tuple[Span, Float[Tensor, "classes"]]]:
        """The windows over a part's middle; over its start, where the file breaks off between the two."""
        while len(self._windows) > 1 and self._windows[0][0].end_seconds <= part.start_seconds:
            self._windows.popleft()
        for moment in (part.middle_seconds, part.start_seconds):
            over = [(span, row) for span, row in self._windows if span.holds(moment)]
            if over:
                return over
        return []


class Segmenter:
    """Takes parts in their order; gives segments as soon as they are closed."""

    def __init__(self, min_seconds: float, margin: float = DEFAULT_MARGIN) -> None:
        self._min_seconds, self._margin = min_seconds, margin
        self._current: _Gathered | None = None
        self._doubtful: _Gathered | None = None

    def take(self, part: Span, probabilities: Float[Tensor, "classes"]) -> Iterator[Run]:
        """The segment that this part closes, if it closes one."""
        if self._current is not None and self._goes_on(probabilities):
            self._settle_doubt()
            self._current.add(part, probabilities)
            return
        if self._doubtful is None:
            self._doubtful = _Gathered(part.start_seconds, torch.zeros_like(probabilities))
        self._doubtful.add(part, probabilities)
        if self._doubtful.seconds >= self._min_seconds - 1e-6:
            closed, new = self._current, self._doubtful
            new.name_index = int(new.total.argmax())
            self._doubtful = None
            if closed is not None and closed.name_index == new.name_index:
                closed.join(new)
                return
            self._current = new
            if closed is not None:
                yield closed.run()

    def rest(self) -> Iterator[Run]:
        """The last segment, after the last part; none if there was no part."""
        if self._current is None and self._doubtful is not None:
            self._current, self._doubtful = self._doubtful, None
            self._current.name_index = int(self._current.total.argmax())
        if self._current is not None:
            self._settle_doubt()
            yield self._current.run()

    def _goes_on(self, probabilities: Float[Tensor, "classes"]) -> bool:
        assert self._current is not None
        own = float(probabilities[self._current.name_index])
        return own >= float(probabilities.max()) - self._margin

    def _settle_doubt(self) -> None:
        if self._current is not None and self._doubtful is not None:
            self._current.join(self._doubtful)
        self._doubtful = None


class _Gathered:
    """Parts that follow each other, and the sum of their probabilities weighted by their lengths."""

    def __init__(self, start_seconds: float, total: Float[Tensor, "classes"]) -> None:
        self.start_seconds = self.end_seconds = start_seconds
        self.total = total
        self.weight = 0.0
        self.name_index = 0

    @property
    def seconds(self) -> float:
        return self.end_seconds - self.start_seconds

    def add(self, part: Span, probabilities: Float[Tensor, "classes"]) -> None:
        # A video of one picture has a part without length, which counts all the same.
        weight = max(part.end_seconds - part.start_seconds, 1e-9)
        self.total = self.total + weight * probabilities
        self.weight += weight
        self.end_seconds = part.end_seconds

    def join(self, later: "_Gathered") -> None:
        self.total = self.total + later.total
        self.weight += later.weight
        self.end_seconds = later.end_seconds

    def run(self) -> Run:
        span = Span(self.start_seconds, self.end_seconds)
        return Run(span, self.name_index, float(self.total[self.name_index]) / self.weight)
