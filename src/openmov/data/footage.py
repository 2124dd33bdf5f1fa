"""The decoded pictures that the views of one video need, read in one pass.

    times of all views --media--> frames, or frames with their successors --slices--> one view

Decodes on first use, and only once, whatever the number of views; a video all of whose inputs are stored is never
opened. Knows nothing of crops and of what the pictures are for.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from openmov.media.decode import FramePairs, Frames, read_frame_pairs, read_frames
from openmov.media.decode.reader import TIME_TOLERANCE_SECONDS

Images = UInt8[np.ndarray, "time height width 3"]


class Footage:
    """Frames of one file at the times of several views."""

    def __init__(
        self, path: Path, times_seconds: Sequence[tuple[float, ...]], *, pairs: bool, min_gap_seconds: float
    ) -> None:
        """`times_seconds`: one row a view, all of one length. `pairs`: successors will be asked for too."""
        self._path = path
        self._times = list(times_seconds)
        self._pairs_wanted = pairs
        self._min_gap_seconds = min_gap_seconds
        self._decoded: Frames | FramePairs | None = None

    def frames(self, view: int) -> Images:
        """The frames on screen at the times of a view. Raises DecodeError."""
        decoded = self._decode()
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
        decoded = self._decode()
        if not isinstance(decoded, FramePairs):
            raise ValueError("footage was planned without pairs")
        rows = self._rows(view)
        return FramePairs(_part(decoded.first, rows), _part(decoded.second, rows))

    @property
    def notes(self) -> tuple[str, ...]:
        """What was odd in the file, as far as it was decoded: one phrase each."""
        if self._decoded is None:
            return ()
        frames = self._decoded if isinstance(self._decoded, Frames) else self._decoded.first
        notes = []
        if frames.missing_seconds:
            notes.append(f"cut off: {frames.missing_seconds:.1f} s are missing, its last picture stands there")
        if frames.num_damaged_packets:
            notes.append(f"damaged packets: {frames.num_damaged_packets}")
        return tuple(notes)

    def _rows(self, view: int) -> slice:
        start = sum(len(times) for times in self._times[:view])
        return slice(start, start + len(self._times[view]))

    def _decode(self) -> Frames | FramePairs:
        if self._decoded is None:
            times = np.concatenate(self._times)
            if self._pairs_wanted:
                self._decoded = read_frame_pairs(self._path, times, min_gap_seconds=self._min_gap_seconds)
            else:
                self._decoded = read_frames(self._path, times)
        return self._decoded


def _part(frames: Frames, rows: slice) -> Frames:
    return replace(frames, images=frames.images[rows], times_seconds=frames.times_seconds[rows])
