"""What a file holds: its streams, their sizes, rates and spans."""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import av

from openmov.errors import DecodeError
from openmov.media.decode.encryption import encryption
from openmov.media.decode.extent import Extent, extents
from openmov.media.decode.geometry import geometry_of, usable_aspect
from openmov.media.decode.picture import approximated_matrix
from openmov.media.decode.source import Source, decode_errors

_HDR_CURVES: dict[int, Literal["PQ", "HLG"]] = {16: "PQ", 18: "HLG"}  # AVCOL_TRC_SMPTE2084, AVCOL_TRC_ARIB_STD_B67
_LATE_SECONDS = 0.1
"""A first picture that comes no later than this stands for the stream's start: a few are lost to reordering."""


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
    """When the last one goes; a file cut off holds less."""
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
    approximated_matrix: str | None = None
    """The name of its colour matrix, if FFmpeg cannot convert from it: another, nearly the same, stands in."""


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
    """When it ends; a file cut off holds less."""
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

    Raises DecodeError for a file that is missing, empty, no media file, encrypted, or holds neither pictures nor sound.
    """
    with Source(path) as source, decode_errors(path):
        found = extents(source)
        video = _video_stream(source, found.video)
        source.reopen()
        audio = _audio_stream(source, found.audio)
    if video is None and audio is None:
        raise _nothing_in(path)
    duration = max(stream.end_seconds for stream in (video, audio) if stream is not None)
    return MediaInfo(path, duration, video, audio)


def _nothing_in(path: Path) -> DecodeError:
    lock = encryption(path)
    if lock is not None:
        return DecodeError(path, f"encrypted ({lock}): nothing in it can be decoded", "decrypt it, or drop it")
    with path.open("rb") as file:
        head = file.read(64)
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP" and (b"ANIM" in head or (head[12:16] == b"VP8X" and head[20] & 2)):
        hint = "convert it to MP4 or GIF"
        return DecodeError(path, "an animated WebP, which FFmpeg does not decode", hint)
    return DecodeError(path, "neither pictures nor sound can be decoded", "drop it from the manifest")


def _video_stream(source: Source, extent: Extent | None) -> VideoStream | None:
    frame = None if source.video is None else _first_frame(source, source.video)
    if frame is None or extent is None:
        return None
    stream = source.video
    geometry = geometry_of(frame, stream.sample_aspect_ratio)
    rate = float(stream.average_rate or stream.guessed_rate or 0)
    start = _first_shown_seconds(source, frame, extent.start_seconds)
    return VideoStream(
        width=geometry.size[0],
        height=geometry.size[1],
        rate_fps=rate,
        start_seconds=start,
        end_seconds=max(extent.end_seconds, start),
        rotation_degrees=geometry.rotation_degrees,
        codec=stream.codec_context.name,
        pixel_aspect=float(usable_aspect(stream.sample_aspect_ratio)),
        mirrored=geometry.mirrored,
        interlaced=bool(frame.interlaced_frame),
        counted_end_seconds=extent.counted_end_seconds,
        hdr=_HDR_CURVES.get(int(frame.color_trc)),
        approximated_matrix=approximated_matrix(int(frame.colorspace)),
    )


def _first_shown_seconds(source: Source, frame: Any, start_seconds: float) -> float:
    """When the first picture that can be decoded comes: later than the stream where that begins without a keyframe."""
    if frame.pts is None:
        return start_seconds
    shown = source.seconds(source.video, frame.pts)
    return shown if shown - start_seconds > _LATE_SECONDS else start_seconds


def _audio_stream(source: Source, extent: Extent | None) -> AudioStream | None:
    frame = None if source.audio is None else _first_frame(source, source.audio)
    if frame is None or extent is None:
        return None
    return AudioStream(
        rate_hz=frame.sample_rate,
        channels=frame.layout.nb_channels,
        start_seconds=extent.start_seconds,
        end_seconds=extent.end_seconds,
        codec=source.audio.codec_context.name,
    )


def _first_frame(source: Source, stream: Any) -> Any:
    """The first frame that can be decoded; None if there is none, or if it is encrypted."""
    with suppress(av.FFmpegError):  # a file cut off before its first frame
        for packet in source.packets(stream):
            if packet.size and packet.has_sidedata("encryption_info"):
                return None
            frames = []
            with suppress(av.FFmpegError):  # a damaged packet: a later one may do
                frames = packet.decode()
            if frames:
                return frames[0]
    return None
