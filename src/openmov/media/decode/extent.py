"""From when to when a file's streams really last, and whether it can be searched by time.

What headers say of lengths is often wrong: tags kept from a longer film, lengths guessed from a bit rate, live
recordings that could not know, files joined with cat. So the header is asked first and then the packets, as few of them
as will do:

    kind of file                    what is looked at
    MP4, AVI with a whole index     the index, in memory: no packet is read
    Matroska, FLV, fragments, ...   the packets after the last place to which the container can seek
    MPEG and Ogg streams, and       all packets, once (`survey`); of files too large for that, stamps here and there
    bare streams (MP3, H.264, ...)

Where header and packets agree to within a picture or two, the header's number is taken; else that of the packets. A
file is *cut off* only where bytes are missing that it counts on, not where a picture stands longer than usual.
Nothing is decoded, but for Ogg sound whose stamps stand still. What was found is remembered per version of a file.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import av

from openmov.errors import DecodeError
from openmov.media.decode.source import Joiner, Source

_AGREE_SECONDS = 0.1
_AGREE_STEPS = 2
CUT_OFF_SECONDS = 0.5
"""Less is padding of a codec, or a header that rounds."""
_MOST_SURVEYED_BYTES = 512 << 20
_SPOTS = 48
_MOST_REORDERED = 16
"""Pictures by which a stamp of decoding may lie before that of showing, in H.264 and H.265."""
_NO_COUNT = 1 << 30
_STUCK_SECONDS = 5e-4
_STUCK_SHARE = 0.1
_REMEMBERED = 4096


@dataclass(frozen=True)
class Extent:
    """From when to when a stream lasts, on the file's clock."""

    start_seconds: float
    """Its first stamp."""
    end_seconds: float
    """Where its last packet ends; of a file cut off, where it would have."""
    promised_end_seconds: float | None = None
    """What the file says of its end and can be held to: what it lacks before that is missing. None: it says nothing."""
    counted_end_seconds: float | None = None
    """Of an AVI file cut off, where its pictures would end by the count in its header; `end_seconds` is then where
    they do."""


@dataclass(frozen=True)
class Extents:
    """Of the streams that are looked at and listened to."""

    video: Extent | None
    audio: Extent | None
    searchable: bool = True
    """Whether stamps lead to the right places. If not, it is to be read from its first byte on, its clock joined."""
    untrimmed: bool = False
    """Whether the stamps of its sound stand still: then samples are counted, all there are."""


@dataclass
class Tally:
    """What the packets of one stream say; grows with nothing."""

    num_packets: int = 0
    """With data."""
    first_seconds: float | None = None
    """The earliest stamp."""
    end_seconds: float | None = None
    """Where the last one ends."""
    num_damaged: int = 0
    """Marked as damaged, or, if they were decoded, not to be decoded."""
    shortest_step: int = 0
    """In ticks of the stream, from packet to packet."""
    longest_step: int = 0
    """Likewise."""
    num_stuck: int = 0
    """Packets that come no later than the one before."""
    lasts_seconds: float = 0.0
    """All their lengths together."""
    _last: int | None = None

    def take(self, source: Source, packet: Any) -> None:
        """Takes one packet into account."""
        clock, lasts = packet.time_base, packet.duration or 0
        self.num_packets += 1
        self.lasts_seconds += float(lasts * clock)
        stamp = packet.pts if packet.pts is not None else packet.dts
        if stamp is not None:
            begins = source.seconds(packet.stream, stamp)
            self.first_seconds = begins if self.first_seconds is None else min(self.first_seconds, begins)
            ends = begins + float(lasts * clock)
            self.end_seconds = ends if self.end_seconds is None else max(self.end_seconds, ends)
        if packet.dts is not None and self._last is not None:
            step = packet.dts - self._last
            self.num_stuck += float(step * clock) < _STUCK_SECONDS
            if step > 0:
                self.shortest_step = min(self.shortest_step or step, step)
                self.longest_step = max(self.longest_step, step)
        self._last = packet.dts

    @property
    def stands_still(self) -> bool:
        """Whether its stamps say nothing of time: many packets at one moment."""
        return self.num_stuck > _STUCK_SHARE * self.num_packets


