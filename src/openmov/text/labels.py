"""Class names as people give them: typed on one line, or in a text file, one a line.

    archery, "bird chirping, tweeting"

Knows nothing of their roles.
"""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from openmov.errors import VocabularyError

LARGEST_FILE_BYTES = 64 << 20
"""A larger list of names is refused unread; a million names of thirty letters take half of it."""
_LONGEST_NAME = 1000
"""A line that is longer holds no name, but something else."""


def parse_labels(text: str) -> tuple[str, ...]:
    """Names separated by commas or line breaks; one that holds a comma stands in double quotes, as in CSV.

    Spaces around a name are dropped. Raises VocabularyError for no name at all, an empty one, or a quote left open.
    """
    if text.count('"') % 2:
        raise VocabularyError("labels", "a double quote is left open", 'quote a name as in "a, b", c')
    rows = csv.reader(io.StringIO(text.strip(), newline=""), skipinitialspace=True)
    names = tuple(" ".join(cell.split()) for row in rows for cell in row)
    if not names:
        raise VocabularyError("labels", "hold no class name", "name at least one class")
    if not all(names):
        raise VocabularyError("labels", f"name {names.index('') + 1} of {len(names)} is empty", "drop a comma")
    return names


def read_labels(path: Path) -> tuple[str, ...]:
    """The names of a text file, one a line; blank lines and lines that begin with # are left out.

    A comma is part of a name here, and a line wholly in double quotes is a name without them. Raises VocabularyError
    for a file that cannot be read, is larger than LARGEST_FILE_BYTES, or holds a line too long to be a name.
    """
    lines = ((number, line.strip()) for number, line in enumerate(read_names(path).splitlines(), start=1))
    names = [(number, _unquoted(line)) for number, line in lines if line and not line.startswith("#")]
    for number, name in names:
        if len(name) > _LONGEST_NAME:
            what = f"line {number} is {len(name)} characters long"
            raise VocabularyError(path, what, "write one class name a line")
    return tuple(name for _, name in names)


def read_names(path: Path) -> str:
    """The text of a file of names. Raises VocabularyError where it is too large, or no text in UTF-8."""
    try:
        size = path.stat().st_size
        if size > LARGEST_FILE_BYTES:
            what = f"is {size / 1e6:.0f} MB, more than a list of names can be ({LARGEST_FILE_BYTES / 1e6:.0f} MB)"
            raise VocabularyError(path, what, "give a text file with one class name a line")
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        mend = "give a JSON or text file of names"
        raise VocabularyError(path, f"cannot be read ({type(error).__name__})", mend) from error


def _unquoted(line: str) -> str:
    """`"a, b"` -> `a, b`; a line that is not one quoted cell stays as it is."""
    if len(line) > 2 and line[0] == line[-1] == '"' and '"' not in line[1:-1].replace('""', ""):
        return line[1:-1].replace('""', '"').strip()
    return line


def refuse_twins(names: Sequence[str]) -> None:
    """Raises VocabularyError where two names are one but for capitals and spaces: no backbone can tell them apart."""
    seen: dict[str, str] = {}
    for name in names:
        folded = " ".join(name.casefold().split())
        if folded in seen:
            same = "stands there twice" if seen[folded] == name else f"is {seen[folded]!r} but for capitals and spaces"
            raise VocabularyError("labels", f"{name!r} {same}", "once is enough")
        seen[folded] = name
