"""A span of a file's sound: mono, at a given rate, on the file's clock.

Only the span is decoded, with half a second before it so that the decoder and the resampler are in the state in
which they would arrive from the start of the file: the answer is the same. It knows nothing of spectrograms.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from jaxtyping import Float32

from openmov.media.decode.blocks import Block, seconds_at, sound_blocks, yields_sound
from openmov.media.decode.extent import CUT_OFF_SECONDS, extents
from openmov.media.decode.source import Source, decode_errors


@dataclass(frozen=True)
class Waveform:
    """A span of mono sound."""

    samples: Float32[np.ndarray, "samples"] = field(repr=False)
    """In [-1, 1]; silence where the file has no sound."""
    rate_hz: int
    """Samples a second."""
    start_seconds: float
    """Where the first sample stands on the file's clock."""
    missing_seconds: float = 0.0
    """How much of the asked span the file promises but does not hold (cut off): silence stands there."""
    num_damaged_packets: int = 0
    """Packets on the way that could not be decoded: silence stands in their place too."""


_BATCH_SAMPLES = 16_384
Piece = tuple[float, int, np.ndarray]
"""Resampled sound: when its run starts, how many of the run's samples came before, and the samples."""


def read_waveform(path: Path, start_seconds: float, end_seconds: float, rate_hz: int = 16_000) -> Waveform | None:
    """The sound from `start_seconds` to `end_seconds`: exactly round((end - start) * rate_hz) samples.

    Channels are averaged, then resampled by FFmpeg's swresample. Where the file's sound starts later or ends
    earlier than the span there is silence. None if the file has no sound stream, or one that yields no sample at
    all. Raises DecodeError if the file cannot be read, ValueError for an empty span. In formats whose clock is
    coarser than a sample (Matroska: 1 ms) the sound is placed to within that.
    """
    if not (math.isfinite(start_seconds) and start_seconds < end_seconds < math.inf) or rate_hz <= 0:
        raise ValueError(f"no span of sound: from {start_seconds} to {end_seconds} s at {rate_hz} Hz")
    samples = np.zeros(round((end_seconds - start_seconds) * rate_hz), np.float32)
    with Source(path) as source, decode_errors(path):
        if source.audio is None:
            return None
        heard, held_seconds = False, source.start_seconds(source.audio)
        for run_seconds, count, piece in resampled(source, sound_blocks(source, start_seconds, end_seconds), rate_hz):
            heard, held_seconds = True, run_seconds + (count + len(piece)) / rate_hz
            # Nudged, for a run half way between two samples must be placed alike wherever decoding began.
            place(samples, piece, round((run_seconds - start_seconds) * rate_hz + 1e-4) + count)
        if not heard and not yields_sound(source):
            return None
        extent = extents(source).audio
        promised = None if extent is None else extent.promised_end_seconds
        missing = min(end_seconds, promised if promised is not None else 0.0) - max(held_seconds, start_seconds)
        missing = missing if missing > CUT_OFF_SECONDS else 0.0
        return Waveform(samples, rate_hz, start_seconds, missing, source.num_damaged_sounds)


def resampled(source: Source, blocks: Iterator[Block], rate_hz: int) -> Iterator[Piece]:
    """Resampled pieces; each run of blocks without a gap is resampled on its own."""
    run: _Run | None = None
    for block in blocks:
        if run is None or not run.goes_on_with(block):
            if run is not None:
                yield from run.rest()
            run = _Run(source, block, rate_hz)
        yield from run.push(block.samples)
    if run is not None:
        yield from run.rest()


class _Run:
    """Resamples blocks that follow each other without a gap.

    A run starts only where a sample of the stream coincides with one of the resampled stream (every 441 samples
    from 44.1 to 16 kHz); so wherever decoding started, the new samples stand at the same places between the old.
    """

    def __init__(self, source: Source, block: Block, rate_hz: int) -> None:
        self.rate_hz = rate_hz
        self.source_rate_hz = block.rate_hz
        self.next_position = block.position
        self.to_skip = -block.position % (block.rate_hz // math.gcd(block.rate_hz, rate_hz))
        self.start_seconds = seconds_at(source, block.position + self.to_skip, block.rate_hz)
        self.num_given = 0
        self.num_taken = 0
        self._waiting: list[Float32[np.ndarray, "samples"]] = []
        self._num_waiting = 0
        self.resampler = av.AudioResampler(format="fltp", layout="mono", rate=rate_hz)

    def goes_on_with(self, block: Block) -> bool:
        return block.position == self.next_position and block.rate_hz == self.source_rate_hz

    def push(self, samples: Float32[np.ndarray, "samples"]) -> Iterator[Piece]:
        self.next_position += len(samples)
        kept = samples[self.to_skip :]
        self.to_skip -= len(samples) - len(kept)
        self._waiting.append(kept)
        self._num_waiting += len(kept)
        if self._num_waiting >= _BATCH_SAMPLES:
            yield from self._pushed()

    def _pushed(self) -> Iterator[Piece]:
        """What came since the last time, through the filter at once: a call costs as much as many samples do."""
        kept = np.concatenate([np.zeros(0, np.float32), *self._waiting])
        self._waiting, self._num_waiting = [], 0
        if len(kept) == 0:
            return
        frame = av.AudioFrame.from_ndarray(kept[None], format="fltp", layout="mono")
        frame.sample_rate = self.source_rate_hz
        frame.time_base = Fraction(1, self.source_rate_hz)
        frame.pts = self.num_taken
        self.num_taken += len(kept)
        yield from self._given(self.resampler.resample(frame))

    def rest(self) -> Iterator[Piece]:
        """What waits, and what the filter still holds."""
        yield from self._pushed()
        if self.num_taken and self.source_rate_hz != self.rate_hz:
            yield from self._given(self.resampler.resample(None))

    def _given(self, frames: list[Any]) -> Iterator[Piece]:
        for frame in frames:
            samples = frame.to_ndarray()[0]
            yield self.start_seconds, self.num_given, samples
            self.num_given += len(samples)


def place(samples: Float32[np.ndarray, "samples"], piece: Float32[np.ndarray, "piece"], index: int) -> None:
    """Writes a piece into its place in the span, clipped to [-1, 1]; what lies outside is dropped."""
    start, end = max(index, 0), min(index + len(piece), len(samples))
    if start < end:
        samples[start:end] = np.clip(piece[start - index : end - index], -1, 1)
