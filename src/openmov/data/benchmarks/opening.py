"""What the files of listed clips hold: which can be used, which are broken, and which part of a file is the clip.

Knows nothing of how the files were found.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace

from openmov.data.benchmarks.layout import Layout, VideoFile
from openmov.data.benchmarks.listing import ListedClip
from openmov.data.coverage import LostVideo
from openmov.data.records import Record
from openmov.data.segment import file_facts
from openmov.errors import DecodeError
from openmov.media.decode import Decoder, MediaInfo

Progress = Callable[[int], AbstractContextManager[Callable[[int], None]]]
"""Is told how many files will be opened; what it yields, how many are done."""
Facts = MediaInfo | str
"""What a file holds, or what is wrong with it."""

_SPARE_SECONDS = 2.0
"""A file longer than its clip by more than this holds the video the clip was cut from."""


@contextmanager
def unseen(total: int) -> Iterator[Callable[[int], None]]:
    """A Progress that shows nothing."""
    yield lambda done: None


def open_files(
    layout: Layout,
    clips: Sequence[ListedClip],
    files: dict[str, VideoFile],
    *,
    decoder: Decoder,
    workers: int,
    every: bool,
    progress: Progress,
) -> dict[VideoFile, Facts]:
    """The facts of every file that is to be used; with `every` false only of those whose length matters."""
    by_length = {files[clip.clip_id] for clip in clips if _tells_no_time(clip, files.get(clip.clip_id))}
    usable = {video for video in files.values() if not (video.is_empty or video.outside)}
    chosen = sorted((video for video in usable if every or video in by_length), key=lambda video: video.path)

    def one(video: VideoFile) -> Facts:
        try:
            info = file_facts(layout.folder / video.path, decoder)
            return "has no pictures" if info.video is None else info
        except DecodeError as error:
            return error.what

    opened: dict[VideoFile, Facts] = {}
    with progress(len(chosen)) as show, ThreadPoolExecutor(max(1, workers)) as pool:
        try:
            for video, facts in zip(chosen, pool.map(one, chosen), strict=True):
                opened[video] = facts
                show(len(opened))
        except BaseException:
            decoder.close()  # or the files in hand would be waited for
            pool.shutdown(cancel_futures=True)
            raise
    return opened


def outcome(layout: Layout, clip: ListedClip, video: VideoFile | None, facts: Facts | None) -> Record | LostVideo:
    """The clip as a record, or why it is lost."""
    lost = LostVideo(clip.clip_id, clip.split, clip.label)
    if video is None:
        return lost
    if video.is_empty:
        return replace(lost, reason=f"{video.path}: is empty")
    if video.outside:
        what = "links to a file outside the folder, so name the folder that holds both"
        return replace(lost, reason=f"{video.path}: {what}")
    if isinstance(facts, str):
        return replace(lost, reason=f"{video.path}: {facts}")
    start, end = _segment(clip, video, facts)
    return Record(clip.clip_id, layout.folder / video.path, clip.label, start, end, clip.split)


def _tells_no_time(clip: ListedClip, video: VideoFile | None) -> bool:
    """Whether a file bears the video's id alone, so that its length has to say whether it is the clip."""
    return video is not None and clip.span_seconds is not None and video.stem == clip.keys[-1]


def _segment(clip: ListedClip, video: VideoFile, info: MediaInfo | None) -> tuple[float | None, float | None]:
    """Which part of the file is the clip; (None, None) for all of it."""
    span = clip.span_seconds
    if span is None or not _tells_no_time(clip, video) or info is None or info.video is None:
        return None, None
    length = info.video.end_seconds - info.video.start_seconds
    return span if length > span[1] - span[0] + _SPARE_SECONDS else (None, None)