@dataclass
class Survey:
    """One look at all packets of a file."""

    video: Tally
    audio: Tally
    num_jumps: int = 0
    """How often its clock begins anew."""
    has_more_streams: bool = False
    """Whether streams appear on the way that FFmpeg leaves out."""

    def of(self, stream: Any) -> Tally:
        """The tally of a stream of either kind."""
        return self.video if stream.type == "video" else self.audio


def survey(source: Source, *, deep: bool = False) -> Survey:
    """Reads on from where the file stands to its end; `deep` decodes everything, too."""
    found, joiner = Survey(Tally(), Tally()), Joiner()
    ends_damaged: Tally | None = None
    try:
        for packet in source.packets(*_streams(source)):
            tally = found.of(packet.stream)
            if packet.size:
                tally.take(source, packet)
                joiner.take(packet)
                tally.num_damaged += bool(packet.is_corrupt)
                # A last packet that is not full is not damaged: recorders stop anywhere, and streams know no sizes.
                ends_damaged = tally if packet.is_corrupt else None
            if deep and not _decodes(packet):
                tally.num_damaged += not packet.is_corrupt
    except av.FFmpegError:
        found.of(next(iter(_streams(source)))).num_damaged += 1
    if ends_damaged is not None:
        ends_damaged.num_damaged -= 1
    found.num_jumps = max(joiner.num_jumps, source.num_jumps)
    for tally in (found.video, found.audio):  # where recordings meet, a packet of each stream is cut
        tally.num_damaged = max(tally.num_damaged - found.num_jumps, 0)
    found.has_more_streams = source.has_more_streams
    return found


def extents(source: Source) -> Extents:
    """Of a file that has just been opened, which then knows whether it has to be read straight on.

    Raises DecodeError where it cannot be opened once more.
    """
    try:
        status = source.path.stat()
        found = _remembered(source.path.absolute(), status.st_size, status.st_mtime_ns, status.st_ino)
    except OSError as error:  # it vanished, or its disk did
        raise DecodeError(source.path, f"cannot be read ({error.strerror})", "check the path and its disk") from error
    if not found.searchable:
        source.read_straight(untrimmed=found.untrimmed)
    return found


@lru_cache(_REMEMBERED)
def _remembered(path: Path, size: int, mtime_ns: int, inode: int) -> Extents:
    with Source(path) as source:
        if source.stores_no_times or source.clock_may_jump or source.is_elementary or _goes_on(source):
            return _of_a_stream(source, size)
        if all(_index_agrees(source, stream) for stream in _streams(source)):
            found = {stream.type: _by_header(source, stream) for stream in _streams(source)}
        else:
            found = _by_the_tail(source)
        return Extents(found.get("video"), found.get("audio"), not _needs_its_first_packet(source))


def _needs_its_first_packet(source: Source) -> bool:
    """Whether pictures mean nothing without the first packet, which alone carries their palette (256 colours)."""
    return source.video is not None and source.video.codec_context.pix_fmt == "pal8"


# -- by the header


def _by_header(source: Source, stream: Any) -> Extent:
    start, promised = source.start_seconds(stream), _stated_end(source, stream)
    end = promised if promised is not None else _container_end(source)
    return Extent(start, start if end is None else end, promised)


def _stated_end(source: Source, stream: Any) -> float | None:
    """By the stream's own length in the header, if it has one and it is more than a guess."""
    if stream.duration is None or stream.duration <= 0 or _is_guess(source, stream) or _is_piped(source, stream):
        return None
    return source.start_seconds(stream) + float(stream.duration * stream.time_base)


def _is_guess(source: Source, stream: Any) -> bool:
    """Whether a length is just the file's size over its bit rate, which is what FFmpeg says of MP3 for want of more."""
    rate, seconds = stream.codec_context.bit_rate, float(stream.duration * stream.time_base)
    if not source.is_elementary or not rate:
        return False
    return bool(abs(seconds - 8 * source.container.size / rate) <= 0.01 * seconds)


def _is_piped(source: Source, stream: Any) -> bool:
    """Whether an AVI was written where nobody could go back and fill in the length: it says the largest number."""
    return bool(source.format == "avi" and stream.frames >= _NO_COUNT)


