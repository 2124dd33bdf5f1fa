"""Pictures of one video in the order of their presentation, entered at any keyframe.

Decoding is planned: `entry` finds, by reading packets without decoding them, the keyframe from which a time can be
reached; `enter` starts decoding there; `advance` gives one picture after the other. A caller that asks for its
times in ascending order and enters only where `must_enter` says so decodes no picture twice. Times come from the
pictures' own time stamps; a picture without one (AVI with B-frames) takes the decoder's, and after that the
nominal frame rate counts on.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import av
from av.video.reformatter import VideoReformatter

from openmov.errors import DecodeError
from openmov.media.decode.geometry import Geometry, geometry_of
from openmov.media.decode.picture import Picture
from openmov.media.decode.source import Source

TIME_TOLERANCE_SECONDS = 5.1e-4  # Matroska and FLV round times to the millisecond


@dataclass(frozen=True)
class Entry:
    """A keyframe at which decoding can start."""

    seek_timestamp: int
    """What to seek to so that the keyframe's packet follows."""
    order: int
    """The packet's place in the file (its decoding time stamp)."""
    time_seconds: float
    """When the keyframe comes on screen; pictures before it may lack what they refer to."""


class VideoReader:
    """A play head over one video, a context manager. Raises DecodeError."""

    def __init__(self, path: Path) -> None:
        self.source = Source(path)
        """The open file."""
        if self.source.video is None:
            self.source.close()
            raise DecodeError(path, "no video stream", "drop it from the manifest, or run openmov check")
        self.num_decoded = 0
        """Pictures decoded so far, those thrown away included: what planned decoding saves."""
        self.num_damaged = 0
        """Packets that could not be read or decoded so far."""
        rate = self.source.video.average_rate or self.source.video.guessed_rate
        self.step_seconds = 1 / float(rate) if rate else 0.04
        """Seconds from picture to picture by the nominal frame rate."""
        self.start_seconds = self.source.start_seconds(self.source.video)
        """When the first picture comes on screen."""
        self.promised_end_seconds = self.source.promised_end_seconds(self.source.video)
        """When the last one goes, by the header; None if that does not say."""
        self._reformatter = VideoReformatter()
        self._geometry: Geometry | None = None
        self._untouched = True
        self._entry: Entry | None = None
        self._position: int | None = None
        self._upcoming: Picture | None = None
        self._last_seconds: float | None = None
        self._incoming: Iterator[Any] | None = None

    def __enter__(self) -> "VideoReader":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.source.close()

    # -- planning: packets are read, nothing is decoded

    def plan(self, targets_seconds: Sequence[float]) -> list[Entry | None]:
        """For each ascending time the keyframe from which to decode; None: from the start of the file."""
        entries: list[Entry | None] = [None] * len(targets_seconds)

        def fill(low: int, high: int) -> None:
            # Between two times with one keyframe all others have the same: a clip inside a GOP takes two seeks.
            if high - low < 2:
                return
            if entries[low] == entries[high]:
                entries[low + 1 : high] = [entries[low]] * (high - low - 1)
                return
            middle = (low + high) // 2
            entries[middle] = self.entry(targets_seconds[middle])
            fill(low, middle)
            fill(middle, high)

        if targets_seconds:
            entries[0] = self.entry(targets_seconds[0])
            entries[-1] = self.entry(targets_seconds[-1])
            fill(0, len(targets_seconds) - 1)
        self._reset(None)
        return entries

    def entry(self, target_seconds: float) -> Entry | None:
        """The last keyframe on screen not after `target_seconds`, or one a little earlier; None: the file's start."""
        back = 0.0
        while target_seconds - back >= self.start_seconds or back == 0.0:
            found = self._keyframe_from(target_seconds - back, target_seconds)
            if found is not None:
                return found
            back = 2 * back or 0.5
        return None

    def _keyframe_from(self, seek_seconds: float, target_seconds: float) -> Entry | None:
        stream = self.source.video
        timestamp = self.source.timestamp(stream, seek_seconds)
        if not self._seek(timestamp):
            return None
        found = None
        with suppress(av.FFmpegError):  # a file cut off before this time: the caller looks further back
            for index, packet in enumerate(self.source.container.demux(stream)):
                stamp = packet.pts if packet.pts is not None else packet.dts
                if stamp is None or self.source.seconds(stream, stamp) > target_seconds + TIME_TOLERANCE_SECONDS:
                    break
                if packet.is_keyframe:
                    found = Entry(timestamp, _order(packet), self.source.seconds(stream, stamp))
                    if index == 0:
                        break  # the file has an index, and it led to the keyframe itself
        return found

    # -- reading

    def must_enter(self, entry: Entry | None) -> bool:
        """Whether decoding must jump to reach what `entry` leads to; else it only has to go on."""
        return self._position is None or (entry is not None and entry.order > self._position)

    def enter(self, entry: Entry | None, target_seconds: float) -> None:
        """Starts decoding at `entry`; earlier where nothing not after `target_seconds` can be decoded from there."""
        self._jump(entry)
        back = 1.0
        while entry is not None and not self._shows(target_seconds):
            entry = self.entry(target_seconds - back)
            self._jump(entry)
            back *= 2

    def peek(self) -> Picture | None:
        """The picture after the current one; None at the end."""
        if self._upcoming is None:
            self._upcoming = self._decode()
        return self._upcoming

    def advance(self) -> Picture | None:
        """Takes the next picture; None at the end."""
        picture = self.peek()
        self._upcoming = None
        return picture

    def _shows(self, target_seconds: float) -> bool:
        picture = self.peek()
        return picture is not None and picture.time_seconds <= target_seconds + TIME_TOLERANCE_SECONDS

    def _jump(self, entry: Entry | None) -> None:
        if entry is None and not self._untouched:
            self.source.reopen()
            self._untouched = True
        elif entry is not None:
            self._seek(entry.seek_timestamp)
        self._reset(entry)

    def _seek(self, timestamp: int) -> bool:
        self._untouched = False
        try:
            self.source.container.seek(timestamp, stream=self.source.video)
        except av.FFmpegError:
            return False  # no index, or a time before the first: the caller then starts at the first byte
        return True

    def _reset(self, entry: Entry | None) -> None:
        self._entry = entry
        self._position = None
        self._upcoming = None
        self._last_seconds = None
        self._incoming = None

    def _packets(self) -> Iterator[Any]:
        """Packets from where the file stands; ends early, counting a damage, where the file cannot be read on."""
        self._untouched = False
        try:
            yield from self.source.container.demux(self.source.video)
        except av.FFmpegError:
            self.num_damaged += 1

    def _decoded_frames(self) -> Iterator[Any]:
        for packet in self._packets():
            order = _order(packet)
            if self._position is None and self._entry is not None and packet.size and order < self._entry.order:
                continue
            if packet.size:
                self._position = order
            try:
                yield from packet.decode()
            except av.FFmpegError:
                self.num_damaged += packet.size > 0
        try:
            yield from self.source.video.codec_context.decode(None)  # what a file cut short still held back
        except av.FFmpegError:
            return

    def _decode(self) -> Picture | None:
        if self._incoming is None:
            self._incoming = self._decoded_frames()
        for frame in self._incoming:
            self.num_decoded += 1
            picture = self._picture(frame)
            if self._entry is None or picture.time_seconds >= self._entry.time_seconds - TIME_TOLERANCE_SECONDS:
                return picture
        return None

    def _picture(self, frame: Any) -> Picture:
        time = self._time_seconds(frame)
        self._last_seconds = time
        self._geometry = self._geometry or geometry_of(frame, self.source.video.sample_aspect_ratio)
        lasts = float(frame.duration * self.source.video.time_base) if frame.duration else self.step_seconds
        return Picture(time, lasts, frame, self._reformatter, self._geometry)

    def _time_seconds(self, frame: Any) -> float:
        stamp = frame.pts if frame.pts is not None else frame.dts
        counted = self.start_seconds if self._last_seconds is None else self._last_seconds + self.step_seconds
        if stamp is None:
            return counted
        time = self.source.seconds(self.source.video, stamp)
        return time if self._last_seconds is None or time > self._last_seconds else counted


def _order(packet: Any) -> int:
    stamp = packet.dts if packet.dts is not None else packet.pts
    return 0 if stamp is None else int(stamp)
