"""The text of a manifest, CSV or JSONL, to rows of text cells: the columns are checked here, the cells elsewhere."""

import csv
import difflib
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from openmov.data.faults import Fault, FaultKind
from openmov.errors import ManifestError

REQUIRED = ("path", "label")
"""A label may be empty, its column may not be missing."""
OPTIONAL = ("id", "start", "end", "split")
COLUMNS = REQUIRED + OPTIONAL


@dataclass(frozen=True)
class Row:
    """One line of a manifest, its cells not yet understood."""

    line: int
    """Of the file, from 1."""
    cells: dict[str, str]
    """By column; what the manifest leaves out is ''."""


def read_rows(path: Path) -> tuple[list[Row], list[Fault]]:
    """Rows that can be read, and the faults of columns and of rows that cannot.

    Raises ManifestError where the file is missing, of another kind, not UTF-8, or holds no row.
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
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        what = f"is not UTF-8 (byte {error.start})"
        raise ManifestError(path, what, "save it as UTF-8") from error
    except OSError as error:
        raise ManifestError(path, f"cannot be read ({type(error).__name__})", "give a CSV or JSONL file") from error


def _read_csv(text: str) -> tuple[list[Row], list[Fault]]:
    lines = csv.reader(io.StringIO(text, newline=""))
    rows: list[Row] = []
    faults: list[Fault] = []
    try:
        header = [cell.strip() for cell in next(lines, [])]
        if not header:
            return [], []
        faults += _column_faults(header)
        for cells in lines:
            if len(cells) == len(header):
                rows.append(Row(lines.line_num, _by_column(dict(zip(header, cells, strict=True)))))
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
            columns |= dict.fromkeys(cells)
            rows.append(Row(number, _by_column(cells)))
    return rows, (list(_column_faults(list(columns))) if rows else []) + faults


def _json_cells(line: str) -> dict[str, str] | str:
    """The object's values as text, or what is wrong with the line."""
    try:
        fields = json.loads(line, object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        return "no JSON" if isinstance(error, json.JSONDecodeError) else str(error)
    if not isinstance(fields, dict):
        return "no JSON object"
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


def _by_column(cells: dict[str, str]) -> dict[str, str]:
    """Known columns only (the others are faults already); paths keep their spaces, other cells lose outer ones."""
    return {name: cells.get(name, "") if name == "path" else cells.get(name, "").strip() for name in COLUMNS}


def _column_faults(header: list[str]) -> Iterator[Fault]:
    for name in dict.fromkeys(header):
        if name not in COLUMNS:
            close = difflib.get_close_matches(name.lower(), COLUMNS, n=1)
            hint = f", did you mean {close[0]}?" if close else ""
            yield Fault(1, name, FaultKind.UNKNOWN_COLUMN, f"{name!r}{hint}")
        elif header.count(name) > 1:
            yield Fault(1, name, FaultKind.DOUBLED_COLUMN, name)
    for name in REQUIRED:
        if name not in header:
            yield Fault(1, name, FaultKind.MISSING_COLUMN, name)
