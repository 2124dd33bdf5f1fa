"""Which names `predict` chooses among: typed, from a file, or those of a well-known data set."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from openmov.errors import VocabularyError
from openmov.text.class_lists import LIST_SUFFIXES
from openmov.text.label_sets import LABEL_SETS, load_label_set
from openmov.text.labels import parse_labels, refuse_twins
from openmov.text.vocabulary import load_vocabulary

ONE_LABEL = "there is one label only: its probability is 1 whatever a video shows; name others beside it"
"""Said where it is so: the answer is right, and worth nothing."""


def choose_labels(
    labels: str | Sequence[str] | None, vocabulary: str | None, say: Callable[[str], None] | None = None
) -> tuple[str, ...]:
    """The names, of which exactly one source is given: `labels` (see `labels_of`), or a bundled `vocabulary`.

    `say` is told what was understood of a file. Raises VocabularyError.
    """
    if labels is not None and vocabulary is not None:
        raise VocabularyError("labels", "--labels and --vocabulary are both given", "leave one of them out")
    if vocabulary is not None:
        return load_label_set(vocabulary).readable
    if labels is None:
        hint = f'give --labels "a, b", --labels names.txt, or --vocabulary with one of {", ".join(LABEL_SETS)}'
        raise VocabularyError("labels", "none are given", hint)
    names = labels_of(labels, say) if isinstance(labels, str) else tuple(labels)
    refuse_twins(names)
    return names


def labels_of(text: str, say: Callable[[str], None] | None = None) -> tuple[str, ...]:
    """Names separated by commas, or those of a file of that name (`text.class_lists`). Raises VocabularyError."""
    path = Path(text)
    if (path.suffix.lower() in LIST_SUFFIXES and "\n" not in text and "," not in text) or _is_there(path):
        return load_vocabulary(path, say).names
    return parse_labels(text)


def notes_on(labels: Sequence[str]) -> tuple[str, ...]:
    """What is odd about the list and yet answered from."""
    return (ONE_LABEL,) if len(labels) == 1 else ()


def _is_there(path: Path) -> bool:
    """False also for a text that cannot be a path: a long list of names is too long for one."""
    with suppress(OSError, ValueError):
        return path.exists() and (not path.is_dir() or "/" in str(path))
    return False
