"""What can be wrong with a manifest, collected so that all of it is said at once. Knows nothing of files."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import islice
from pathlib import Path

from openmov.errors import ManifestError


class FaultKind(Enum):
    """(one, several), as in `1 missing file` and `3 missing files`."""

    UNKNOWN_COLUMN = ("misspelt column", "misspelt columns")
    MISSING_COLUMN = ("missing column", "missing columns")
    DOUBLED_COLUMN = ("doubled column", "doubled columns")
    UNREADABLE_ROW = ("unreadable row", "unreadable rows")
    EMPTY_PATH = ("empty path", "empty paths")
    OUTSIDE_ROOT = ("path outside the root", "paths outside the root")
    MISSING_FILE = ("missing file", "missing files")
    DUPLICATE_ID = ("duplicate id", "duplicate ids")
    NO_LABEL = ("row without a label", "rows without a label")
    UNKNOWN_LABEL = ("label not in the vocabulary", "labels not in the vocabulary")
    BAD_NUMBER = ("bad number", "bad numbers")
    NEGATIVE_START = ("negative start", "negative starts")
    EMPTY_SEGMENT = ("end not after start", "ends not after their start")
    UNKNOWN_SPLIT = ("unknown split", "unknown splits")
    DIVIDED_GROUP = ("group on two sides of the split", "groups on two sides of the split")


@dataclass(frozen=True)
class Fault:
    """One fault of a manifest."""

    row: int
    """Line of the file it stands in (the header of a CSV is line 1)."""
    field: str
    """Column at fault; empty where it is the whole row."""
    kind: FaultKind
    """What is wrong."""
    value: str
    """What stands there, with a hint where there is one."""

    @property
    def what(self) -> str:
        """`missing file: a.mp4`."""
        return f"{self.kind.value[0]}: {self.value}" if self.value else self.kind.value[0]

    def __str__(self) -> str:
        return f"line {self.row}{f', {self.field}' if self.field else ''}: {self.what}"


class FaultyManifest(ManifestError):
    """A ManifestError with every fault; its line counts them by kind."""

    def __init__(self, path: str | Path, faults: Sequence[Fault], hint: str = "") -> None:
        self.faults = tuple(faults)
        """In the order of the file."""
        self.hint = hint
        """What to do, where more is known than to look at the rows."""
        super().__init__(path, summary(self.faults), hint or "correct the rows: openmov check --verbose prints each")

    def __reduce__(self) -> tuple[type["FaultyManifest"], tuple[str, tuple[Fault, ...], str]]:  # type: ignore[override]
        return type(self), (self.where, self.faults, self.hint)


def summary(faults: Sequence[Fault], shown: int = 3) -> str:
    """`12 faults: 3 missing files (a.mp4, b.mp4, c.mp4), 9 unknown labels (x, y, z ...)`, commonest kinds first."""
    by_kind: dict[FaultKind, list[str]] = {}
    for fault in faults:
        by_kind.setdefault(fault.kind, []).append(fault.value)
    groups = sorted(by_kind.items(), key=lambda item: -len(item[1]))
    parts = [_counted(kind, values, shown) for kind, values in groups]
    return (f"{len(faults)} faults: " if len(faults) > 1 else "") + ", ".join(parts)


def _counted(kind: FaultKind, values: list[str], shown: int) -> str:
    different = list(dict.fromkeys(value for value in values if value))
    more = " ..." if len(different) > shown else ""
    examples = f" ({', '.join(islice(different, shown))}{more})" if different else ""
    return f"{len(values)} {kind.value[len(values) > 1]}{examples}"
