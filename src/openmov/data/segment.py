"""Which part of a file a record means: what the file holds, and the spans of its streams inside the segment.

All times are seconds on the file's own clock. Knows nothing of views and of what is made of them.
"""

from functools import lru_cache
from pathlib import Path

from openmov.data.records import Record
from openmov.errors import DecodeError
from openmov.media.decode import AudioStream, MediaInfo, VideoStream, probe


def file_facts(path: Path) -> MediaInfo:
    """What a file holds, asked once per version of the file. Raises DecodeError."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return probe(path)  # which says so in its own words
    except OSError as error:
        raise DecodeError(path, f"cannot be read ({error.strerror})", "check the path and its permissions") from error
    return _probe_version(path, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=65536)
def _probe_version(path: Path, size: int, mtime_ns: int) -> MediaInfo:
    return probe(path)


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
