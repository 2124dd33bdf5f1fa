"""Class names as people type them on one line, and when two of them are one.

    archery, "bird chirping, tweeting"

Files of names are read in `class_lists`. Knows nothing of their roles.
"""

import csv
import io
import unicodedata
from collections.abc import Sequence

from openmov.errors import VocabularyError
from openmov.printable import is_hidden


def parse_labels(text: str) -> tuple[str, ...]:
    """Names separated by commas or line breaks; one that holds a comma stands in double quotes, as in CSV.

    Spaces around a name are dropped. Raises VocabularyError for no name at all, an empty one, or a quote left open.
    """
    if text.count('"') % 2:
        raise VocabularyError("labels", "a double quote is left open", 'quote a name as in "a, b", c')
    rows = csv.reader(io.StringIO(text.strip(), newline=""), skipinitialspace=True)
    names = tuple(tidy(cell) for row in rows for cell in row)
    if not names:
        raise VocabularyError("labels", "hold no class name", "name at least one class")
    if not all(names):
        raise VocabularyError("labels", f"name {names.index('') + 1} of {len(names)} is empty", "drop a comma")
    return names


def tidy(name: str) -> str:
    """The name in Unicode's composed form (NFC), blanks of every kind as single spaces, none at its ends."""
    return unicodedata.normalize("NFC", " ".join(name.split()))


def look(name: str) -> str:
    """Equal for two names if and only if they look the same on screen: as `tidy`, without what is not shown at all."""
    name = tidy(name)
    return name if name.isprintable() else tidy("".join(one for one in name if not is_hidden(one)))


def refuse_twins(names: Sequence[str]) -> None:
    """Raises VocabularyError where two names are one but for capitals, spaces and what is not shown: no backbone, and
    no reader, can tell them apart."""
    seen: dict[str, str] = {}
    for name in names:
        folded = look(name).casefold()
        if folded in seen:
            same = "stands there twice" if seen[folded] == name else f"is {seen[folded]!r} but for capitals and spaces"
            raise VocabularyError("labels", f"{name!r} {same}", "once is enough")
        seen[folded] = name
