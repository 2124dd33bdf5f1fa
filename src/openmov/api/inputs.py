"""Which files `predict` is asked about, standard input included."""

import sys
from collections.abc import Sequence
from pathlib import Path

from openmov.errors import DecodeError
from openmov.media.find import find_media, parse_list


def find_files(texts: Sequence[str | Path], *, from_stdin: bool = False, with_sound: bool) -> list[Path | DecodeError]:
    """As `find_media`, those listed on standard input last. Raises DecodeError for an empty list there."""
    listed = (*texts, *parse_list(_all_of_stdin())) if from_stdin else texts
    return list(find_media(listed, with_sound=with_sound))


def _all_of_stdin() -> str | bytes:
    """As bytes wherever there are any: names of files need not be text in the encoding of the terminal."""
    stream = getattr(sys.stdin, "buffer", sys.stdin)
    content: str | bytes = stream.read()
    return content
