"""The pictures that the views of one video need, read in one pass and no larger than they are needed.

    moments (times and crops of all views) --media--> crops, and grey pairs for flow --> one moment, one view

Decodes on first use, and only once for all moments unless that takes too much memory: then for a few at a time, which
should be asked for in order. A video all of whose inputs are stored is never opened. Knows nothing of what the pictures
are for.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from openmov.data.segment import file_facts
from openmov.media.decode import PLAIN, Decoder, GreyPairs, Moment, MomentPictures, Sizes
from openmov.media.scaling import working_size

_MOST_BYTES = 256 << 20
"""Of pictures held at once, unless one moment alone takes more: forty of 16 frames through three crops, with pairs."""


class Footage:
    """Pictures of one file at several moments."""

    def __init__(self, path: Path, moments: Sequence[Moment], sizes: Sizes, decoder: Decoder = PLAIN) -> None:
        self._path, self._moments, self._sizes, self._decoder = path, list(moments), sizes, decoder
        self._held = range(0)
        self._pictures: tuple[MomentPictures, ...] = ()
        self._missing_seconds = 0.0
        self._num_damaged = 0

    def crop(self, moment: int, crop: int) -> UInt8[np.ndarray, "time size size 3"]:
        """What is on screen at the times of a moment, through one of its crops. Raises DecodeError."""
        pictures: UInt8[np.ndarray, "time size size 3"] = self._at(moment).crops[crop]
        return pictures

    def pairs(self, moment: int) -> GreyPairs:
        """What is on screen and what follows it. Raises DecodeError; ValueError if pairs were not planned."""
        pairs = self._at(moment).pairs
        if pairs is None:
            raise ValueError("footage was planned without pairs")
        return pairs

    @property
    def notes(self) -> tuple[str, ...]:
        """What was odd in the file, as far as it was decoded: one phrase each."""
        notes = []
        if self._missing_seconds:
            notes.append(f"cut off: {self._missing_seconds:.1f} s are missing, its last picture stands there")
        if self._num_damaged:
            notes.append(f"damaged packets: {self._num_damaged}")
        return tuple(notes)

    def _at(self, moment: int) -> MomentPictures:
        if moment not in self._held:
            self._pictures = ()  # their memory is needed
            self._held = self._read_with(moment)
            read = self._decoder.read_moments(self._path, [self._moments[one] for one in self._held], self._sizes)
            self._pictures = read.pictures
            self._missing_seconds = max(self._missing_seconds, read.missing_seconds)
            self._num_damaged = max(self._num_damaged, read.num_damaged_packets)
        return self._pictures[moment - self._held.start]

    def _read_with(self, moment: int) -> range:
        """The moments that are read together with this one."""
        count = max(_MOST_BYTES // max(map(self._num_bytes, self._moments)), 1)
        first = moment - moment % count
        return range(first, min(first + count, len(self._moments)))

    def _num_bytes(self, moment: Moment) -> int:
        video, sizes, pixels = file_facts(self._path, self._decoder).video, self._sizes, 0
        if video is not None and sizes.grey_short_side is not None:
            height, width = working_size(video.height, video.width, sizes.grey_short_side)
            pixels = 2 * height * width
        return len(moment.times_seconds) * (3 * len(moment.crops) * sizes.crop_size**2 + pixels) or 1
