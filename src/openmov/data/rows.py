"""The text of a manifest, CSV or JSONL, to rows of text cells: the columns are checked here, the cells elsewhere."""

import csv
import difflib
import io
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from openmov.data.faults import Fault, FaultKind
from openmov.documents import MEGABYTE, DocumentError, decode_text, read_document
from openmov.errors import ManifestError

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
            elif cells:  # a blank line is no row
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
