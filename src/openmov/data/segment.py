"""Which part of a file a record means: what the file holds, and the spans of its streams inside the segment.

All times are seconds on the file's own clock. Knows nothing of views and of what is made of them.
"""

from pathlib import Path

from openmov.data.records import Record
from openmov.errors import DecodeError
from openmov.media.decode import PLAIN, AudioStream, Decoder, MediaInfo, VideoStream

_MOST_KNOWN = 65_536
_known: dict[tuple[Path, int, int], MediaInfo] = {}


def file_facts(path: Path, decoder: Decoder = PLAIN) -> MediaInfo:
    """What a file holds, asked once per version of the file. Raises DecodeError."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return decoder.probe(path)  # which says so in its own words
    except OSError as error:
        raise DecodeError(path, f"cannot be read ({error.strerror})", "check the path and its permissions") from error
    version = (path, status.st_size, status.st_mtime_ns)
    info = _known.get(version)
    if info is None:
        info = decoder.probe(path)
        if len(_known) >= _MOST_KNOWN:
            _known.clear()
        _known[version] = info
    return info


def span_within(record: Record, stream: VideoStream | AudioStream | None) -> tuple[float, float] | None:
    """Start and end in seconds of a stream inside the record's segment; None where the segment holds nothing of it."""
    if stream is None:
        return None
    start, end = stream.start_seconds, stream.end_seconds
    if record.start_seconds is not None:
        start = max(start, record.start_seconds)
    if record.end_seconds is not None:
        end = min(end, record.end_seconds)
    single_picture = stream.start_seconds == stream.end_seconds == start == end
    return (start, end) if start < end or single_picture else None
