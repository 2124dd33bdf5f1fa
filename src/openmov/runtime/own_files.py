"""Which files openmov made, so that it writes over nothing else.

A name on the command line may be a slip, and a command writes files beside the one that was asked for: `--report
names.html` comes with `names.json`, `--out .` with `README.md`. A file that is there already is written over if it is
empty or says in its own first or last lines that openmov made it:

    pages      <meta name="generator" content="openmov">
    JSON       "made_by": "openmov"
    Markdown   <!-- made_by: openmov -->

Anything else stays, and the command says so before it does any work.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from openmov.errors import StorageError
from openmov.runtime.atomic import require_writable, write_together

MADE_BY = {"made_by": "openmov"}
"""First field of every JSON file that is written into a folder of the user's."""
MARKDOWN_MARK = "<!-- made_by: openmov -->"
"""Last line of every Markdown file."""
_MARKS = (b'content="openmov"', b'"made_by": "openmov"', MARKDOWN_MARK.encode())
_LOOKED_AT_BYTES = 4096


def stamped(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of a JSON file, with openmov's name before them."""
    return {**MADE_BY, **fields}


def marked(markdown: str) -> str:
    """A Markdown page, with openmov's name after it, where no reader of the page sees it."""
    return f"{markdown.rstrip()}\n\n{MARKDOWN_MARK}\n"


def is_own(path: Path) -> bool:
    """Whether writing over `path` loses nothing of the user's: there is nothing, or what openmov made.

    Raises StorageError where it cannot be looked into.
    """
    try:
        if path.exists() and not path.is_file():
            raise StorageError(path, "is a folder or a device, not a file", "choose another name")
        with path.open("rb") as file:
            head = file.read(_LOOKED_AT_BYTES)
            file.seek(max(0, path.stat().st_size - _LOOKED_AT_BYTES))
            tail = file.read(_LOOKED_AT_BYTES)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError as error:
        what = f"is there and cannot be read ({error.strerror})"
        raise StorageError(path, what, "choose another name") from error
    return not head or any(mark in part for mark in _MARKS for part in (head, tail))


def refuse_foreign(paths: Iterable[Path]) -> None:
    """Raises StorageError for the first file that is there and does not say that openmov made it, or that could not be
    written where it would go: to ask before any work."""
    for path in paths:
        require_writable(path.parent)
        if not is_own(path):
            what = "is there, and does not say that openmov made it"
            raise StorageError(path, what, "move it away, or choose another name")


def write_own(texts: Mapping[Path, str]) -> None:
    """Writes files that belong together into a folder of the user's, all or none, over nothing but openmov's own.

    What people open first comes first (`write_together`). Raises StorageError.
    """
    refuse_foreign(texts)
    write_together(texts)
