"""Pictures of one video in the order of their presentation, entered at any keyframe.

Decoding is planned: `entry` finds, by reading packets without decoding them, the keyframe from which a time can be
reached; `reach` starts decoding there; `advance` gives one picture after the other. A caller that asks for its times in
ascending order decodes no picture twice.

    reach(target)    at most once a target; jumps to an entry, or to ever earlier ones, each before the last, or to the
                     file's first byte: so it ends
    advance()        takes packets from the file, each once: so it ends, too

Keyframe marks lie in many files (intra refresh, lost tables, capture cards). So an entry is believed only once a
picture has come out of it in time; how much earlier this file must be entered is remembered for the next times.

Times come from the pictures' own time stamps. Pictures without them (H.264 in AVI) take the stamps at which their
packets are decoded, in order, for these are the same times sorted; and where there are none either (bare streams), the
nominal frame rate counts on.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from heapq import heappop, heappush
from pathlib import Path
from types import TracebackType
from typing import Any

import av
from av.video.reformatter import VideoReformatter

from openmov.errors import DecodeError
from openmov.media.decode.extent import Extents, extents
from openmov.media.decode.geometry import Geometry, geometry_of
from openmov.media.decode.picture import Picture
from openmov.media.decode.source import Source

TIME_TOLERANCE_SECONDS = 5.1e-4  # Matroska and FLV round times to the millisecond
_PATIENCE_SECONDS = 1.0
"""So long after its target an entry may take until a picture comes out: decoders hold back a few."""
_CHECKS_ITSELF = frozenset(("h264", "hevc", "vvc", "libdav1d", "av1", "libvpx", "vp8", "vp9", "libvpx-vp9"))
"""Decoders that give no picture before they have all that it refers to."""
_REORDERED = frozenset(("h264", "hevc", "vvc"))
"""Codings that AVI has no place for the time stamps of; those that FFmpeg makes up for them are in the wrong order."""
_REFERRING = frozenset((2, 3, 4, 6))
"""AVPictureType of pictures that refer to others: P, B, S, SP."""


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
        try:
            found = extents(self.source)
            if self.source.video is None or found.video is None:
                raise DecodeError(path, "no video stream", "drop it from the manifest, or run openmov check")
        except DecodeError:
            self.source.close()
            raise
        self._extents: Extents = found
        self.num_decoded = 0
        """Pictures decoded so far, those thrown away included: what planned decoding saves."""
        self.num_damaged = 0
        """Packets that could not be read or decoded so far."""
        stream = self.source.video
        rate = stream.average_rate or stream.guessed_rate
        self.step_seconds = 1 / float(rate) if rate else 0.04
        """Seconds from picture to picture by the nominal frame rate."""
        self.start_seconds = found.video.start_seconds
        """When the first picture comes on screen."""
        self.end_seconds = found.video.end_seconds
        """When the last one goes; of a file cut off, when it should."""
        self.promised_end_seconds = found.video.promised_end_seconds
        """When the last one goes, by what the file can be held to; None if it says nothing."""
        self._run_up_seconds = 0.0
        self._planner: VideoReader | None = None
        self._stored_size = (stream.codec_context.width, stream.codec_context.height)
        self._codec = stream.codec_context.name
        self._untimed = self.source.format == "avi" and self._codec in _REORDERED
        self._reformatter = VideoReformatter()
        self._geometry: Geometry | None = None
        self._untouched = True
        self._entry: Entry | None = None
        self._position: int | None = None
        self._upcoming: Picture | None = None
        self._last_seconds: float | None = None
        self._incoming: Iterator[Any] | None = None
        self._waiting_stamps: list[int] = []

    @property
    def is_plain(self) -> bool:
        """Whether its time stamps can be taken as they are."""
        return self._extents.searchable and not self._untimed

    def __enter__(self) -> "VideoReader":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the file; may be called twice."""
        self.source.close()
        if self._planner is not None:
            self._planner.close()

    # -- planning: packets are read, nothing is decoded

    def plan(self, targets_seconds: Sequence[float]) -> list[Entry | None]:
        """For each ascending time the keyframe from which to decode; None: from the start of the file.

        To be called before the first picture is read.
        """
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

        if targets_seconds and self._extents.searchable:
            entries[0] = self.entry(targets_seconds[0])
            entries[-1] = self.entry(targets_seconds[-1])
            fill(0, len(targets_seconds) - 1)
        self._reset(None)
        return entries

    def entry(self, target_seconds: float) -> Entry | None:
        """The last keyframe on screen not after `target_seconds`, or one a little earlier; None: the file's start.

        The file is left standing anywhere.
        """
        back = 0.0
        while self._extents.searchable and (target_seconds - back >= self.start_seconds or back == 0.0):
            found = self._keyframe_from(target_seconds - back, target_seconds)
            if found is not None:
                return found
            back = 2 * back or 0.5
        return None

    def _keyframe_from(self, seek_seconds: float, target_seconds: float) -> Entry | None:
        stream = self.source.video
        timestamp = self.source.timestamp(stream, seek_seconds)
        self._untouched = False
        if not self.source.seek(stream, timestamp):
            return None
        found = None
        with suppress(av.FFmpegError):  # a file cut off before this time: the caller looks further back
            num_placed = 0
            for index, packet in enumerate(self.source.packets(stream)):
                num_placed += packet.pos is not None
                stamp = packet.pts if packet.pts is not None and not self._untimed else packet.dts
                stamp = packet.pts if stamp is None else stamp
                if stamp is None or self.source.seconds(stream, stamp) > target_seconds + TIME_TOLERANCE_SECONDS:
                    break
                if packet.is_keyframe and self._can_be_entered(packet, num_placed):
                    found = Entry(timestamp, _order(packet), self.source.seconds(stream, stamp))
                    if index == 0:
                        break  # the file has an index, and it led to the keyframe itself
        return found

    def _can_be_entered(self, packet: Any, num_placed: int) -> bool:
        """Whether times count rightly from a keyframe; `num_placed` packets since the search knew their place."""
        if self._untimed:
            # Others may have been preceded, on screen, by pictures that come after them: there is no telling how many.
            return starts_anew(bytes(packet), self._codec)
        if self.source.format == "mpeg":
            # A search ends in the middle of a picture, from whose remains FFmpeg counts on until the next stamp.
            return num_placed > 1
        return True

    # -- reading

    def reach(self, target_seconds: float, planned: Entry | None = None) -> bool:
        """Stands so that the pictures that follow lead up to the one on screen at a time, by a jump or by going on.

        `planned` is what `plan` found for it. Whether it jumped. To be called once for each of ascending times: each
        time it enters the file at places that lie ever earlier.
        """
        entry = planned
        if self._run_up_seconds:
            entry = self.entry_apart(target_seconds - self._run_up_seconds)
        if not self._must_enter(entry):
            return False
        self._jump(entry)
        while entry is not None and not self._shows(target_seconds):
            self._run_up_seconds = 2 * self._run_up_seconds or max(1.0, target_seconds - entry.time_seconds)
            earlier = self.entry(target_seconds - self._run_up_seconds)
            entry = earlier if earlier is not None and earlier.order < entry.order else None
            self._jump(entry)
        return True

    def entry_apart(self, target_seconds: float) -> Entry | None:
        """As `entry`, but the file stays where it stands: looked for in the same file opened once more."""
        if self._planner is None:
            self._planner = VideoReader(self.source.path)
        return self._planner.entry(target_seconds)

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

    def _must_enter(self, entry: Entry | None) -> bool:
        """Whether decoding must jump to reach what `entry` leads to; else it only has to go on."""
        return self._position is None or (entry is not None and entry.order > self._position)

    def _shows(self, target_seconds: float) -> bool:
        """Whether the entry just taken gives what is on screen at a time."""
        picture = self._upcoming = self._decode(give_up_seconds=target_seconds + _PATIENCE_SECONDS)
        return picture is not None and picture.time_seconds <= target_seconds + TIME_TOLERANCE_SECONDS

    def _jump(self, entry: Entry | None) -> None:
        if entry is None and not self._untouched:
            self.source.reopen()
            self._untouched = True
        elif entry is not None:
            self._untouched = False
            self.source.seek(self.source.video, entry.seek_timestamp)
        self._reset(entry)

    def _reset(self, entry: Entry | None) -> None:
        self._entry = entry
        self._position = None
        self._upcoming = None
        self._last_seconds = None
        self._incoming = None
        self._waiting_stamps = []

    def _packets(self) -> Iterator[Any]:
        """Packets from where the file stands; ends early, counting a damage, where the file cannot be read on."""
        self._untouched = False
        try:
            yield from self.source.packets(self.source.video)
        except av.FFmpegError:
            self.num_damaged += 1

    def _decoded_frames(self) -> Iterator[Any]:
        """The frames that come out, and None after each packet that gives none."""
        for packet in self._packets():
            order = _order(packet)
            # A keyframe of this place is what was planned; what stands before it, or seems to, is passed over.
            if self._position is None and packet.size and not self._is_planned(packet):
                continue
            if packet.size:
                self._position = order
                if packet.dts is not None and self._untimed:
                    heappush(self._waiting_stamps, packet.dts)
            try:
                yield from packet.decode() or (None,)
            except av.FFmpegError:
                self.num_damaged += packet.size > 0
                yield None
        try:
            yield from self.source.video.codec_context.decode(None)  # what a file cut short still held back
        except av.FFmpegError:
            return

    def _is_planned(self, packet: Any) -> bool:
        return self._entry is None or (packet.is_keyframe and _order(packet) >= self._entry.order)

    def _decode(self, give_up_seconds: float = float("inf")) -> Picture | None:
        """The next picture; None at the end, or once packets from after `give_up_seconds` have given none."""
        if self._incoming is None:
            self._incoming = self._decoded_frames()
        for frame in self._incoming:
            if frame is None:
                if self._has_passed(give_up_seconds):
                    return None
                continue
            self.num_decoded += 1
            if self._entry is not None and self._last_seconds is None and self._refers_to_others(frame):
                return None
            picture = self._picture(frame)
            if self._entry is None or picture.time_seconds >= self._entry.time_seconds - TIME_TOLERANCE_SECONDS:
                return picture
        return None

    def _has_passed(self, seconds: float) -> bool:
        return self._position is not None and self.source.seconds(self.source.video, self._position) > seconds

    def _refers_to_others(self, frame: Any) -> bool:
        """Whether a first frame is one that a decoder can only have guessed: then the keyframe mark was a lie."""
        return self._codec not in _CHECKS_ITSELF and not frame.key_frame and int(frame.pict_type) in _REFERRING

    def _picture(self, frame: Any) -> Picture:
        time = self._time_seconds(frame)
        self._last_seconds = time
        self._geometry = self._geometry or self._geometry_for(frame)
        lasts = float(frame.duration * self.source.video.time_base) if frame.duration else self.step_seconds
        return Picture(time, lasts, frame, self._reformatter, self._geometry)

    def _geometry_for(self, frame: Any) -> Geometry:
        """That of the file's first picture, wherever this one was entered: later ones may be of another size."""
        aspect = self.source.video.sample_aspect_ratio
        if (frame.width, frame.height) != self._stored_size and self._entry is not None:
            with VideoReader(self.source.path) as again:
                first = again.peek()
            if first is not None:
                return first.geometry
        return geometry_of(frame, aspect)

    def _time_seconds(self, frame: Any) -> float:
        stamp = frame.pts if frame.pts is not None else frame.dts
        if self._untimed:
            stamp = heappop(self._waiting_stamps) if self._waiting_stamps else None
        counted = self.start_seconds if self._last_seconds is None else self._last_seconds + self.step_seconds
        if stamp is None:
            return counted
        time = self.source.seconds(self.source.video, stamp)
        return time if self._last_seconds is None or time > self._last_seconds else counted


def starts_anew(data: bytes, codec: str) -> bool:
    """Whether an H.264 or H.265 picture is one after which no other refers to, or is shown before, what came earlier:
    an IDR picture, by its NAL units between start codes.
    """
    at = data.find(b"\0\0\1")
    while 0 <= at < len(data) - 3:
        header = data[at + 3]
        if (codec == "h264" and header & 31 == 5) or (codec == "hevc" and header >> 1 & 63 in (19, 20)):
            return True
        at = data.find(b"\0\0\1", at + 3)
    return False


def _order(packet: Any) -> int:
    stamp = packet.dts if packet.dts is not None else packet.pts
    return 0 if stamp is None else int(stamp)
