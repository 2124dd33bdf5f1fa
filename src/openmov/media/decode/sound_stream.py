"""Spans of a file's sound with ascending starts, from one walk through the file.

For long recordings: each moment is decoded once, and only what the next span may still need is kept. The samples are
those of `read_waveform`, without the silence after the end of the sound. What is held is pieces of sound, never the
silence between them: a gap of hours takes no memory.
"""

from collections import deque
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import numpy as np
from jaxtyping import Float32

from openmov.media.decode.blocks import sound_blocks
from openmov.media.decode.source import Source, decode_errors
from openmov.media.decode.waveform import Piece, Waveform, place, resampled

_NEVER_SECONDS = 1e9


class SoundStream:
    """One play head over the sound of a file; a context manager. Raises DecodeError."""

    def __init__(self, path: Path, start_seconds: float, rate_hz: int) -> None:
        """No span may start before `start_seconds`."""
        self._path, self._start_seconds, self._rate_hz = path, start_seconds, rate_hz
        self._source = Source(path)
        self._pieces: Iterator[Piece] | None = None
        if self._source.audio is not None:
            self._pieces = resampled(self._source, sound_blocks(self._source, start_seconds, _NEVER_SECONDS), rate_hz)
        self._first = 0
        self._held: deque[tuple[int, Float32[np.ndarray, "samples"]]] = deque()
        self._end = 0

    def __enter__(self) -> "SoundStream":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the file."""
        self._source.close()

    @property
    def held_seconds(self) -> float:
        """Until where sound has been decoded so far."""
        return self._start_seconds + self._end / self._rate_hz

    def span(self, start_seconds: float, end_seconds: float) -> Waveform | None:
        """The samples of a span, its start moved to the nearest one; fewer where the file's sound ends within it.

        None where it ends before. Raises ValueError for a start before that of the span asked for last.
        """
        first, last = (round((s - self._start_seconds) * self._rate_hz) for s in (start_seconds, end_seconds))
        if first < self._first:
            raise ValueError(f"spans must ascend: {start_seconds} s lies before what is still held")
        self._forget_before(first)
        self._read_until(last)
        if self._end <= first:
            return None
        samples = np.zeros(min(last, self._end) - first, np.float32)
        for position, piece in self._held:
            place(samples, piece, position - first)
        return Waveform(samples, self._rate_hz, self._start_seconds + first / self._rate_hz)

    def _forget_before(self, first: int) -> None:
        self._first = first
        self._held = deque((at, piece) for at, piece in self._held if at + len(piece) > first)

    def _read_until(self, last: int) -> None:
        with decode_errors(self._path):
            while self._pieces is not None and self._end < last:
                piece = next(self._pieces, None)
                if piece is None:
                    self._pieces = None
                    return
                run_seconds, count, samples = piece
                position = round((run_seconds - self._start_seconds) * self._rate_hz + 1e-4) + count
                if position + len(samples) > self._first:
                    self._held.append((position, samples))
                self._end = max(self._end, position + len(samples))
