"""The pictures on screen at ascending times, one after the other, from one walk through the file.

For long videos: nothing is kept but the few pictures whose successor is still looked for, so memory does not grow with
the number of times asked for. Times far apart are reached by way of keyframes, close ones by decoding on.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

import numpy as np
from jaxtyping import UInt8

from openmov.errors import DecodeError
from openmov.media.decode.picture import Picture
from openmov.media.decode.reader import TIME_TOLERANCE_SECONDS, VideoReader
from openmov.media.decode.source import decode_errors
from openmov.media.decode.walk import LOOK_AHEAD_SECONDS, LOOK_BACK_PICTURES, SuccessorSearch

_WORTH_A_JUMP_SECONDS = 2.0
"""Times closer than this are reached by decoding on, without looking for a keyframe between them."""

Image = UInt8[np.ndarray, "height width 3"]


@dataclass(frozen=True)
class StreamedFrame:
    """What is on screen at one of the times asked for."""

    image: Image = field(repr=False)
    """RGB, upright."""
    time_seconds: float
    """When it came on screen; equal for consecutive times at which the same picture stands."""
    pair: tuple[Image, Image] | None = field(default=None, repr=False)
    """The picture and its successor in the video, as in `read_frame_pairs`; None where no pairs were asked for."""


class FrameStream:
    """Iterate over it once, inside `with`; ends early where the file breaks off. Raises DecodeError."""

    def __init__(self, path: Path, times_seconds: Iterable[float], *, min_gap_seconds: float | None = None) -> None:
        """`times_seconds` ascend; with `min_gap_seconds` every frame comes with its successor."""
        self.held_seconds: float | None = None
        """Known at the end: when the last picture that could be decoded goes off the screen."""
        self.promised_seconds: float | None = None
        """When it should go, by the header."""
        self._path, self._times, self._min_gap_seconds = path, iter(times_seconds), min_gap_seconds
        self._reader = VideoReader(path)
        self._reached: float | None = None
        self._passed: deque[Picture] = deque(maxlen=LOOK_BACK_PICTURES)
        self._waiting: deque[tuple[Picture, SuccessorSearch | None]] = deque()
        self.promised_seconds = self._reader.promised_end_seconds

    def __enter__(self) -> "FrameStream":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._reader.close()

    @property
    def num_decoded(self) -> int:
        """Pictures decoded so far."""
        return self._reader.num_decoded

    @property
    def num_damaged(self) -> int:
        """Packets that could not be read or decoded so far."""
        return self._reader.num_damaged

    @property
    def missing_seconds(self) -> float:
        """Known at the end: how much the header promises and the file does not hold (cut off)."""
        if self.held_seconds is None or self.promised_seconds is None:
            return 0.0
        missing = self.promised_seconds - self.held_seconds
        return missing if missing > 2 * self._reader.step_seconds else 0.0

    def __iter__(self) -> Iterator[StreamedFrame]:
        with decode_errors(self._path):
            yield from self._walk()

    def _walk(self) -> Iterator[StreamedFrame]:
        target = next(self._times, None)
        picture: Picture | None = None
        while target is not None or self._waiting:
            self._jump_towards(target, picture)
            following = self._reader.advance()
            if following is None:
                break
            picture = following
            for _, search in self._waiting:
                if search is not None and search.found is None:
                    search.offer(picture)
            upcoming = self._reader.peek()
            until = self._last_shown(picture) if upcoming is None else upcoming.time_seconds - TIME_TOLERANCE_SECONDS
            while target is not None and target < until:
                self._waiting.append((picture, self._search(picture)))
                target = next(self._times, None)
            self._passed.append(picture)
            while self._waiting and _known(self._waiting[0][1]):
                yield _streamed(*self._waiting.popleft())
        if picture is None:
            raise DecodeError(self._path, "none of its pictures can be decoded", "drop it, or fetch it again")
        while self._waiting:
            yield _streamed(*self._waiting.popleft())

    def _search(self, picture: Picture) -> SuccessorSearch | None:
        if self._min_gap_seconds is None:
            return None
        if self._waiting and self._waiting[-1][0] is picture:
            return self._waiting[-1][1]
        return SuccessorSearch(picture, tuple(self._passed), self._min_gap_seconds)

    def _last_shown(self, last: Picture) -> float:
        """Until when the video's last picture stands: for ever, unless the file breaks off there."""
        self.held_seconds = last.time_seconds + last.duration_seconds
        return self.held_seconds if self.missing_seconds else np.inf

    def _jump_towards(self, target: float | None, picture: Picture | None) -> None:
        """Skips to the last keyframe before a time that is far away; with pairs, to one a second earlier at least."""
        here = self._reader.start_seconds if picture is None else picture.time_seconds
        if target is None or self._waiting or target - here <= _WORTH_A_JUMP_SECONDS or target == self._reached:
            return
        self._reached = target
        wanted = target if self._min_gap_seconds is None else target - LOOK_AHEAD_SECONDS
        if self._reader.reach(wanted, self._reader.entry_apart(wanted)):
            self._passed.clear()


def _known(search: SuccessorSearch | None) -> bool:
    return search is None or search.found is not None


def _streamed(picture: Picture, search: SuccessorSearch | None) -> StreamedFrame:
    if search is None:
        return StreamedFrame(picture.image, picture.time_seconds)
    first, second = search.pair()
    return StreamedFrame(picture.image, picture.time_seconds, (first.image, second.image))
