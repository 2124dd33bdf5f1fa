"""Network inputs of a long video, forward: frames and flow on the grid of its windows, and the sound around each.

    grid --times--> FrameStream --crop, resize, TV-L1--> chunks of RGB and flow images, each frame once
    window --span--> SoundStream --log-mel--> windows of spectrograms

The pictures are those of a test view with one crop, in the middle; the sound of a window is cut as `SoundReader` cuts
it from a long recording. Only what windows to come may need is held. Knows no network.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice, takewhile
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float

from openmov.config.schema import AudioConfig
from openmov.data.pictures import Images, PictureSettings
from openmov.data.sound import Hearing
from openmov.media.decode import (
    AudioStream,
    FramePairs,
    Frames,
    FrameStream,
    SoundStream,
    StreamedFrame,
    VideoStream,
    Waveform,
)
from openmov.media.sampling import Crop, Span, WindowGrid, evaluation_crops, evaluation_positions
from openmov.modalities.audio import audio_image, crop_columns, spectrogram
from openmov.modalities.flow import compute_flow, decode_flow, encode_flow, flow_image
from openmov.modalities.rgb import normalise, resize_crop
from openmov.types import Modality


@dataclass(frozen=True)
class FrameChunk:
    """Frames of a grid that follow each other; a picture that still stands at the next frame is here once."""

    rows: tuple[int, ...]
    """For each frame its row among the images; -1 is the last picture of the chunk before."""
    images: dict[Modality, Images] = field(repr=False)
    """VIDEO and FLOW as far as asked for: the network's inputs, one row a picture."""


def grid_times(grid: WindowGrid, video: VideoStream) -> Iterator[float]:
    """The times of the grid's frames, as far as the video goes."""
    end = max(video.end_seconds, video.start_seconds)
    return takewhile(lambda seconds: seconds <= end, grid.frame_times())


def middle_crop(video: VideoStream, settings: PictureSettings) -> Crop:
    """The one crop of every frame."""
    fraction = settings.video.crop_size / settings.video.short_side
    return evaluation_crops(1, video.width, video.height, fraction, settings.resize)[0]


def frame_chunks(
    stream: FrameStream, crop: Crop, settings: PictureSettings, modalities: frozenset[Modality], size: int
) -> Iterator[FrameChunk]:
    """The stream's frames as network inputs, `size` at a time. Raises DecodeError."""
    frames, last = iter(stream), None
    while chunk := list(islice(frames, size)):
        rows: list[int] = []
        fresh: list[StreamedFrame] = []
        for frame in chunk:
            if last is None or frame.time_seconds != last:
                fresh.append(frame)
            last = frame.time_seconds
            rows.append(len(fresh) - 1)
        yield FrameChunk(tuple(rows), _images(fresh, crop, settings, modalities) if fresh else {})


def _images(
    frames: Sequence[StreamedFrame], crop: Crop, settings: PictureSettings, modalities: frozenset[Modality]
) -> dict[Modality, Images]:
    size, found = settings.video.crop_size, {}
    if Modality.VIDEO in modalities:
        resized = resize_crop(np.stack([frame.image for frame in frames]), crop, size, settings.interpolation)
        found[Modality.VIDEO] = normalise(resized, settings.mean, settings.std)
    if Modality.FLOW in modalities:
        limit = settings.flow.max_displacement_px
        # Through the stored code and back, so that it is what training saw.
        codes = encode_flow(compute_flow(_pairs(frames), settings.flow, settings.flow_threads), limit)
        flow = decode_flow(codes, limit)
        found[Modality.FLOW] = flow_image(flow, crop, size, settings.flow, settings.mean, settings.std)
    return found


def _pairs(frames: Sequence[StreamedFrame]) -> FramePairs:
    pairs = [frame.pair for frame in frames if frame.pair is not None]
    if len(pairs) < len(frames):
        raise ValueError("flow needs a stream of pairs")
    times = np.array([frame.time_seconds for frame in frames])
    first, second = (Frames(np.stack([pair[side] for pair in pairs]), times) for side in (0, 1))
    return FramePairs(first, second)


