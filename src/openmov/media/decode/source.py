"""An open media file: its streams, its clock, and FFmpeg's errors turned into ours.

It opens one file and nothing besides: play lists (HLS, DASH, concat ...), which would make FFmpeg open other files
or addresses, are refused, as is text drawn as video. It decodes nothing.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

import av
import av.logging

from openmov.errors import DecodeError

# FFmpeg writes to stderr as it likes; what matters arrives as exceptions.
av.logging.set_level(None)

_MEND = "drop it from the manifest, or fetch it again"
_REFUSED_FORMATS = {"concat", "dash", "hls", "imf", "rtp", "rtsp", "sap", "sdp", "tty", "webm_dash_manifest"}
_OPTIONS = {
    "protocol_whitelist": "file",
    "format_whitelist": ",".join(sorted(av.formats_available - _REFUSED_FORMATS)),
}


@contextmanager
def decode_errors(path: Path) -> Iterator[None]:
    """Turns FFmpeg's errors into DecodeError about `path`; lets every other error through."""
    try:
        yield
    except av.FFmpegError as error:
        raise DecodeError(path, _in_words(error), _MEND) from error


def _in_words(error: av.FFmpegError) -> str:
    if isinstance(error, av.error.InvalidDataError):
        return "no media file, or one that is damaged or cut off"
    if isinstance(error, PermissionError):
        return "no permission to read it"
    if error.errno == 22:  # EINVAL, what a format off the white list gives
        return "no media file of a kind that is read here"
    return f"FFmpeg cannot read it ({error.strerror})"


class Source:
    """One open file; a context manager. Raises DecodeError where FFmpeg, or the file system, refuses."""

    def __init__(self, path: Path) -> None:
        self.path = path
        """The file."""
        self._refuse_what_is_no_file()
        self.container: Any = None
        """PyAV's container."""
        self.video: Any = None
        """The video stream, or None; a cover picture of a song is none."""
        self.audio: Any = None
        """The sound stream, or None."""
        self.num_damaged_sounds = 0
        """Packets of sound that could not be read or decoded so far."""
        self.reopen()
        self.origin_seconds = self._origin_seconds()
        """Zero of the clock: the earliest start of video and sound, on FFmpeg's clock."""

    def __enter__(self) -> "Source":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the file; may be called twice."""
        self.container.close()

    def reopen(self) -> None:
        """Goes back to the first byte, for files that cannot be searched.

        The streams are new objects afterwards; the old ones must not be touched, for PyAV's memory behind them is gone.
        """
        if self.container is not None:
            self.container.close()
        with decode_errors(self.path):
            # An absolute path, for FFmpeg reads "a:b.mp4" as protocol a.
            self.container = av.open(str(self.path.absolute()), options=_OPTIONS)
        self.video = _first_usable(self.container.streams.video)
        self.audio = _first_usable(self.container.streams.audio)
        if self.video is not None:
            # Loaders run many of these side by side: threads of their own would only fight each other.
            self.video.codec_context.thread_count = 1

    def seconds(self, stream: Any, timestamp: int) -> float:
        """A time stamp of `stream` on this file's clock."""
        return float(timestamp * stream.time_base) - self.origin_seconds

    def timestamp(self, stream: Any, seconds: float) -> int:
        """The last time stamp of `stream` not after `seconds` on this file's clock."""
        return int((seconds + self.origin_seconds) / stream.time_base // 1)

    def start_seconds(self, stream: Any) -> float:
        """Where `stream` starts."""
        return 0.0 if stream.start_time is None else self.seconds(stream, stream.start_time)

    def promised_end_seconds(self, stream: Any) -> float | None:
        """Where `stream` ends by its header, whatever the file really holds; None if its header does not say."""
        if self.counted_end_seconds(stream) is not None:
            return None
        if stream.duration is not None and stream.duration > 0:
            return self.start_seconds(stream) + float(stream.duration * stream.time_base)
        tag = re.match(r"(\d+):(\d+):(\d+\.?\d*)", stream.metadata.get("DURATION", ""))
        if tag is None:
            return None
        return int(tag[1]) * 3600 + int(tag[2]) * 60 + float(tag[3]) - self.origin_seconds

    def counted_end_seconds(self, stream: Any) -> float | None:
        """Where pictures end by the count in the header of an AVI file that is cut off; None for any other file.

        In AVI the stream's own length is then FFmpeg's guess from the bytes there are, and no promise of the file.
        """
        if self.container.format.name != "avi" or stream.type != "video" or not stream.duration:
            return None
        if stream.frames <= stream.duration + 1:
            return None
        return self.start_seconds(stream) + float(stream.frames * stream.time_base)

    def _origin_seconds(self) -> float:
        streams = [stream for stream in (self.video, self.audio) if stream is not None]
        return min((float(s.start_time * s.time_base) for s in streams if s.start_time is not None), default=0.0)

    def _refuse_what_is_no_file(self) -> None:
        if self.path.is_dir():
            raise DecodeError(self.path, "a folder, not a media file", "name the file inside it")
        if not self.path.exists():
            raise DecodeError(self.path, "no such file", "mend its path in the manifest, or fetch it")
        if not self.path.is_file():  # a pipe or a device, which FFmpeg might wait for without end
            raise DecodeError(self.path, "no regular file", "copy what it gives into a file")
        if self.path.stat().st_size == 0:
            raise DecodeError(self.path, "an empty file", _MEND)


def _first_usable(streams: Any) -> Any:
    for stream in streams:
        if stream.codec_context is not None and not stream.disposition & av.stream.Disposition.attached_pic:
            return stream
    return None
