"""One row of a manifest to one Record, and what is wrong with that row.

A record is made of every row, faults or not, so that all faults can be said at once; only faultless ones leave
`manifest.py`. Knows nothing of other rows or of what videos hold.
"""

import csv
import difflib
import io
import json
import math
import os
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any, Literal, get_args

from openmov.documents import MEGABYTE, DocumentError, decode_text, read_document
from openmov.errors import ManifestError
from openmov.text.labels import tidy


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


REQUIRED = ("path", "label")
"""A label may be empty, its column may not be missing."""
OPTIONAL = ("id", "start", "end", "split", "group")
COLUMNS = REQUIRED + OPTIONAL
_LARGEST_BYTES = 256 * MEGABYTE
_MOST_STRANGE = 100_000
_MISSPELT = 0.75
"""So much alike (difflib), an unknown column is a misspelt one; others are the user's own, and kept."""


@dataclass(frozen=True)
class Row:
    """One line of a manifest, its cells not yet understood."""

    line: int
    """Of the file, from 1."""
    cells: dict[str, str]
    """By known column; what the manifest leaves out is ''."""
    extra: tuple[tuple[str, str], ...] = ()
    """The user's own columns and their cells, in the order of the file."""


def read_rows(path: Path) -> tuple[list[Row], list[Fault]]:
    """Rows that can be read, and the faults of columns and of rows that cannot.

    Columns that are not known are the user's own, and no fault. Raises ManifestError where the file is missing, of
    another kind, no text, or holds no row.
    """
    readers = {".csv": _read_csv, ".jsonl": _read_jsonl}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise ManifestError(path, "is neither .csv nor .jsonl", "write a table with the columns path and label")
    rows, faults = reader(_text(path))
    if not rows and not faults:
        raise ManifestError(path, "holds no video", "write one row a video, with the columns path and label")
    return rows, faults


def _text(path: Path) -> str:
    try:
        content = read_document(path, _LARGEST_BYTES)
        try:
            return decode_text(content)[0]
        except DocumentError:
            text = content.decode("utf-8", "surrogateescape")
            if b"\0" in content or not _are_names(path.parent, text):
                raise
            return text
    except DocumentError as error:
        raise ManifestError(path, error.what, error.hint or "give a CSV or JSONL file") from error
    except OSError as error:
        raise ManifestError(path, f"cannot be read ({type(error).__name__})", "give a CSV or JSONL file") from error


def _are_names(folder: Path, text: str) -> bool:
    """Whether what is not UTF-8 are names of files, which may be any bytes; everything else is text in UTF-8."""
    strange = [line for line in text.split("\n") if not _is_utf8(line)]
    try:
        cells = [cell for row in csv.reader(strange) for cell in row if not _is_utf8(cell)]
    except csv.Error:
        return False
    return len(strange) <= _MOST_STRANGE and all(os.path.lexists(folder / cell) for cell in cells)


def _is_utf8(text: str) -> bool:
    return not any("\udc80" <= one <= "\udcff" for one in text)


def _read_csv(text: str) -> tuple[list[Row], list[Fault]]:
    lines = csv.reader(io.StringIO(text, newline=""))
    rows: list[Row] = []
    faults: list[Fault] = []
    try:
        header = _known(cell.strip() for cell in next(lines, []))
        if not header:
            return [], []
        faults += _column_faults(header)
        for cells in lines:
            if len(cells) == len(header):
                rows.append(_row(lines.line_num, dict(zip(header, cells, strict=True))))
            elif cells:  # a blank line is not a row
                what = f"line {lines.line_num} has {len(cells)} cells, not {len(header)}"
                faults.append(Fault(lines.line_num, "", FaultKind.UNREADABLE_ROW, what))
    except csv.Error as error:
        faults.append(Fault(lines.line_num, "", FaultKind.UNREADABLE_ROW, f"line {lines.line_num}: {error}"))
    return rows, faults


def _read_jsonl(text: str) -> tuple[list[Row], list[Fault]]:
    rows: list[Row] = []
    faults: list[Fault] = []
    columns: dict[str, None] = {}
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        cells = _json_cells(line)
        if isinstance(cells, str):
            faults.append(Fault(number, "", FaultKind.UNREADABLE_ROW, f"line {number}: {cells}"))
        else:
            cells = dict(zip(_known(cells), cells.values(), strict=True))
            columns |= dict.fromkeys(cells)
            rows.append(_row(number, cells))
    return rows, (list(_column_faults(list(columns))) if rows else []) + faults


def _json_cells(line: str) -> dict[str, str] | str:
    """The object's values as text, or what is wrong with the line."""
    try:
        fields = json.loads(line, object_pairs_hook=_unique)
    except RecursionError:
        return "JSON that nests too deeply"
    except ValueError as error:
        return "not JSON" if isinstance(error, json.JSONDecodeError) else str(error)
    if not isinstance(fields, dict):
        return "not a JSON object"
    if not _is_text(fields):
        return "half a character (a lone surrogate)"
    for name, value in fields.items():
        if isinstance(value, bool) or not isinstance(value, str | int | float | None):
            return f"{name!r} is neither text nor a number"
    return {name: "" if value is None else str(value) for name, value in fields.items()}


def _is_text(fields: dict[str, object]) -> bool:
    """JSON may write half a character (\\ud800), which neither a path nor UTF-8 can hold."""
    try:
        "".join([*fields, *(value for value in fields.values() if isinstance(value, str))]).encode()
    except UnicodeEncodeError:
        return False
    return True


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise ValueError("a key stands there twice")
    return fields


def _row(line: int, cells: dict[str, str]) -> Row:
    """Paths keep their spaces, other cells lose outer ones."""
    known = {name: cells.get(name, "") if name == "path" else cells.get(name, "").strip() for name in COLUMNS}
    return Row(line, known, tuple((name, cell) for name, cell in cells.items() if name not in COLUMNS))


def _known(header: Iterable[str]) -> list[str]:
    """Column names, those that are known but for capitals (`Path`) as they are known."""
    return [name.lower() if name.lower() in COLUMNS else name for name in header]


def _column_faults(header: list[str]) -> Iterator[Fault]:
    lacking = [name for name in COLUMNS if name not in header]
    for name in dict.fromkeys(header):
        if header.count(name) > 1:
            yield Fault(1, name, FaultKind.DOUBLED_COLUMN, name or "''")
        elif name not in COLUMNS:
            close = difflib.get_close_matches(name.lower(), lacking, n=1, cutoff=_MISSPELT)
            if close:
                yield Fault(1, name, FaultKind.UNKNOWN_COLUMN, f"{name!r}, did you mean {close[0]}?")
    for name in REQUIRED:
        if name not in header:
            yield Fault(1, name, FaultKind.MISSING_COLUMN, name)


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
