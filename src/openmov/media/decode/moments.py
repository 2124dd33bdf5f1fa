"""The pictures of a video's views, already as small as they are needed.

A *moment* is what the views of one stretch of time have in common: times, looked at through one crop or several. Each
picture is made small as soon as it is decoded (`media.scaling`), to the bit as if whole pictures had been read first;
so memory grows with what is asked for and not with the video's resolution or length.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from openmov.media.decode.frames import Missing, ascending
from openmov.media.decode.source import decode_errors
from openmov.media.decode.walk import Found, WalkingReader
from openmov.media.sampling import Crop
from openmov.media.scaling import Interpolation, cut_out, working_grey


@dataclass(frozen=True)
class Moment:
    """Times of one video, and through what they are looked at."""

    times_seconds: tuple[float, ...]
    """On the file's clock."""
    crops: tuple[Crop, ...] = ()
    """Parts of the pictures; their flips are for whoever shows them."""


@dataclass(frozen=True)
class Sizes:
    """What is made of a video's pictures."""

    crop_size: int
    """Side of a crop in pixels."""
    grey_short_side: int | None = None
    """Short side of the grey pairs for optical flow; None for no pairs."""
    min_gap_seconds: float = 1 / 50
    """A picture's successor is at least so much later."""
    interpolation: Interpolation = "bicubic"
    """How crops are resampled."""


@dataclass(frozen=True)
class GreyPairs:
    """Pictures and their successors in grey, at the working size of optical flow."""

    first: UInt8[np.ndarray, "time height width"] = field(repr=False)
    """The pictures on screen; at the video's end their predecessors."""
    second: UInt8[np.ndarray, "time height width"] = field(repr=False)
    """The next pictures that differ from them; at the video's end those on screen."""


@dataclass(frozen=True)
class MomentPictures:
    """What one moment shows."""

    crops: UInt8[np.ndarray, "crops time size size 3"] = field(repr=False)
    """RGB through every crop, not mirrored."""
    pairs: GreyPairs | None
    """For optical flow, where it was asked for."""


@dataclass(frozen=True)
class Moments:
    """Several moments of one video."""

    pictures: tuple[MomentPictures, ...]
    """In the order asked."""
    missing_seconds: float = 0.0
    """How much of the asked span the file promises but does not hold: its last picture stands there."""
    num_damaged_packets: int = 0
    """Packets on the way that could not be decoded."""


def read_moments(
    path: Path, moments: Sequence[Moment], sizes: Sizes, *, opens: type[WalkingReader] = WalkingReader
) -> Moments:
    """All moments in one walk through the video, each picture decoded once.

    Pictures on screen and their successors are those of `read_frame_pairs`. Raises as `read_frames`.
    """
    targets, where = ascending([time for moment in moments for time in moment.times_seconds])
    filled = [_Filled(moment, sizes) for moment in moments]
    seats = [
        (one, row) for one, moment in zip(filled, moments, strict=True) for row in range(len(moment.times_seconds))
    ]
    with opens(path) as reader, decode_errors(path):
        missing = Missing(reader, targets)
        for found in reader.found(targets, None if sizes.grey_short_side is None else sizes.min_gap_seconds):
            missing.take(found)
            pair = None if sizes.grey_short_side is None else _grey_pair(found, sizes.grey_short_side)
            for seat in np.flatnonzero(np.isin(where, found.targets)):
                one, row = seats[seat]
                one.put(row, found, pair)
        return Moments(tuple(one.pictures() for one in filled), missing.seconds, reader.num_damaged)


_Grey = UInt8[np.ndarray, "height width"]


def _grey_pair(found: Found, short_side: int) -> tuple[_Grey, _Grey]:
    return working_grey(found.first.image, short_side), working_grey(found.second.image, short_side)


class _Filled:
    """The pictures of one moment, put into their places as they come."""

    def __init__(self, moment: Moment, sizes: Sizes) -> None:
        self._crops_wanted, self._sizes, self._count = moment.crops, sizes, len(moment.times_seconds)
        side = sizes.crop_size
        self._crops = np.empty((len(moment.crops), len(moment.times_seconds), side, side, 3), np.uint8)
        self._pairs: GreyPairs | None = None

    def put(self, row: int, found: Found, pair: tuple[_Grey, _Grey] | None) -> None:
        for crop, place in zip(self._crops_wanted, self._crops, strict=True):
            place[row] = cut_out(found.shown.image, crop, self._sizes.crop_size, self._sizes.interpolation)
        if pair is not None:
            if self._pairs is None:
                shape = (self._count, *pair[0].shape)
                self._pairs = GreyPairs(np.empty(shape, np.uint8), np.empty(shape, np.uint8))
            self._pairs.first[row], self._pairs.second[row] = pair

    def pictures(self) -> MomentPictures:
        return MomentPictures(self._crops, self._pairs)
