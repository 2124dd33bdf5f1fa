"""The decoded sound of a file around a span of time, as mono blocks counted in samples.

The count starts with the stream and goes on from block to block, for time stamps jitter in many files: after a
search it is taken up again where it would have been had everything been decoded. Time does not run backwards: a stamp
from before what has been heard already is counted on from. It resamples nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain, islice
from typing import Any

import av
import numpy as np
from jaxtyping import Float32

from openmov.media.decode.extent import extents
from openmov.media.decode.source import Source

_PRE_ROLL_SECONDS = 0.5
_POST_ROLL_SECONDS = 0.05
_GAP_SECONDS = 0.05  # a smaller difference between time stamps and counted samples is rounding, a larger one a gap
_JITTER_SECONDS = 0.003
_NUM_ANCHOR_FRAMES = 8
_PLANES_PYAV_COUNTS = 8


@dataclass(frozen=True, eq=False)
class Block:
    """Decoded sound, mono, before resampling."""

    position: int
    """Samples from the start of the sound stream to the first one."""
    samples: Float32[np.ndarray, "samples"]
    rate_hz: int


def sound_blocks(source: Source, start_seconds: float, end_seconds: float) -> Iterator[Block]:
    """The decoded sound from before the span until past it, or from the file's start if it cannot be searched."""
    seek_seconds = start_seconds - _PRE_ROLL_SECONDS
    searchable = extents(source).searchable
    if searchable and seek_seconds > source.start_seconds(source.audio):
        boundary = _first_boundary(source)
        if boundary is not None and source.seek(source.audio, source.timestamp(source.audio, seek_seconds)):
            blocks = _decoded(source, boundary)
            block = next(blocks, None)
            if block is not None and seconds_at(source, block.position, block.rate_hz) <= start_seconds - 0.1:
                yield from _until(source, chain([block], blocks), end_seconds)
                return
        source.reopen()
    yield from _until(source, _decoded(source), end_seconds)


def _until(source: Source, blocks: Iterator[Block], end_seconds: float) -> Iterator[Block]:
    last_seconds = end_seconds + _POST_ROLL_SECONDS - source.start_seconds(source.audio)
    for block in blocks:
        yield block
        if block.position > last_seconds * block.rate_hz:
            return


def _decoded(source: Source, boundary: int | None = None) -> Iterator[Block]:
    """The sound from where the file stands, each block with its place on the stream's own count of samples.

    `boundary` is where the stream's first block ends, given if the file does not stand at its start.
    """
    frames = _frames(source)
    first = list(islice(frames, _NUM_ANCHOR_FRAMES))
    if not first or (boundary is not None and any(frame.pts is None for frame in first)):
        return
    expected, rate_hz, mixer = _anchor(source, first, boundary), first[0].sample_rate, _Mixer()
    for frame in chain(first, frames):
        if frame.sample_rate != rate_hz:
            expected = round(Fraction(expected, rate_hz) * frame.sample_rate)
            rate_hz = frame.sample_rate
        stamped = expected if frame.pts is None else _stamped(source, frame)
        # Time stamps jitter; counting goes on unless they say that something is missing.
        position = stamped if stamped - expected > _GAP_SECONDS * rate_hz else expected
        samples = mixer.mono(frame)
        expected = position + len(samples)
        yield Block(position, samples, rate_hz)


def _frames(source: Source) -> Iterator[Any]:
    try:
        for packet in source.packets(source.audio):
            try:
                yield from (frame for frame in packet.decode() if _holds_sound(frame))
            except av.FFmpegError:
                source.num_damaged_sounds += packet.size > 0  # it leaves a gap, which is silence
    except av.FFmpegError:
        source.num_damaged_sounds += 1  # a file cut off


def _anchor(source: Source, frames: list[Any], boundary: int | None) -> int:
    """Samples from the stream's start to the first of `frames`.

    Time stamps jitter in many files (a clock of milliseconds, or a file that once had one), so after a search
    their median is brought to a whole number of blocks from the first block's end, if it is near one.
    """
    if boundary is None:
        return 0 if frames[0].pts is None else _stamped(source, frames[0])
    passed = np.cumsum([0, *(frame.samples for frame in frames[:-1])])
    middle = round(float(np.median([_stamped(source, frame) for frame in frames] - passed)))
    size = frames[0].samples
    if not size or any(frame.samples != size for frame in frames) or source.audio.codec_context.name.startswith("pcm"):
        return middle
    whole = boundary + round((middle - boundary) / size) * size
    return whole if abs(whole - middle) <= _JITTER_SECONDS * frames[0].sample_rate else middle


def _stamped(source: Source, frame: Any) -> int:
    """Samples from the stream's start to the frame's first, by its time stamp."""
    clock, since_start = source.audio.time_base, frame.pts - (source.audio.start_time or 0)
    position: int = round(since_start * clock.numerator * frame.sample_rate / clock.denominator)
    return position


def _first_boundary(source: Source) -> int | None:
    first = next(_decoded(source), None)
    return None if first is None else first.position + len(first.samples)


def _holds_sound(frame: Any) -> bool:
    return bool(frame.samples > 0 and frame.sample_rate > 0 and frame.layout.nb_channels > 0)


class _Mixer:
    """Averages channels, integers scaled to [-1, 1)."""

    def __init__(self) -> None:
        self._repackers: dict[tuple[str, str, int], av.AudioResampler] = {}

    def mono(self, frame: Any) -> Float32[np.ndarray, "samples"]:
        return np.concatenate([_mono(piece) for piece in self._readable(frame)])

    def _readable(self, frame: Any) -> list[Any]:
        """The frame in a form that PyAV can hand over as an array.

        It has no arrays for integers of 64 bits, and of eight planes and more it reads beyond the last (its list of
        them has no end), which ends the process: these are put side by side by swresample first.
        """
        name, planar = frame.format.name, frame.format.is_planar
        if name.startswith("s64"):
            target = "dbl"
        elif planar and frame.layout.nb_channels >= _PLANES_PYAV_COUNTS:
            target = name.removesuffix("p")
        else:
            return [frame]
        key = (name, frame.layout.name, frame.sample_rate)
        if key not in self._repackers:
            self._repackers[key] = av.AudioResampler(format=target, layout=frame.layout, rate=frame.sample_rate)
        repacked: list[Any] = self._repackers[key].resample(frame)
        return repacked


def _mono(frame: Any) -> Float32[np.ndarray, "samples"]:
    array = frame.to_ndarray()
    if not frame.format.is_planar:
        array = array.reshape(-1, frame.layout.nb_channels).T
    scale, offset = 1.0, 0.0
    if array.dtype == np.uint8:
        scale, offset = 1 / 128, 128.0
    elif np.issubdtype(array.dtype, np.integer):
        scale = 1 / -float(np.iinfo(array.dtype).min)
    mean: np.ndarray = (array.mean(axis=0, dtype=np.float64) - offset) * scale
    if not np.isfinite(mean.sum()):  # broken files of floats
        mean = np.nan_to_num(mean)
    return mean.astype(np.float32)


def seconds_at(source: Source, position: int, rate_hz: int) -> float:
    """The time of a sample of the stream on the file's clock."""
    return source.start_seconds(source.audio) + position / rate_hz


def yields_sound(source: Source) -> bool:
    """Whether any sample at all can be decoded from the file's start."""
    source.reopen()
    return next(_decoded(source), None) is not None
