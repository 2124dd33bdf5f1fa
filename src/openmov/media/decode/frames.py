"""The pictures on screen at given times, alone or each with its successor in the video.

Times may come in any order and repeat; the file is walked once, forward, and every group of pictures is decoded at
most once. Memory is that of the pictures asked for plus a few: it does not grow with the video's length.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Float64, UInt8

from openmov.errors import DecodeError
from openmov.media.decode.picture import Picture
from openmov.media.decode.reader import TIME_TOLERANCE_SECONDS, VideoReader
from openmov.media.decode.source import decode_errors

LOOK_AHEAD_SECONDS = 1.0
LOOK_BACK_PICTURES = 16


@dataclass(frozen=True)
class Frames:
    """Pictures of one video with the times at which they come on screen."""

    images: UInt8[np.ndarray, "time height width 3"] = field(repr=False)
    """RGB, upright."""
    times_seconds: Float64[np.ndarray, "time"] = field(repr=False)
    """True presentation times on the file's clock, not the times asked for."""
    missing_seconds: float = 0.0
    """How much of the asked span the file promises but does not hold (cut off): its last picture stands there."""
    num_damaged_packets: int = 0
    """Packets on the way that could not be decoded."""


@dataclass(frozen=True)
class FramePairs:
    """Pictures and their successors: `second` follows `first` in the video."""

    first: Frames
    """The pictures asked for; at the video's end their predecessors."""
    second: Frames
    """The next pictures that differ from them; at the video's end the pictures asked for."""


def read_frames(path: Path, times_seconds: Sequence[float] | Float64[np.ndarray, "time"]) -> Frames:
    """The picture on screen at each time, in the order asked: the last one whose time is not after it.

    Half a millisecond of grace is given, for some formats round their times. A time after the end gives the last
    picture, one before the first picture gives the first. Raises DecodeError if the file has no video or none of
    it can be decoded, ValueError for times that are none.
    """
    targets, where = _ascending(times_seconds)
    with VideoReader(path) as reader, decode_errors(path):
        shown = _walk(reader, targets, targets, _Searches(None))
        return _frames(reader, [shown[index] for index in where], _missing_seconds(reader, targets, shown))


def read_frame_pairs(
    path: Path,
    times_seconds: Sequence[float] | Float64[np.ndarray, "time"],
    *,
    min_gap_seconds: float = 1 / 50,
) -> FramePairs:
    """The picture on screen at each time, with its successor, in the order asked.

    The successor is the first later picture at least `min_gap_seconds` away that is not a repeat of it, looked for
    over one second; if all of that second repeats it, the first picture far enough away, so that nothing moves.
    Where the video ends first, the pair is the one before: the latest picture of the 16 before it that is far
    enough away and differs, and the picture itself. A video of one picture gives that twice. Raises as
    `read_frames`.
    """
    targets, where = _ascending(times_seconds)
    with VideoReader(path) as reader, decode_errors(path):
        searches = _Searches(min_gap_seconds)
        shown = _walk(reader, targets, _with_run_up(reader, targets), searches)
        pairs = [searches.pair(picture) for picture in shown]
        missing = _missing_seconds(reader, targets, shown)
        first = _frames(reader, [pairs[index][0] for index in where], missing)
        return FramePairs(first, _frames(reader, [pairs[index][1] for index in where], missing))


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
    """All searches of one walk, and the few pictures it passed last; with no gap given it searches for nothing."""

    def __init__(self, min_gap_seconds: float | None) -> None:
        self.min_gap_seconds = min_gap_seconds
        self.open: list[SuccessorSearch] = []
        self._all: dict[int, SuccessorSearch] = {}
        self._passed: deque[Picture] = deque(maxlen=LOOK_BACK_PICTURES)

    def jumped(self) -> None:
        self._passed.clear()

    def start(self, shown: Picture) -> None:
        if self.min_gap_seconds is not None and id(shown) not in self._all:
            search = SuccessorSearch(shown, tuple(self._passed), self.min_gap_seconds)
            self._all[id(shown)] = search
            self.open.append(search)

    def offer(self, picture: Picture) -> None:
        self.open = [search for search in self.open if not search.offer(picture)]

    def passed(self, picture: Picture) -> None:
        if self.min_gap_seconds is not None:
            self._passed.append(picture)

    def pair(self, shown: Picture) -> tuple[Picture, Picture]:
        return self._all[id(shown)].pair()


def _walk(
    reader: VideoReader,
    targets: Float64[np.ndarray, "unique"],
    plan_for: Float64[np.ndarray, "unique"],
    searches: _Searches,
) -> list[Picture]:
    """The picture on screen at each ascending target, decoding from the keyframes that `plan_for` leads to."""
    entries = reader.plan(plan_for.tolist())
    shown: list[Picture] = []
    picture: Picture | None = None
    while len(shown) < len(targets) or searches.open:
        if not searches.open and reader.must_enter(entries[len(shown)]):
            reader.enter(entries[len(shown)], float(targets[len(shown)]))
            searches.jumped()
        following = reader.advance()
        if following is None:
            break
        picture = following
        searches.offer(picture)
        upcoming = reader.peek()
        until = np.inf if upcoming is None else upcoming.time_seconds - TIME_TOLERANCE_SECONDS
        while len(shown) < len(targets) and targets[len(shown)] < until:
            shown.append(picture)
            searches.start(picture)
        searches.passed(picture)
    if picture is None:
        raise DecodeError(reader.source.path, "none of its pictures can be decoded", "drop it, or fetch it again")
    return shown


def _ascending(
    times_seconds: Sequence[float] | Float64[np.ndarray, "time"],
) -> tuple[Float64[np.ndarray, "unique"], list[int]]:
    times = np.asarray(times_seconds, np.float64)
    if times.ndim != 1 or len(times) == 0 or not np.isfinite(times).all():
        raise ValueError(f"times_seconds must be a list of one finite time or more, not {times_seconds!r}")
    targets, where = np.unique(times, return_inverse=True)
    return targets, where.tolist()


def _with_run_up(reader: VideoReader, targets: Float64[np.ndarray, "unique"]) -> Float64[np.ndarray, "unique"]:
    """Times to plan for such that the pictures before the video's last one are decoded too."""
    end = np.inf if reader.promised_end_seconds is None else reader.promised_end_seconds
    near_end = (targets > end - LOOK_AHEAD_SECONDS) | (end == np.inf)
    run_up = np.minimum(targets, end) - LOOK_AHEAD_SECONDS
    return np.where(near_end, np.maximum(run_up, reader.start_seconds), targets)


def _missing_seconds(reader: VideoReader, targets: Float64[np.ndarray, "unique"], shown: list[Picture]) -> float:
    promised = reader.promised_end_seconds
    if promised is None:
        return 0.0
    held = shown[-1].time_seconds + shown[-1].duration_seconds
    missing = min(float(targets[-1]), promised) - held
    return missing if missing > 2 * reader.step_seconds else 0.0


def _frames(reader: VideoReader, pictures: list[Picture], missing_seconds: float) -> Frames:
    images = np.stack([picture.image for picture in pictures])
    times = np.array([picture.time_seconds for picture in pictures], np.float64)
    return Frames(images, times, missing_seconds, reader.num_damaged)
