"""An open media file: its streams, its clock, its packets, and FFmpeg's errors turned into ours.

It opens one file and nothing besides: play lists (HLS, DASH, concat ...), which would make FFmpeg open other files
or addresses, are refused, as is text drawn as video. It decodes nothing.

`Source.packets` is the only place that demuxes. Where a file is several recordings joined one behind the other, each
with a clock of its own, the stamps it hands out are those of one clock (`Joiner`); so nobody else has to know.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any

import av
import av.logging
import av.sidedata.sidedata
from av.codec.context import Flags2
from av.format import Flags

from openmov.errors import DecodeError

# FFmpeg writes to stderr as it likes; what matters arrives as exceptions.
av.logging.set_level(None)

_MEND = "drop it from the manifest, or fetch it again"
_REFUSED_FORMATS = {"concat", "dash", "hls", "imf", "rtp", "rtsp", "sap", "sdp", "tty", "webm_dash_manifest"}
_OPTIONS = {
    "protocol_whitelist": "file",
    "format_whitelist": ",".join(sorted(av.formats_available - _REFUSED_FORMATS)),
}
_BACK_SECONDS = 0.1
_BACK_UNORDERED_SECONDS = 1.0
_AHEAD_SECONDS = 10.0
"""A stamp so much before the one expected, or so far after everything, belongs to another clock: FFmpeg's own rule for
formats whose clocks may jump (`ts_discontinuity_process` in fftools)."""


def _unknown_side_data(kind: type[Any], value: object) -> Any:
    """A nameless member of PyAV's enumeration: FFmpeg has more kinds of data beside a picture (Exif, 3D displays, ...)
    than PyAV lists, and PyAV refuses to look at any of a picture's data where one of them is not listed.
    """
    member = object.__new__(kind)
    member._name_, member._value_ = f"UNLISTED_{value}", value
    return member


av.sidedata.sidedata.Type._missing_ = classmethod(_unknown_side_data)


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


class Joiner:
    """One clock for the stamps of a file whose own clock may jump."""

    def __init__(self) -> None:
        self.num_jumps = 0
        """How often another clock has begun."""
        self._newest_offset = 0.0
        self._offsets: dict[int, float] = {}
        self._next: dict[int, float] = {}
        self._latest = -float("inf")

    def take(self, packet: Any) -> float:
        """What is to be added to the stamps of a packet, in seconds; to be called for all in the order of the file.

        Where one stream has jumped, others may still give packets of the recording before: each goes over by itself.
        """
        stamp = packet.dts if packet.dts is not None else packet.pts
        stream, clock = packet.stream_index, packet.time_base
        offset, expected = self._offsets.get(stream, self._newest_offset), self._next.get(stream)
        if stamp is None:
            return offset
        seconds = float(stamp * clock)
        if expected is not None:
            offset = min(offset, self._newest_offset, key=lambda one: abs(seconds + one - expected))
            back = _BACK_SECONDS if packet.dts is not None else _BACK_UNORDERED_SECONDS
            if not (expected - back <= seconds + offset <= self._latest + _AHEAD_SECONDS):
                offset = self._newest_offset = expected - seconds
                self.num_jumps += 1
        self._offsets[stream] = offset
        if packet.dts is not None:  # times of showing run to and fro: the first packets of Matroska have no others
            self._next[stream] = seconds + offset + float((packet.duration or 0) * clock)
            self._latest = max(self._latest, self._next[stream])
        return offset


class Source:
    """One open file; a context manager. Raises DecodeError where FFmpeg, or the file system, refuses."""

    def __init__(self, path: Path) -> None:
        self.path = path
        """The file."""
        self._refuse_what_is_no_file()
        self._joined = self._untrimmed = False
        self.container: Any = None
        """PyAV's container."""
        self.video: Any = None
        """The video stream, or None; a cover picture of a song is none."""
        self.audio: Any = None
        """The sound stream, or None."""
        self.num_damaged_sounds = 0
        """Packets of sound that could not be read or decoded so far."""
        self.num_jumps = 0
        """How often another recording has begun since the first byte."""
        self.has_more_streams = False
        """Whether further streams were met while reading, which the file did not announce: FFmpeg leaves them out."""
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
            # An absolute path, for FFmpeg reads "a:b.mp4" as protocol a. Tags may be in any encoding; none is used.
            self.container = av.open(str(self.path.absolute()), options=_OPTIONS, metadata_errors="replace")
        streams = self.container.streams
        self.video = _best(streams.video, streams.best("video"))
        self.audio = _best(streams.audio, streams.best("audio", related=self.video))
        if self.video is not None:
            # Loaders run many of these side by side: threads of their own would only fight each other.
            self.video.codec_context.thread_count = 1
        self._trim_nothing()

    def read_straight(self, *, untrimmed: bool) -> None:
        """From now on packets come on one clock made of those of the recordings that were joined; it must be read from
        its first byte on. `untrimmed`: no sample is taken away from the ends of packets, by stamps that are wrong.
        """
        self._joined, self._untrimmed = True, untrimmed
        self._trim_nothing()

    def _trim_nothing(self) -> None:
        if self._untrimmed and self.audio is not None:
            self.audio.codec_context.flags2 |= Flags2.skip_manual

    @property
    def format(self) -> str:
        """FFmpeg's name of the container, the first of several that mean one kind: mov, matroska, mpegts."""
        return str(self.container.format.name).partition(",")[0]

    @property
    def clock_may_jump(self) -> bool:
        """Whether it is of a kind that people join with cat, or record without end: MPEG streams, Ogg."""
        return bool(self.container.format.flags & Flags.ts_discont.value) or self.format == "flv"

    @property
    def stores_no_times(self) -> bool:
        """Whether it is a bare stream of pictures, which FFmpeg cannot search and which says nothing of time."""
        return bool(self.container.format.flags & Flags.no_timestamps.value)

    @property
    def is_elementary(self) -> bool:
        """Whether it is one bare stream; many of these do not say how long they are."""
        return bool(self.container.format.flags & Flags.generic_index.value)

    def packets(self, *streams: Any) -> Iterator[Any]:
        """The packets of some of its streams from where the file stands, then an empty one each, which tells decoders
        to give what they hold back. Raises av.FFmpegError where the file cannot be read on.
        """
        joiner = Joiner() if self._joined else None
        # A joined file's clock jumps for all of its streams at once, so all of them are looked at.
        wanted, watched = {stream.index for stream in streams}, streams
        if joiner is not None:
            watched = tuple(stream for stream in (self.video, self.audio) if stream is not None)
        demuxed = self.container.demux(watched)
        while True:
            try:
                packet = next(demuxed, None)
            except IndexError:
                # At the end PyAV asks for streams that appeared on the way, of which it made no objects.
                self.has_more_streams = True
                return
            if packet is None:
                return
            if joiner is not None and packet.size:
                _restamp(packet, joiner)
                self.num_jumps = joiner.num_jumps
            if packet.stream.index in wanted:
                yield packet

    def seek(self, stream: Any, timestamp: int) -> bool:
        """Whether the file now stands near a stamp of `stream`, at a keyframe before it if it knows of one."""
        with suppress(av.FFmpegError):  # no index, or a time before the first
            self.container.seek(timestamp, stream=stream)
            return True
        return False

    def seconds(self, stream: Any, timestamp: int) -> float:
        """A time stamp of `stream` on this file's clock."""
        return float(timestamp * stream.time_base) - self.origin_seconds

    def timestamp(self, stream: Any, seconds: float) -> int:
        """The last time stamp of `stream` not after `seconds` on this file's clock."""
        return int((seconds + self.origin_seconds) / stream.time_base // 1)

    def start_seconds(self, stream: Any) -> float:
        """Where `stream` starts by its first stamp."""
        return 0.0 if stream.start_time is None else self.seconds(stream, stream.start_time)

    def _origin_seconds(self) -> float:
        streams = [stream for stream in (self.video, self.audio) if stream is not None]
        return min((float(s.start_time * s.time_base) for s in streams if s.start_time is not None), default=0.0)

    def _refuse_what_is_no_file(self) -> None:
        if self.path.is_dir():
            raise DecodeError(self.path, "a folder, not a media file", "name the file inside it")
        if not self.path.exists():
            raise DecodeError(self.path, "no such file", "fix its path in the manifest, or fetch it")
        if not self.path.is_file():  # a pipe or a device, which FFmpeg might wait for without end
            raise DecodeError(self.path, "no regular file", "copy what it gives into a file")
        if self.path.stat().st_size == 0:
            raise DecodeError(self.path, "an empty file", _MEND)


def _best(streams: Any, by_rule: Any) -> Any:
    """The stream that FFmpeg's own rule takes; cover art and what FFmpeg cannot decode is not a stream.

    The rule is `av_find_best_stream`'s: not for the blind or deaf, marked as default, more than one picture, the higher
    bit rate, and then the first.
    """
    usable = [
        stream
        for stream in streams
        if stream.codec_context is not None and not stream.disposition & av.stream.Disposition.attached_pic
    ]
    return next((stream for stream in usable if by_rule is not None and stream.index == by_rule.index), None) or next(
        iter(usable), None
    )


def _restamp(packet: Any, joiner: Joiner) -> None:
    """Puts a packet on the one clock, as far as it carries a time at all."""
    moved = round(joiner.take(packet) / packet.time_base)
    if packet.dts is not None:
        packet.dts += moved
    if packet.pts is not None:
        packet.pts += moved
