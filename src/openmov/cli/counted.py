"""Like messages about many files as one line: how many, and one of them as an example.

    a.mp4: no sound
    b.mp4: no sound        ->  3 files such as a.mp4: no sound
    c.mp4: no sound

Knows nothing of what they are about.
"""

import re
from collections.abc import Iterable, Iterator

from openmov.errors import OpenMovError
from openmov.printable import printable

_NUMBER = re.compile(r"\d+(?:\.\d+)?")


def counted(messages: Iterable[tuple[str, str, str]], *, each_up_to: int = 1) -> Iterator[str]:
    """One line a kind of (file, message, kind), in order of first appearance; kinds of few files get a line each.

    Where the kind is '', messages are of one kind if they differ in numbers alone.
    """
    kinds: dict[str, list[tuple[str, str]]] = {}
    for where, what, kind in messages:
        kinds.setdefault(kind or _NUMBER.sub("#", what), []).append((where, what))
    for alike in kinds.values():
        where, what = alike[0]
        if len(alike) <= each_up_to:
            yield from (printable(f"{one}: {said}") for one, said in alike)
        elif all(one == where for one, _ in alike):
            yield printable(f"{where}: {len(alike):,} like this: {what}")
        else:
            yield printable(f"{len(alike):,} files such as {where}: {what}")


def counted_errors(errors: Iterable[OpenMovError], *, each_up_to: int = 1) -> Iterator[str]:
    """The same of errors, each with what to do."""
    said = ((one.where, f"{one.what}; {one.hint}" if one.hint else one.what, "") for one in errors)
    return counted(said, each_up_to=each_up_to)
