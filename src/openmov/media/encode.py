"""Writes a small media file: H.264 pictures and AAC sound in an mp4.

The synthetic world and the tests make their clips with it. Written for determinism before size: one thread, no
date in the file, so the same arrays give the same bytes under the same FFmpeg. It knows nothing of labels, views
or manifests. The only module beside `media.decode` that imports PyAV.
"""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from jaxtyping import Float32, Float64, UInt8

from openmov.runtime.atomic import atomic_file

_VIDEO_TIME_BASE = Fraction(1, 90_000)
_BT601 = 6  # AVCOL_SPC_SMPTE170M, AVCOL_PRI_SMPTE170M and AVCOL_TRC_SMPTE170M are all 6
_LIMITED_RANGE = 1


def write_clip(
    path: Path,
    images: UInt8[np.ndarray, "time height width 3"] | None,
    rate_fps: float,
    samples: Float32[np.ndarray, "samples"] | None,
    rate_hz: int = 16_000,
    *,
    crf: int = 18,
    times_seconds: Sequence[float] | Float64[np.ndarray, "time"] | None = None,
    samples_start_seconds: float = 0.0,
    keyframe_interval: int = 250,
) -> None:
    """Writes RGB `images` (even height and width) and mono `samples` in [-1, 1] to `path`, an mp4, atomically.

    `images` None makes a file of sound only, `samples` None a silent one. Frame n is shown at n / `rate_fps` s, or
    at `times_seconds[n]` (strictly increasing, not below 0: a variable frame rate or a late start). The sound
    starts at `samples_start_seconds`. `crf` is x264's quality (0 lossless, 18 visually so); a keyframe stands at
    least every `keyframe_interval` frames. Raises StorageError if the file cannot be written, ValueError for
    arrays no such file can hold.
    """
    times = _frame_times(images, rate_fps, times_seconds)
    if images is None and samples is None:
        raise ValueError("neither images nor samples: nothing to write")
    with atomic_file(path) as temporary, av.open(str(temporary), "w", format="mp4") as container:
        # Both streams must exist before the first packet, for that writes the header.
        video = None if images is None else _video_stream(container, images, rate_fps, crf, keyframe_interval)
        audio = None if samples is None else container.add_stream("aac", rate=rate_hz, layout="mono")
        if video is not None and images is not None:
            for frame in _video_frames(images, times):
                container.mux(video.encode(frame))
            container.mux(video.encode(None))
        if audio is not None and samples is not None:
            audio.codec_context.bit_rate = 96_000
            for sound in _audio_frames(samples, rate_hz, samples_start_seconds):
                container.mux(audio.encode(sound))
            container.mux(audio.encode(None))


def _frame_times(
    images: UInt8[np.ndarray, "time height width 3"] | None,
    rate_fps: float,
    times_seconds: Sequence[float] | Float64[np.ndarray, "time"] | None,
) -> Float64[np.ndarray, "time"]:
    if images is None:
        return np.zeros(0)
    if len(images) == 0 or images.shape[1] % 2 or images.shape[2] % 2:
        raise ValueError(f"images of shape {images.shape}: H.264 needs a frame or more, of even height and width")
    if rate_fps <= 0:
        raise ValueError(f"rate_fps is {rate_fps}, not above 0")
    times = np.arange(len(images)) / rate_fps if times_seconds is None else np.asarray(times_seconds, np.float64)
    if times.shape != (len(images),) or times[0] < 0 or (np.diff(times) <= 0).any():
        raise ValueError("times_seconds must hold one time a frame, strictly increasing and not below 0")
    return times


def _video_stream(
    container: av.container.OutputContainer,
    images: UInt8[np.ndarray, "time height width 3"],
    rate_fps: float,
    crf: int,
    keyframe_interval: int,
) -> av.VideoStream:
    options = {"crf": str(crf), "preset": "veryfast", "threads": "1"}
    rate = Fraction(rate_fps).limit_denominator(1001)
    stream: av.VideoStream = container.add_stream("libx264", rate=rate, options=options)
    stream.height, stream.width = images.shape[1:3]
    stream.pix_fmt = "yuv420p"
    stream.time_base = _VIDEO_TIME_BASE
    context = stream.codec_context
    context.time_base = _VIDEO_TIME_BASE
    context.gop_size = keyframe_interval
    context.thread_count = 1
    context.colorspace = context.color_primaries = context.color_trc = _BT601
    context.color_range = _LIMITED_RANGE
    return stream


def _video_frames(
    images: UInt8[np.ndarray, "time height width 3"], times_seconds: Float64[np.ndarray, "time"]
) -> Iterator[av.VideoFrame]:
    for image, time in zip(images, times_seconds, strict=True):
        picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
        frame = picture.reformat(format="yuv420p", dst_colorspace="ITU601", dst_color_range="MPEG")
        frame.time_base = _VIDEO_TIME_BASE
        frame.pts = round(time / _VIDEO_TIME_BASE)
        yield frame


def _audio_frames(
    samples: Float32[np.ndarray, "samples"], rate_hz: int, start_seconds: float, block: int = 1024
) -> Iterator[av.AudioFrame]:
    if len(samples) == 0:
        raise ValueError("samples is empty: pass None for a file without sound")
    first = round(start_seconds * rate_hz)
    for start in range(0, len(samples), block):
        piece = np.ascontiguousarray(samples[None, start : start + block])
        frame = av.AudioFrame.from_ndarray(piece, format="fltp", layout="mono")
        frame.sample_rate = rate_hz
        frame.time_base = Fraction(1, rate_hz)
        frame.pts = first + start
        yield frame
