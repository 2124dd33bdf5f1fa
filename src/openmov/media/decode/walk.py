"""One walk through a video, forward: the picture on screen at each time, and its successor where that is wanted.

Each is given as soon as it is known, and then forgotten: memory is that of a few pictures, whatever the number of times
and the length of the video. Every group of pictures is decoded at most once.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from openmov.errors import DecodeError
from openmov.media.decode.picture import Picture
from openmov.media.decode.reader import TIME_TOLERANCE_SECONDS, VideoReader

LOOK_AHEAD_SECONDS = 1.0
LOOK_BACK_PICTURES = 16


@dataclass(frozen=True)
class Found:
    """What one picture on screen belongs to."""

    targets: tuple[int, ...]
    """At which of the times asked for it is on screen."""
    shown: Picture
    """The picture on screen."""
    first: Picture
    """The picture itself; at the video's end its predecessor."""
    second: Picture
    """Its successor; at the video's end the picture itself. Where no pairs are wanted, all three are one."""
    is_last: bool = False
    """Whether the picture on screen is the last there is."""


def walk(
    reader: VideoReader, targets: Float64[np.ndarray, "unique"], min_gap_seconds: float | None = None
) -> Iterator[Found]:
    """What is on screen at ascending targets, with successors if a gap is given; each target once, in any order.

    Raises DecodeError where none of the pictures can be decoded.
    """
    searches = _Searches(min_gap_seconds)
    plan_for = targets if min_gap_seconds is None else _with_run_up(reader, targets)
    entries = reader.plan(plan_for.tolist())
    asked, reached, picture = 0, -1, None
    while asked < len(targets) or searches.open:
        if not searches.open and reached < asked:
            reached = asked  # once a target: then only going on can lead to it
            if reader.reach(float(targets[asked]), entries[asked]):
                searches.jumped()
        following = reader.advance()
        if following is None:
            break
        picture = following
        yield from searches.offer(picture)
        upcoming = reader.peek()
        until = np.inf if upcoming is None else upcoming.time_seconds - TIME_TOLERANCE_SECONDS
        due = tuple(range(asked, max(asked, int(np.searchsorted(targets, until)))))
        if due:
            asked = due[-1] + 1
            yield from searches.start(picture, due, is_last=upcoming is None)
        searches.passed(picture)
    if picture is None or asked < len(targets):
        raise DecodeError(reader.source.path, "none of its pictures can be decoded", "drop it, or fetch it again")
    yield from searches.rest()


class WalkingReader(VideoReader):
    """A reader that finds what is on screen by walking."""

    def __enter__(self) -> "WalkingReader":
        return self

    def found(self, targets: Float64[np.ndarray, "unique"], min_gap_seconds: float | None = None) -> Iterator[Found]:
        """As `walk`."""
        return walk(self, targets, min_gap_seconds)


class SuccessorSearch:
    """The search for the successor of one picture."""

    def __init__(self, shown: Picture, earlier: tuple[Picture, ...], min_gap_seconds: float) -> None:
        self.shown = shown
        self.earlier = earlier
        self.far_enough = min_gap_seconds - TIME_TOLERANCE_SECONDS
        self.first_later: Picture | None = None
        self.found: Picture | None = None

    def offer(self, later: Picture) -> bool:
        """Takes a later picture into account; whether the search is over."""
        away = later.time_seconds - self.shown.time_seconds
        if away < self.far_enough:
            return False
        self.first_later = self.first_later or later
        if not later.looks_like(self.shown):
            self.found = later
        elif away >= LOOK_AHEAD_SECONDS:
            self.found = self.first_later
        if self.found is not None:
            self.earlier = ()
        return self.found is not None

    def pair(self) -> tuple[Picture, Picture]:
        """The picture and its successor; if the video ended before one was found, the pair before."""
        if self.found is not None:
            return self.shown, self.found
        latest = self.shown.time_seconds - self.far_enough
        before = [picture for picture in reversed(self.earlier) if picture.time_seconds <= latest]
        for picture in before:
            if not picture.looks_like(self.shown):
                return picture, self.shown
        if self.first_later is not None:
            return self.shown, self.first_later
        return (before[0] if before else self.shown), self.shown


class _Searches:
    """The open searches of one walk, and the few pictures it passed last; with no gap given it searches for nothing."""

    def __init__(self, min_gap_seconds: float | None) -> None:
        self.min_gap_seconds = min_gap_seconds
        self.open: list[tuple[SuccessorSearch, tuple[int, ...], bool]] = []
        self._passed: deque[Picture] = deque(maxlen=LOOK_BACK_PICTURES)

    def jumped(self) -> None:
        self._passed.clear()

    def start(self, shown: Picture, targets: tuple[int, ...], *, is_last: bool) -> Iterator[Found]:
        if self.min_gap_seconds is None:
            yield Found(targets, shown, shown, shown, is_last)
        else:
            search = SuccessorSearch(shown, tuple(self._passed), self.min_gap_seconds)
            self.open.append((search, targets, is_last))

    def offer(self, picture: Picture) -> Iterator[Found]:
        waiting, self.open = self.open, []
        for search, targets, is_last in waiting:
            if search.offer(picture):
                yield Found(targets, search.shown, *search.pair(), is_last)
            else:
                self.open.append((search, targets, is_last))

    def passed(self, picture: Picture) -> None:
        if self.min_gap_seconds is not None:
            for earlier in self._passed:
                earlier.forget_image()
            self._passed.append(picture)

    def rest(self) -> Iterator[Found]:
        """Those that the video's end leaves open."""
        for search, targets, is_last in self.open:
            yield Found(targets, search.shown, *search.pair(), is_last)


def _with_run_up(reader: VideoReader, targets: Float64[np.ndarray, "unique"]) -> Float64[np.ndarray, "unique"]:
    """Times to plan for such that the pictures before the video's last one are decoded too."""
    end = reader.end_seconds
    near_end = targets > end - LOOK_AHEAD_SECONDS
    run_up = np.minimum(targets, end) - LOOK_AHEAD_SECONDS
    return np.where(near_end, np.maximum(run_up, reader.start_seconds), targets)
