"""Which files are meant: files, folders, patterns, or a list of them. Opens none of them.

holiday.mp4              the file, whatever it is called
holiday/                 every media file in it and in all folders within, hidden ones and links to folders aside
"holiday/**/*.mp4"       a pattern, where no file has this very name
"""

import glob
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from openmov.errors import DecodeError

VIDEO_SUFFIXES = frozenset(
    (
        *(".3gp", ".asf", ".avi", ".flv", ".gif", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg"),
        *(".mts", ".mxf", ".ogv", ".ts", ".vob", ".webm", ".wmv"),
    )
)
"""What is taken for a video in a folder."""
SOUND_SUFFIXES = frozenset((".aac", ".aif", ".aiff", ".flac", ".m4a", ".mp3", ".oga", ".ogg", ".opus", ".wav", ".wma"))
"""What is taken for a sound in a folder, where sounds are asked for."""

_PATTERN = frozenset("*?[")


def find_media(texts: Iterable[str | Path], *, with_sound: bool = False) -> Iterator[Path | DecodeError]:
    """The files that are meant, in the order given, those of a folder or pattern sorted; an error where none is.

    Folders give videos, and sounds only where `with_sound`; what is named, or fits a pattern, is taken as it is.
    """
    for text in texts:
        yield from _meant(str(text), with_sound)


def parse_list(text: str | bytes) -> tuple[str, ...]:
    """The paths of a list, one a line, or each followed by a zero byte (`find -print0`); blank lines do not count.

    Names may be in any encoding, as the file system has them. Raises DecodeError where there is none.
    """
    text = os.fsdecode(text)
    # Not splitlines: a name may hold any of the characters that Unicode takes for the end of a line.
    lines = text.split("\0") if "\0" in text else [line.removesuffix("\r") for line in text.split("\n")]
    paths = tuple(line for line in lines if line.strip())
    if not paths:
        raise DecodeError("-", "the list on standard input names no file", "write one path a line")
    return paths


def _meant(text: str, with_sound: bool) -> Iterator[Path | DecodeError]:
    path = Path(text)
    if os.path.isdir(text):  # noqa: PTH112 (Path.is_dir raises for a name that is too long)
        yield from _in_folder(path, with_sound)
    elif os.path.lexists(text) or not _PATTERN & set(text):
        yield path
    else:
        yield from _fitting(text, with_sound)


def _in_folder(folder: Path, with_sound: bool) -> Iterator[Path | DecodeError]:
    wanted = VIDEO_SUFFIXES | SOUND_SUFFIXES if with_sound else VIDEO_SUFFIXES
    found = sorted(path for path in _walk(folder) if path.suffix.lower() in wanted)
    if found:
        yield from found
        return
    kinds = "video or sound file" if with_sound else "video"
    yield DecodeError(folder, f"a folder without a {kinds}", "name another folder, or the files themselves")


def _walk(folder: Path) -> Iterator[Path]:
    """All visible files below; a link to a folder is not followed, for it may lead back."""
    for parent, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (Path(parent, name) for name in files if not name.startswith("."))


def _fitting(pattern: str, with_sound: bool) -> Iterator[Path | DecodeError]:
    by_place: dict[str, str] = {}
    for text in sorted(glob.glob(pattern, recursive=True), key=lambda text: (len(text), text)):  # noqa: PTH207
        by_place.setdefault(os.path.realpath(text), text)  # ** goes round and round where a link leads back
    found = sorted(by_place.values())
    if not found:
        yield DecodeError(pattern, "no file fits this pattern", "check it; ** stands for any folders in between")
    for text in found:
        if os.path.isdir(text):  # noqa: PTH112
            yield from _in_folder(Path(text), with_sound)
        else:
            yield Path(text)