def _container_end(source: Source) -> float | None:
    container = source.container
    if any(_is_piped(source, stream) for stream in _streams(source)):
        return None
    if not container.duration or container.duration <= 0:
        return None
    return float(((container.start_time or 0) + container.duration) / av.time_base) - source.origin_seconds


def _counted_end(source: Source, stream: Any) -> float | None:
    """Where pictures end by the count in the header of an AVI file that is cut off; None for any other file.

    In AVI the stream's own length is then FFmpeg's guess from the bytes there are, and no promise of the file.
    """
    if source.format != "avi" or stream.type != "video" or not stream.duration or _is_piped(source, stream):
        return None
    if stream.frames <= stream.duration + 1:
        return None
    return source.start_seconds(stream) + float(stream.frames * stream.time_base)


def _index_agrees(source: Source, stream: Any) -> bool:
    """Whether an index in memory goes as far as the header says."""
    if source.format not in ("mov", "avi") or not stream.duration or _counted_end(source, stream) is not None:
        return False
    entries = stream.index_entries
    last = len(entries) - 1
    while last > 0 and entries[last].is_discard:  # cut away by an edit list
        last -= 1
    if last < 1:
        return last == 0 and bool(stream.frames == 1)
    step = max(entries[last].timestamp - entries[last - 1].timestamp, 0)
    beyond = (stream.start_time or 0) + stream.duration - entries[last].timestamp - step
    clock = float(stream.time_base)
    return bool((beyond + step) * clock >= -_AGREE_SECONDS and (beyond - _MOST_REORDERED * step) * clock <= 0.5)


# -- by the last packets


def _by_the_tail(source: Source) -> dict[str, Extent]:
    """For files in which one can seek: what the packets near the end say."""
    tail, claimed = _tail(source), _container_end(source)
    found = {}
    for stream in _streams(source):
        start, end = source.start_seconds(stream), tail.of(stream).end_seconds
        stated, counted = _stated_end(source, stream), _counted_end(source, stream)
        stated = claimed if stated is None else stated
        if counted is not None:
            found[stream.type] = Extent(start, start if end is None else max(end, start), None, counted)
        elif end is None:
            found[stream.type] = Extent(start, start if stated is None else max(stated, start), stated)
        elif stated is not None and abs(stated - end) <= _tolerance(stream):
            found[stream.type] = Extent(start, stated, stated)
        elif stated is not None and stated > end and _is_cut_off(source, tail, claimed):
            found[stream.type] = Extent(start, max(stated, start), stated)
        else:
            found[stream.type] = Extent(start, max(end, start))
    return found


def _tail(source: Source) -> Survey:
    """A look at the last packets, from ever earlier until all streams have been met, at last from the first byte."""
    end, streams = _container_end(source), _streams(source)
    if end is not None and end > 0:
        back = 1.0
        while back < end:
            if not source.seek(streams[0], source.timestamp(streams[0], end - back)):
                break
            found = survey(source)
            if all(found.of(stream).num_packets for stream in streams):
                return found
            back *= 4
    source.reopen()
    return survey(source)


def _tolerance(stream: Any) -> float:
    rate = stream.average_rate if stream.type == "video" else None
    return max(_AGREE_SECONDS, _AGREE_STEPS / float(rate) if rate else 0.0)


def _is_cut_off(source: Source, tail: Survey, claimed: float | None) -> bool:
    """Whether a file holds less than it says because its end is missing."""
    missing = _bytes_missing(source)
    if missing is not None:
        return missing
    ends = [tally.end_seconds for tally in (tail.video, tail.audio) if tally.end_seconds is not None]
    return claimed is not None and max(ends, default=claimed) < claimed - CUT_OFF_SECONDS


def _bytes_missing(source: Source) -> bool | None:
    """Whether a file is shorter than it says; None where its format, or this file, does not say."""
    end = _stated_bytes(source)
    return None if end is None else end > source.path.stat().st_size


def _goes_on(source: Source) -> bool:
    """Whether another file has been joined to this one, with a clock of its own."""
    end = _stated_bytes(source)
    if end is None or end >= source.path.stat().st_size:
        return False
    with source.path.open("rb") as file:
        file.seek(end)
        head = file.read(12)
    return head[:4] == b"\x1a\x45\xdf\xa3" or (head[:4] == b"RIFF" and head[8:] == b"AVI ")