class SoundWindows:
    """The sound around the windows of a grid, which must come in their order."""

    def __init__(self, path: Path, audio: AudioStream, config: AudioConfig, grid: WindowGrid) -> None:
        self._config, self._audio = config, Span(audio.start_seconds, audio.end_seconds)
        self._longest_seconds = (config.total_columns - 1) * config.hop_seconds + config.window_seconds
        self._positions = evaluation_positions(max(1, round(grid.window_seconds / self._longest_seconds)))
        self._stream = SoundStream(path, audio.start_seconds, config.rate_hz)

    def close(self) -> None:
        """Closes the file."""
        self._stream.close()

    def __call__(self, window: Span) -> Float[torch.Tensor, "views 3 bins columns"] | None:
        """As much as the network hears, around the middle of the window; several times over a window far longer.

        None where the file holds no sound there. Raises DecodeError.
        """
        if not (window.start_seconds < self._audio.end_seconds and self._audio.start_seconds < window.end_seconds):
            return None
        middles = [self._middle(window, position) for position in self._positions]
        spans = [self._around(middle) for middle in middles]
        heard = self._stream.span(spans[0].start_seconds, spans[-1].end_seconds)
        if heard is None or self._stream.held_seconds <= window.start_seconds:
            return None
        images = [self._image(heard, span, middle) for span, middle in zip(spans, middles, strict=True)]
        found = [image for image in images if image is not None]
        return torch.stack([found[min(i, len(found) - 1)] for i in range(len(images))]) if found else None

    def _middle(self, window: Span, position: float) -> float:
        free = max(window.end_seconds - window.start_seconds - self._longest_seconds, 0.0)
        return window.middle_seconds + (position - 0.5) * free

    def _around(self, middle: float) -> Span:
        """What the spectrogram is made of: its statistics are those of this span."""
        latest = max(self._audio.end_seconds - self._longest_seconds, self._audio.start_seconds)
        start = min(max(middle - self._longest_seconds / 2, self._audio.start_seconds), latest)
        return Span(start, min(start + self._longest_seconds, self._audio.end_seconds))

    def _image(self, heard: Waveform, span: Span, middle: float) -> Float[torch.Tensor, "3 bins columns"] | None:
        first, last = (round((s - heard.start_seconds) * heard.rate_hz) for s in (span.start_seconds, span.end_seconds))
        samples = torch.from_numpy(heard.samples[max(first, 0) : last])
        if len(samples) < self._config.window_seconds * heard.rate_hz:
            return None
        whole, width = spectrogram(samples, self._config), self._config.crop_columns
        free = (whole.shape[1] - width) * self._config.hop_seconds
        start = middle - span.start_seconds - width * self._config.hop_seconds / 2
        return audio_image(crop_columns(whole, start / free if free > 0 else 0.0, width))


class WaveformWindows:
    """The sound of the windows of a grid itself, for a pretrained tower; windows must come in their order.

    A window is heard from its start to its end and no further; one that is longer than the tower hears at once, in as
    many equal pieces as it takes.
    """

    def __init__(self, path: Path, audio: AudioStream, hearing: Hearing, grid: WindowGrid) -> None:
        self._hearing, self._audio = hearing, Span(audio.start_seconds, audio.end_seconds)
        self._pieces = max(1, math.ceil(grid.window_seconds / hearing.longest_seconds - 1e-9))
        self._stream = SoundStream(path, audio.start_seconds, hearing.rate_hz)

    def close(self) -> None:
        """Closes the file."""
        self._stream.close()

    def __call__(self, window: Span) -> Float[torch.Tensor, "views samples"] | None:
        """None where the file holds no sound there. Raises DecodeError."""
        start = max(window.start_seconds, self._audio.start_seconds)
        end = min(window.end_seconds, self._audio.end_seconds)
        heard = self._stream.span(start, end) if start < end else None
        if heard is None:
            return None
        size = min(len(heard.samples) // self._pieces, round(self._hearing.longest_seconds * self._hearing.rate_hz))
        if not size:
            return None
        samples = torch.from_numpy(heard.samples)
        return torch.stack([samples[i * size : (i + 1) * size] for i in range(self._pieces)])
