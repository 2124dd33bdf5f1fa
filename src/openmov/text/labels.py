"""Class names typed on one line: `archery, "bird chirping, tweeting"`. Knows nothing of their roles."""

import csv
import io

from openmov.errors import VocabularyError


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