def _stated_bytes(source: Source) -> int | None:
    """How long a Matroska or AVI file is by its first header; None where that, or another format, does not say."""
    if source.format not in ("matroska", "avi"):
        return None
    with source.path.open("rb") as file:
        head = file.read(4096)
    if source.format == "avi":
        return 8 + int.from_bytes(head[4:8], "little") if head[:4] == b"RIFF" else None
    at = head.find(b"\x18\x53\x80\x67")
    if at < 0 or at + 12 > len(head):
        return None
    length = 9 - head[at + 4].bit_length()  # an EBML number: as many leading zero bits as bytes follow
    size = int.from_bytes(head[at + 4 : at + 4 + length], "big") - (1 << 7 * length)
    if length > 8 or size == (1 << 7 * length) - 1:  # all bits set: unknown
        return None
    return at + 4 + length + size


# -- by all packets


def _of_a_stream(source: Source, num_bytes: int) -> Extents:
    """For kinds of files whose headers know little and whose clocks may jump."""
    if num_bytes > _MOST_SURVEYED_BYTES and not source.stores_no_times and _runs_on(source):
        source.reopen()
        found = {stream.type: _by_header(source, stream) for stream in _streams(source)}
        return Extents(found.get("video"), found.get("audio"))
    source.reopen()
    look, searchable = survey(source), not source.stores_no_times
    still = source.audio is not None and source.clock_may_jump and look.audio.stands_still
    if look.num_jumps or still:
        searchable = False
        source.read_straight(untrimmed=still)
        source.reopen()
        look = survey(source)
    ends = {stream.type: _surveyed(source, stream, look, searchable=searchable) for stream in _streams(source)}
    if still:
        start = source.start_seconds(source.audio)
        ends["audio"] = Extent(start, start + _decoded_seconds(source))
    return Extents(ends.get("video"), ends.get("audio"), searchable, still)


def _surveyed(source: Source, stream: Any, look: Survey, *, searchable: bool) -> Extent:
    tally, start = look.of(stream), source.start_seconds(stream)
    stated = _stated_end(source, stream) if searchable else None
    end = tally.end_seconds
    if end is None or source.stores_no_times:
        end = max(start + tally.lasts_seconds, start if end is None else end)
    if stated is not None and abs(stated - end) <= _tolerance(stream) and not source.clock_may_jump:
        end = stated
    # MPEG streams and Ogg have no header: FFmpeg's length of them is what it saw at their ends.
    keeps = stated is not None and not source.clock_may_jump
    if keeps and stated is not None and stated > end:
        return Extent(start, stated, stated)
    return Extent(start, max(end, start), stated if keeps else None)


def _runs_on(source: Source) -> bool:
    """Whether stamps ascend from place to place through a file too large to be read for this."""
    if source.format == "flv":  # it cannot be entered at any byte
        return True
    stream, size = next(iter(_streams(source))), source.container.size
    last = -float("inf")
    for spot in range(_SPOTS):
        try:
            source.container.seek(size * spot // _SPOTS, stream=stream, unsupported_byte_offset=True)
            stamp = next((p.dts for p in source.packets(stream) if p.size and p.dts is not None), None)
        except av.FFmpegError:
            continue
        if stamp is None:
            continue
        if stamp < last:
            return False
        last = stamp
    return True


def _decoded_seconds(source: Source) -> float:
    """How long the sound lasts, by decoding it."""
    source.reopen()
    seconds = 0.0
    with suppress(av.FFmpegError):
        for frame in _decoded(source, source.audio):
            seconds += frame.samples / frame.sample_rate
    return seconds


def _decoded(source: Source, stream: Any) -> Iterator[Any]:
    for packet in source.packets(stream):
        with suppress(av.FFmpegError):
            yield from packet.decode()


def _decodes(packet: Any) -> bool:
    try:
        packet.decode()
    except av.FFmpegError:
        return int(packet.size) == 0
    return True


def _streams(source: Source) -> tuple[Any, ...]:
    return tuple(stream for stream in (source.video, source.audio) if stream is not None)
