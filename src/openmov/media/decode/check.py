"""Faults and peculiarities of one file, in words, for `openmov check`."""

from dataclasses import dataclass
from pathlib import Path

from openmov.errors import DecodeError
from openmov.media.decode.encryption import boxes
from openmov.media.decode.extent import CUT_OFF_SECONDS, Extent, Extents, Survey, Tally, extents, survey
from openmov.media.decode.probe import MediaInfo, VideoStream, probe
from openmov.media.decode.source import Source, decode_errors

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
        with Source(path) as source, decode_errors(path):
            found = extents(source)
            look = survey(source, deep=deep)
            has_pictures, is_joined = source.video is not None, _is_joined(source)
    except DecodeError as error:
        return MediaCheck(None, (error.what,), ())
    faults = []
    if info.video is None and has_pictures:
        faults.append("its pictures cannot be decoded")
    if info.video is not None:
        faults += _faults("video", found.video, look.video)
    if info.audio is not None:
        faults += _faults("sound", found.audio, look.audio)
    alone = [] if info.video is not None or has_pictures else ["sound alone: no pictures"]
    return MediaCheck(info, tuple(faults), (*alone, *_notes(info, found, look, is_joined=is_joined)))


def _is_joined(source: Source) -> bool:
    """Whether an MP4 file is several, of which FFmpeg sees the first."""
    if source.format != "mov":
        return False
    with source.path.open("rb") as file:
        return sum(name == b"moov" for name, _, _ in boxes(file)) > 1


def _faults(kind: str, extent: Extent | None, tally: Tally) -> list[str]:
    faults = []
    promised = None if extent is None else extent.counted_end_seconds or extent.promised_end_seconds
    ends = tally.end_seconds
    if promised is not None and ends is not None and promised - ends > CUT_OFF_SECONDS:
        faults.append(f"cut off: its {kind} promises {promised:.1f} s, its data ends at {ends:.1f} s")
    if tally.num_damaged:
        faults.append(f"{tally.num_damaged} damaged {kind} packet{'s' if tally.num_damaged > 1 else ''}")
    return faults


def _notes(info: MediaInfo, found: Extents, look: Survey, *, is_joined: bool) -> list[str]:
    notes = []
    if info.audio is None:
        notes.append("no sound")
    if info.video is not None and look.video.longest_step > _VARIABLE_RATE_RATIO * look.video.shortest_step:
        notes.append("variable frame rate")
    if info.video is not None:
        notes += _geometry_notes(info.video)
        notes += picture_notes(info.video)
    for kind, stream in (("video", info.video), ("sound", info.audio)):
        if stream is not None and stream.start_seconds > CUT_OFF_SECONDS:
            notes.append(f"{kind} starts at {stream.start_seconds:.1f} s")
    if not found.searchable:
        notes.append("cannot be searched by time: it is read from its start whenever it is looked at")
    if look.has_more_streams:
        notes.append("further streams begin in the middle: they are not looked at")
    if is_joined:
        notes.append("another file is joined to its end: it is not looked at")
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
    if counted is None or counted - video.end_seconds <= CUT_OFF_SECONDS:
        return []
    return [f"cut off: {counted:.1f} s are promised, its data ends at {video.end_seconds:.1f} s"]


def picture_notes(video: VideoStream) -> list[str]:
    """What about the pictures may mislead a model, for it is not fixed here."""
    notes = []
    if round((video.end_seconds - video.start_seconds) * video.rate_fps) <= 1:
        notes.append("a single picture: nothing moves in it")
    if video.interlaced:
        notes.append("interlaced: what moves is combed (ffmpeg -vf bwdif fixes it)")
    if video.hdr is not None:
        notes.append(f"HDR ({video.hdr}): shown without tone mapping, so colours look flat")
    if video.approximated_matrix is not None:
        notes.append(f"its colour matrix ({video.approximated_matrix}) is not known here: hues are nearly right")
    return notes
