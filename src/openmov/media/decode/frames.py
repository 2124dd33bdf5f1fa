"""The pictures on screen at given times, alone or each with its successor in the video, at their full size.

Times may come in any order and repeat. Memory is that of the pictures asked for plus a few.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Float64, Int64, UInt8

from openmov.media.decode.picture import Picture
from openmov.media.decode.reader import VideoReader
from openmov.media.decode.source import decode_errors
from openmov.media.decode.walk import Found, WalkingReader

Times = Sequence[float] | Float64[np.ndarray, "time"]


@dataclass(frozen=True)
class Frames:
    """Pictures of one video with the times at which they come on screen."""

    images: UInt8[np.ndarray, "time height width 3"] = field(repr=False)
    """RGB, upright, of square pixels."""
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


def read_frames(path: Path, times_seconds: Times, *, opens: type[WalkingReader] = WalkingReader) -> Frames:
    """The picture on screen at each time, in the order asked: the last one whose time is not after it.

    Half a millisecond of grace is given, for some formats round their times. A time after the end gives the last
    picture, one before the first picture gives the first. Raises DecodeError if the file has no video or none of
    it can be decoded, ValueError for times that are none.
    """
    targets, where = ascending(times_seconds)
    shown = _Collection(where)
    with opens(path) as reader, decode_errors(path):
        missing = Missing(reader, targets)
        for found in reader.found(targets):
            missing.take(found)
            shown.put(found.targets, found.shown)
        return shown.frames(missing.seconds, reader.num_damaged)


def read_frame_pairs(
    path: Path,
    times_seconds: Times,
    *,
    min_gap_seconds: float = 1 / 50,
    opens: type[WalkingReader] = WalkingReader,
) -> FramePairs:
    """The picture on screen at each time, with its successor, in the order asked.

    The successor is the first later picture at least `min_gap_seconds` away that is not a repeat of it, looked for
    over one second; if all of that second repeats it, the first picture far enough away, so that nothing moves.
    Where the video ends first, the pair is the one before: the latest picture of the 16 before it that is far
    enough away and differs, and the picture itself. A video of one picture gives that twice. Raises as
    `read_frames`.
    """
    targets, where = ascending(times_seconds)
    first, second = _Collection(where), _Collection(where)
    with opens(path) as reader, decode_errors(path):
        missing = Missing(reader, targets)
        for found in reader.found(targets, min_gap_seconds):
            missing.take(found)
            first.put(found.targets, found.first)
            second.put(found.targets, found.second)
        facts = missing.seconds, reader.num_damaged
        return FramePairs(first.frames(*facts), second.frames(*facts))


def ascending(times_seconds: Times) -> tuple[Float64[np.ndarray, "unique"], Int64[np.ndarray, "time"]]:
    """The times in order, each once, and for every time its place among them. Raises ValueError for none at all."""
    times = np.asarray(times_seconds, np.float64)
    if times.ndim != 1 or len(times) == 0 or not np.isfinite(times).all():
        raise ValueError(f"times_seconds must be a list of one finite time or more, not {times_seconds!r}")
    targets, where = np.unique(times, return_inverse=True)
    return targets, where


class Missing:
    """How much of the asked span a video promises but does not hold."""

    def __init__(self, reader: VideoReader, targets: Float64[np.ndarray, "unique"]) -> None:
        self.seconds = 0.0
        self._reader, self._targets = reader, targets

    def take(self, found: Found) -> None:
        """Takes note of the picture on screen at some of the times; the last one decides, if it is the video's last
        too: one that others follow may stand as long as it likes.
        """
        promised = self._reader.promised_end_seconds
        if promised is not None and found.is_last and found.targets[-1] == len(self._targets) - 1:
            held = found.shown.time_seconds + found.shown.duration_seconds
            missing = min(float(self._targets[-1]), promised) - held
            self.seconds = missing if missing > 2 * self._reader.step_seconds else 0.0


class _Collection:
    """Full-size pictures, put into their places as they come."""

    def __init__(self, where: Int64[np.ndarray, "time"]) -> None:
        self._where = where
        self._images: UInt8[np.ndarray, "time height width 3"] | None = None
        self._times = np.zeros(len(where))

    def put(self, targets: tuple[int, ...], picture: Picture) -> None:
        if self._images is None:
            self._images = np.empty((len(self._where), *picture.image.shape), np.uint8)
        rows = np.isin(self._where, targets)
        self._images[rows] = picture.image
        self._times[rows] = picture.time_seconds

    def frames(self, missing_seconds: float, num_damaged: int) -> Frames:
        assert self._images is not None
        return Frames(self._images, self._times, missing_seconds, num_damaged)
