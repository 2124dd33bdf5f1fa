"""The decoded pictures that the views of one video need, read in one pass.

    times of all views --media--> frames, or frames with their successors --slices--> one view

Decodes on first use, and only once for all views unless that takes too much memory: then for a few views at a time,
which should be asked for in order. A video all of whose inputs are stored is never opened. Knows nothing of crops and
of what the pictures are for.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import Float64, UInt8

from openmov.data.segment import file_facts
from openmov.media.decode import PLAIN, Decoder, FramePairs, Frames
from openmov.media.decode.reader import TIME_TOLERANCE_SECONDS

Images = UInt8[np.ndarray, "time height width 3"]

_MOST_BYTES = 512 << 20
"""Of decoded pictures held at once, unless one view alone takes more: four views of 16 pairs at 1280 x 720."""


class Footage:
    """Frames of one file at the times of several views."""

    def __init__(
        self,
        path: Path,
        times_seconds: Sequence[tuple[float, ...]],
        *,
        pairs: bool,
        min_gap_seconds: float,
        decoder: Decoder = PLAIN,
    ) -> None:
        """`times_seconds`: one row a view, all of one length. `pairs`: successors will be asked for too."""
        self._path, self._decoder = path, decoder
        self._times = list(times_seconds)
        self._pairs_wanted = pairs
        self._min_gap_seconds = min_gap_seconds
        self._held = range(0)
        self._decoded: Frames | FramePairs | None = None
        self._missing_seconds = 0.0
        self._num_damaged = 0

    def frames(self, view: int) -> Images:
        """The frames on screen at the times of a view. Raises DecodeError."""
        decoded = self._decode(view)
        rows = self._rows(view)
        if isinstance(decoded, Frames):
            return decoded.images[rows]
        # At the video's end a pair is (predecessor, last frame), and it is the second that is on screen.
        on_screen_by = np.asarray(self._times[view]) + TIME_TOLERANCE_SECONDS
        shown_second = decoded.second.times_seconds[rows] <= on_screen_by
        first, second = decoded.first.images[rows], decoded.second.images[rows]
        return np.where(shown_second[:, None, None, None], second, first)

    def pairs(self, view: int) -> FramePairs:
        """Those frames and their successors in the video. Raises DecodeError; ValueError if pairs were not planned."""
        decoded = self._decode(view)
        if not isinstance(decoded, FramePairs):
            raise ValueError("footage was planned without pairs")
        rows = self._rows(view)
        return FramePairs(_part(decoded.first, rows), _part(decoded.second, rows))

    @property
    def notes(self) -> tuple[str, ...]:
        """What was odd in the file, as far as it was decoded: one phrase each."""
        notes = []
        if self._missing_seconds:
            notes.append(f"cut off: {self._missing_seconds:.1f} s are missing, its last picture stands there")
        if self._num_damaged:
            notes.append(f"damaged packets: {self._num_damaged}")
        return tuple(notes)

    def _rows(self, view: int) -> slice:
        start = sum(len(times) for times in self._times[self._held.start : view])
        return slice(start, start + len(self._times[view]))

    def _decode(self, view: int) -> Frames | FramePairs:
        if self._decoded is None or view not in self._held:
            self._decoded = None  # its memory is needed
            self._held = self._decoded_with(view)
            self._decoded = self._read(np.concatenate([self._times[one] for one in self._held]))
            shown = self._decoded if isinstance(self._decoded, Frames) else self._decoded.first
            self._missing_seconds = max(self._missing_seconds, shown.missing_seconds)
            self._num_damaged = max(self._num_damaged, shown.num_damaged_packets)
        return self._decoded

    def _decoded_with(self, view: int) -> range:
        """The views that are decoded together with `view`."""
        video = file_facts(self._path, self._decoder).video
        picture_bytes = 0 if video is None else video.width * video.height * 3
        view_bytes = picture_bytes * len(self._times[view]) * (2 if self._pairs_wanted else 1)
        count = max(_MOST_BYTES // max(view_bytes, 1), 1)
        first = view - view % count
        return range(first, min(first + count, len(self._times)))

    def _read(self, times_seconds: Float64[np.ndarray, "time"]) -> Frames | FramePairs:
        if self._pairs_wanted:
            return self._decoder.read_frame_pairs(self._path, times_seconds, min_gap_seconds=self._min_gap_seconds)
        return self._decoder.read_frames(self._path, times_seconds)


def _part(frames: Frames, rows: slice) -> Frames:
    return replace(frames, images=frames.images[rows], times_seconds=frames.times_seconds[rows])
