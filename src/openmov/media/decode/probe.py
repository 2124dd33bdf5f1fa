"""What a file holds: its streams, their sizes, rates and spans."""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import av

from openmov.errors import DecodeError
from openmov.media.decode.geometry import geometry_of, usable_aspect
from openmov.media.decode.source import Source, decode_errors

_HDR_CURVES: dict[int, Literal["PQ", "HLG"]] = {16: "PQ", 18: "HLG"}  # AVCOL_TRC_SMPTE2084, AVCOL_TRC_ARIB_STD_B67


@dataclass(frozen=True)
class VideoStream:
    """The pictures of a file."""

    width: int
    """Square pixels, after rotation: that of the images `read_frames` gives."""
    height: int
    """Square pixels, after rotation."""
    rate_fps: float
    """Pictures a second on average; the rate may vary."""
    start_seconds: float
    """When the first picture comes on screen, on the file's clock."""
    end_seconds: float
    """When the last one goes, by the header: a file cut off holds less."""
    rotation_degrees: int
    """0, 90, 180 or 270: how far clockwise the stored pictures are turned to stand upright (done for you)."""
    codec: str
    """FFmpeg's name of the coding, such as h264."""
    pixel_aspect: float = 1.0
    """Width over height of a stored pixel; pictures are stretched until it is square (done for you)."""
    mirrored: bool = False
    """Whether stored pictures are mirrored left to right before they are turned (done for you)."""
    interlaced: bool = False
    """Whether a picture holds two moments in alternate lines: what moves is combed. They are shown as they are."""
    counted_end_seconds: float | None = None
    """For an AVI file that is cut off, when the last one would go by the count in the header; `end_seconds` is then
    that of the last picture there is."""
    hdr: Literal["PQ", "HLG"] | None = None
    """The brightness curve of high dynamic range, if it has one. Its pictures are shown as if they had none: flat."""


@dataclass(frozen=True)
class AudioStream:
    """The sound of a file."""

    rate_hz: int
    """Samples a second, as stored."""
    channels: int
    """1 mono, 2 stereo."""
    start_seconds: float
    """When the sound starts, on the file's clock."""
    end_seconds: float
    """When it ends, by the header."""
    codec: str
    """FFmpeg's name of the coding, such as aac."""


@dataclass(frozen=True)
class MediaInfo:
    """What a file holds. A stream that yields nothing counts as absent."""

    path: Path
    """The file."""
    duration_seconds: float
    """Until the end of the longer stream; the clock starts with the earlier one."""
    video: VideoStream | None
    """The pictures, if there are any."""
    audio: AudioStream | None
    """The sound, if there is any."""


def probe(path: Path) -> MediaInfo:
    """Opens a file and decodes its first picture and first sound.

    Raises DecodeError for a file that is missing, empty, no media file, or holds neither pictures nor sound.
    """
    with Source(path) as source, decode_errors(path):
        video = _video_stream(source)
        if video is not None:
            source.reopen()
        audio = _audio_stream(source)
    if video is None and audio is None:
        raise DecodeError(path, "neither pictures nor sound can be decoded", "drop it from the manifest")
    duration = max(stream.end_seconds for stream in (video, audio) if stream is not None)
    return MediaInfo(path, duration, video, audio)


def _video_stream(source: Source) -> VideoStream | None:
    frame = None if source.video is None else _first_frame(source, source.video)
    if frame is None:
        return None
    stream = source.video
    geometry = geometry_of(frame, stream.sample_aspect_ratio)
    rate = float(stream.average_rate or stream.guessed_rate or 0)
    return VideoStream(
        width=geometry.size[0],
        height=geometry.size[1],
        rate_fps=rate,
        start_seconds=source.start_seconds(stream),
        end_seconds=_end_seconds(source, stream),
        rotation_degrees=geometry.rotation_degrees,
        codec=stream.codec_context.name,
        pixel_aspect=float(usable_aspect(stream.sample_aspect_ratio)),
        mirrored=geometry.mirrored,
        interlaced=bool(frame.interlaced_frame),
        counted_end_seconds=source.counted_end_seconds(stream),
        hdr=_HDR_CURVES.get(int(frame.color_trc)),
    )


def _audio_stream(source: Source) -> AudioStream | None:
    frame = None if source.audio is None else _first_frame(source, source.audio)
    if frame is None:
        return None
    stream = source.audio
    return AudioStream(
        rate_hz=frame.sample_rate,
        channels=frame.layout.nb_channels,
        start_seconds=source.start_seconds(stream),
        end_seconds=_end_seconds(source, stream),
        codec=stream.codec_context.name,
    )


def _first_frame(source: Source, stream: Any) -> Any:
    """The first frame that can be decoded; None if there is none."""
    with suppress(av.FFmpegError):  # a file cut off before its first frame
        for packet in source.container.demux(stream):
            frames = []
            with suppress(av.FFmpegError):  # a damaged packet: a later one may do
                frames = packet.decode()
            if frames:
                return frames[0]
    return None


def _end_seconds(source: Source, stream: Any) -> float:
    """By the stream's header, else the file's, else by reading all its packets."""
    promised = source.promised_end_seconds(stream)
    if promised is not None:
        return promised
    container = source.container
    if container.duration and source.counted_end_seconds(stream) is None:
        end = (container.start_time or 0) + container.duration
        return float(end / av.time_base) - source.origin_seconds
    return max(_last_end_seconds(source, stream), source.start_seconds(stream))


def _last_end_seconds(source: Source, stream: Any) -> float:
    """Where the last packet of `stream` ends, found by reading them all from the start; its start if there is none."""
    end = source.start_seconds(stream)
    with Source(source.path) as again, suppress(av.FFmpegError):  # a file cut off ends where it can no longer be read
        for packet in again.container.demux(again.container.streams[stream.index]):
            stamp = packet.pts if packet.pts is not None else packet.dts
            if stamp is not None:
                end = max(end, source.seconds(stream, stamp + (packet.duration or 0)))
    return end
