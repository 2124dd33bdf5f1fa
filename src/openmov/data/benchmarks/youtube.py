"""Clips cut out of YouTube videos (Kinetics, VGGSound): how their files are called, whoever cut them.

ID_SSSSSS_EEEEEE.mp4    start and end in seconds, six digits; also without leading zeros, or in milliseconds
ID_SSSSSS.mp4           start alone
ID.mp4                  the clip, or the whole video it was cut from (its length tells)
"""

import re

from openmov.data.benchmarks.layout import VideoFile

_NAME = re.compile(r"(?P<id>[A-Za-z0-9_-]{11})(?:_(?P<start>\d{1,9})(?:_(?P<end>\d{1,9}))?)?")
_NUM_ID_LETTERS = 11
_SHORTEST_SPAN_MS = 1000
"""A span of more is in milliseconds: no clip of these data sets is longer than ten seconds."""


def keys_of_file(video: VideoFile) -> tuple[str, ...]:
    """`ID`, `ID 12` or `ID 12 22`; nothing for a file that is called otherwise."""
    found = _NAME.fullmatch(video.stem)
    if found is None:
        return ()
    times = [int(text) for text in (found["start"], found["end"]) if text is not None]
    if len(times) == 2 and times[1] - times[0] >= _SHORTEST_SPAN_MS:
        times = [time // 1000 for time in times]
    return (" ".join((found["id"], *map(str, times))),)


def keys_of_clip(video_id: str, start: int, end: int | None) -> tuple[str, ...]:
    """What the clip's file may be found by, the surest first."""
    ends = () if end is None else (f"{video_id} {start} {end}",)
    return (*ends, f"{video_id} {start}", *(() if end is not None else (f"{video_id} {start} {start + 10}",)), video_id)


def is_video_id(text: str) -> bool:
    """Whether a text may be the id of a video."""
    return len(text) == _NUM_ID_LETTERS and re.fullmatch(r"[A-Za-z0-9_-]+", text) is not None
