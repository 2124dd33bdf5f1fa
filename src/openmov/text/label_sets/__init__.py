"""The class names of well-known data sets, and the rule that makes them readable.

    as the data set writes it      ApplyEyeMakeup   brush_hair   passing American football (in game)
    readable                       apply eye makeup brush hair   passing American football (in game)

The rule is for names written as one word (UCF101, HMDB51): an underscore is a space, a word begins at every capital
letter that follows a small letter or a digit, and all letters become small. A name that holds a space is written for
people already and stays as it is, capitals, brackets and commas included.

Sources and licences stand beside the lists, in README.md. Knows nothing of roles, splits and videos.
"""

import difflib
import re
from dataclasses import dataclass, field
from functools import cache
from importlib import resources

from openmov.errors import VocabularyError

LABEL_SETS = ("kinetics400", "kinetics600", "kinetics700", "ucf101", "hmdb51", "vggsound", "jhmdb")
"""What there is."""

_NEXT_WORD = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


@dataclass(frozen=True)
class LabelSet:
    """The classes of one data set, in its own order."""

    name: str
    """One of LABEL_SETS."""
    original: tuple[str, ...] = field(repr=False)
    """As the data set writes them: what its folders and lists are called by."""
    readable: tuple[str, ...] = field(repr=False)
    """In plain words, in the same order; no two are the same, whatever their capitals."""

    @property
    def readable_of(self) -> dict[str, str]:
        """Readable name by original name."""
        return dict(zip(self.original, self.readable, strict=True))


@cache
def load_label_set(name: str) -> LabelSet:
    """The classes of a data set. Raises VocabularyError for a name that is none of LABEL_SETS, naming the nearest."""
    if name not in LABEL_SETS:
        close = difflib.get_close_matches(name.lower(), LABEL_SETS, n=1, cutoff=0.4)
        hint = f"did you mean {close[0]}? There are" if close else "there are"
        raise VocabularyError(name, "is not a bundled vocabulary", f"{hint} {', '.join(LABEL_SETS)}")
    text = (resources.files("openmov.text.label_sets") / f"{name}.txt").read_text(encoding="utf-8")
    return make_label_set(name, tuple(text.splitlines()))


def make_label_set(name: str, original: tuple[str, ...]) -> LabelSet:
    """A set of its original names. Raises ValueError where the rule makes two of them one."""
    names = tuple(map(readable, original))
    seen: dict[str, str] = {}
    for before, after in zip(original, names, strict=True):
        folded = after.casefold()
        if folded in seen:
            raise ValueError(f"{name}: {seen[folded]!r} and {before!r} would both be called {after!r}")
        seen[folded] = before
    return LabelSet(name, original, names)


def readable(original: str) -> str:
    """A class name in plain words: `ApplyEyeMakeup` -> `apply eye makeup`."""
    if " " in original:
        return original
    return " ".join(_NEXT_WORD.sub(" ", original.replace("_", " ")).lower().split())
