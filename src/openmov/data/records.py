"""One row of a manifest to one Record, and what is wrong with that row.

A record is made of every row, faults or not, so that all faults can be said at once; only faultless ones leave
`manifest.py`. Knows nothing of other rows or of what videos hold.
"""

import math
import os
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args

from openmov.data.faults import Fault, FaultKind
from openmov.data.rows import Row
from openmov.text.labels import tidy

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)


@dataclass(frozen=True)
class Record:
    """One video, or one segment of it."""

    video_id: str
    """Unique in its manifest; the path as written there where no id is given (`path#t=start,end` for a segment)."""
    path: Path
    """Absolute, symbolic links followed."""
    label: str | None = None
    """Class name, where known."""
    start_seconds: float | None = None
    """Where the segment begins; None is the beginning of the file."""
    end_seconds: float | None = None
    """Where the segment ends; None is the end of the file."""
    split: Split = "test"
    """What the video is for."""
    group: str | None = None
    """What it was cut from, or who is in it: records of one group stay on one side of every split."""
    extra: tuple[Any, ...] = field(default=(), repr=False)
    """The user's own columns, as pairs of name and cell; nothing here looks at them."""


def resolver(root: Path) -> Callable[[str], Path]:
    """A function from a path cell to an absolute path, links followed; a folder's links are looked up only once."""
    real = cache(lambda text: Path(os.path.realpath(root / text)))  # unlike resolve(), no error for links in a circle

    def resolve(cell: str) -> Path:
        cell = cell.replace("\0", "\ufffd")  # no file's name holds a NUL
        folder, slash, name = cell.rpartition("/")
        if name in ("", ".", ".."):
            return real(cell)
        inside = real(folder + slash) / name
        if os.path.islink(inside):  # noqa: PTH114 (false for a name too long)
            return real(cell)
        return inside if cell.isascii() else _as_on_disk(inside)

    return resolve


def _as_on_disk(path: Path) -> Path:
    """The path, or the one on disk that looks the same: macOS writes `é` as two characters (NFD), others as one."""
    if not os.path.lexists(path):
        for form in ("NFC", "NFD"):
            other = Path(unicodedata.normalize(form, str(path)))
            if os.path.lexists(other):
                return other
    return path


def record_of(row: Row, resolve: Callable[[str], Path]) -> Record:
    """The record; a cell that cannot be understood counts as empty."""
    cells = row.cells
    segment = f"#t={cells['start']},{cells['end']}" if cells["start"] or cells["end"] else ""
    return Record(
        video_id=cells["id"] or cells["path"].strip() + segment,
        path=resolve(cells["path"]),
        label=tidy(cells["label"]) or None,
        start_seconds=_number(cells["start"]),
        end_seconds=_number(cells["end"]),
        split=_split(cells["split"]) or "test",
        group=cells["group"] or None,
        extra=row.extra,
    )


def row_faults(
    row: Row, record: Record, root: Path, names: frozenset[str] | None, check_files: bool
) -> Iterator[Fault]:
    """What is wrong with the row on its own; `names` are the labels allowed, None allows any and none."""
    cells = row.cells
    if not cells["path"].strip():
        yield Fault(row.line, "path", FaultKind.EMPTY_PATH, f"line {row.line}")
    elif not record.path.is_relative_to(root):
        yield Fault(row.line, "path", FaultKind.OUTSIDE_ROOT, cells["path"])
    elif check_files and not os.path.isfile(record.path):  # noqa: PTH113 (false, not an error, for a name too long)
        yield Fault(row.line, "path", FaultKind.MISSING_FILE, cells["path"])
    if names is not None and record.label not in names:
        kind = FaultKind.NO_LABEL if record.label is None else FaultKind.UNKNOWN_LABEL
        yield Fault(row.line, "label", kind, record.label or f"line {row.line}")
    if cells["split"] and _split(cells["split"]) is None:
        yield Fault(
            row.line, "split", FaultKind.UNKNOWN_SPLIT, f"{cells['split'][:60]!r}, not one of {', '.join(SPLITS)}"
        )
    yield from _time_faults(row, record)


def _time_faults(row: Row, record: Record) -> Iterator[Fault]:
    start, end = record.start_seconds, record.end_seconds
    for column, value in (("start", start), ("end", end)):
        if row.cells[column] and value is None:
            yield Fault(row.line, column, FaultKind.BAD_NUMBER, repr(row.cells[column]))
    if start is not None and start < 0:
        yield Fault(row.line, "start", FaultKind.NEGATIVE_START, row.cells["start"])
    if end is not None and end <= max(start or 0.0, 0.0):
        yield Fault(row.line, "end", FaultKind.EMPTY_SEGMENT, f"{row.cells['start'] or '0'} to {row.cells['end']}")


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _split(text: str) -> Split | None:
    return next((split for split in SPLITS if split == text), None)
