"""Faults and peculiarities of one file, in words, for `openmov check`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av

from openmov.errors import DecodeError
from openmov.media.decode.probe import MediaInfo, VideoStream, probe
from openmov.media.decode.source import Source

_CUT_OFF_SECONDS = 0.5
_VARIABLE_RATE_RATIO = 1.5


@dataclass(frozen=True)
class MediaCheck:
    """What was found in one file."""

    info: MediaInfo | None
    """What it holds; None if it cannot be opened."""
    faults: tuple[str, ...]
    """What is broken, one line each: empty for a sound file."""
    notes: tuple[str, ...]
    """What is unusual: no sound, a variable frame rate, a rotation, pixels that are not square, a late start, which
    are handled; interlaced or HDR pictures, which are shown as they are."""


def check_media(path: Path, *, deep: bool = False) -> MediaCheck:
    """Reads every packet of a file (`deep`: decodes them all, some hundred times slower) and lists what is odd.

    Raises nothing for a broken file: that is its answer.
    """
    try:
        info = probe(path)
        held = {"video": info.video, "sound": info.audio}
        tallies = {kind: _tally(path, kind, deep) for kind, stream in held.items() if stream is not None}
    except DecodeError as error:
        return MediaCheck(None, (error.what,), ())
    faults = [fault for kind, tally in tallies.items() for fault in _faults(kind, info, tally)]
    if info.video is None:
        faults.insert(0, "no pictures")
    return MediaCheck(info, tuple(faults), tuple(_notes(info, tallies.get("video"))))


@dataclass
class _Tally:
    """What the packets of one stream say; grows with nothing."""

    end_seconds: float
    num_damaged: int = 0
    shortest: int = 0
    longest: int = 0

    def take_step(self, step: int) -> None:
        if step > 0:
            self.shortest = min(self.shortest or step, step)
            self.longest = max(self.longest, step)


def _tally(path: Path, kind: str, deep: bool) -> _Tally:
    with Source(path) as source:
        stream = source.video if kind == "video" else source.audio
        tally = _Tally(source.start_seconds(stream))
        last: int | None = None
        try:
            for packet in source.container.demux(stream):
                stamp = packet.pts if packet.pts is not None else packet.dts
                if stamp is not None:
                    tally.end_seconds = max(tally.end_seconds, source.seconds(stream, stamp + (packet.duration or 0)))
                if packet.dts is not None and last is not None:
                    tally.take_step(packet.dts - last)
                last = packet.dts
                tally.num_damaged += packet.is_corrupt or (deep and not _decodes(packet))
        except av.FFmpegError:
            tally.num_damaged += 1
    return tally


def _decodes(packet: Any) -> bool:
    try:
        packet.decode()
    except av.FFmpegError:
        return int(packet.size) == 0
    return True


def _faults(kind: str, info: MediaInfo, tally: _Tally) -> list[str]:
    stream = info.video if kind == "video" else info.audio
    assert stream is not None
    faults = []
    counted = info.video.counted_end_seconds if kind == "video" and info.video is not None else None
    promised = counted or stream.end_seconds
    if promised - tally.end_seconds > _CUT_OFF_SECONDS:
        faults.append(f"cut off: its {kind} promises {promised:.1f} s, its data ends at {tally.end_seconds:.1f} s")
    if tally.num_damaged:
        faults.append(f"{tally.num_damaged} damaged {kind} packet{'s' if tally.num_damaged > 1 else ''}")
    return faults


def _notes(info: MediaInfo, video: _Tally | None) -> list[str]:
    notes = []
    if info.audio is None:
        notes.append("no sound")
    if video is not None and video.longest > _VARIABLE_RATE_RATIO * video.shortest:
        notes.append("variable frame rate")
    if info.video is not None:
        notes += _geometry_notes(info.video)
        notes += picture_notes(info.video)
    for kind, stream in (("video", info.video), ("sound", info.audio)):
        if stream is not None and stream.start_seconds > _CUT_OFF_SECONDS:
            notes.append(f"{kind} starts at {stream.start_seconds:.1f} s")
    return notes


def _geometry_notes(video: VideoStream) -> list[str]:
    notes = []
    if video.rotation_degrees:
        notes.append(f"stored turned by {video.rotation_degrees} degrees")
    if video.mirrored:
        notes.append("stored mirrored")
    if video.pixel_aspect != 1:
        notes.append(f"stored with pixels {video.pixel_aspect:.3g} times as wide as high")
    return notes


def cut_notes(video: VideoStream) -> list[str]:
    """Says of an AVI file that it holds fewer pictures than its header counts; the other kinds say so when read."""
    counted = video.counted_end_seconds
    if counted is None or counted - video.end_seconds <= _CUT_OFF_SECONDS:
        return []
    return [f"cut off: {counted:.1f} s are promised, its data ends at {video.end_seconds:.1f} s"]


def picture_notes(video: VideoStream) -> list[str]:
    """What about the pictures may mislead a model, for it is not mended here."""
    notes = []
    if round((video.end_seconds - video.start_seconds) * video.rate_fps) <= 1:
        notes.append("a single picture: nothing moves in it")
    if video.interlaced:
        notes.append("interlaced: what moves is combed (ffmpeg -vf bwdif mends it)")
    if video.hdr is not None:
        notes.append(f"HDR ({video.hdr}): shown without tone mapping, so colours look flat")
    return notes
