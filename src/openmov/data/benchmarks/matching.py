"""Which file is which listed clip.

A clip is looked for by its surest key first, all clips before any less sure one; a file found by a surer key is no
longer free for a looser one. Of several files for one clip the best placed is taken, the others are counted. Knows
nothing of what the files hold.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from openmov.data.benchmarks.layout import VideoFile, fold, split_of
from openmov.data.benchmarks.listing import ListedClip


@dataclass(frozen=True)
class Matched:
    """What was found."""

    files: dict[str, VideoFile] = field(repr=False)
    """By clip id."""
    doubled: tuple[str, ...]
    """Files that are second copies of a clip."""
    strangers: tuple[str, ...]
    """Files that are no listed clip."""


def match(
    clips: Sequence[ListedClip], videos: Iterable[VideoFile], keys_of: Callable[[VideoFile], tuple[str, ...]]
) -> Matched:
    """The file of every clip that has one."""
    index: defaultdict[str, list[VideoFile]] = defaultdict(list)
    listed = list(videos)
    for video in listed:
        for key in (*keys_of(video), f"path {video.path}"):
            index[key].append(video)
    files: dict[str, VideoFile] = {}
    taken: set[VideoFile] = set()
    doubled: set[VideoFile] = set()
    for level in range(max((len(clip.keys) for clip in clips), default=0)):
        placed = {}
        for clip in clips:
            if clip.clip_id not in files and level < len(clip.keys):
                free = [video for video in index.get(clip.keys[level], ()) if video not in taken]
                if free:
                    placed[clip.clip_id], *rest = sorted(free, key=lambda video: _misplaced(video, clip))
                    doubled.update(rest)
        files |= placed
        taken.update(placed.values())
    strangers = [video for video in listed if video not in taken and video not in doubled]
    return Matched(files, _paths(doubled - taken), _paths(strangers))


def _misplaced(video: VideoFile, clip: ListedClip) -> tuple[bool, bool, bool, str]:
    """Sorts first what is readable, in a folder of the clip's class and of its split; then by path."""
    in_class = any(fold(folder) == fold(clip.label) for folder in video.folders)
    in_split = ("train" if clip.split == "train" else "held out") == _kind(video)
    return video.is_empty or video.outside, not in_class, not in_split, str(video.path)


def _kind(video: VideoFile) -> str:
    part = split_of(video)
    return "" if part is None else "train" if part == "train" else "held out"


def _paths(videos: Iterable[VideoFile]) -> tuple[str, ...]:
    return tuple(sorted(str(video.path) for video in videos))
