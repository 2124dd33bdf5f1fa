"""The paper's number behind a cell: found by the names of rows and columns in `paper_results.json`."""

from typing import Any

from openmov.evaluation.paper import published
from openmov.studies.study import Column, Row, Table


def published_value(table: Table, row: Row, column: Column) -> float | None:
    """In per cent; None where the paper gives none. Raises ValueError where the names fit no row, or several: a fault
    of the declaration."""
    name = row.column or column.paper
    if row.paper is None or name is None or not table.paper:
        return None
    stored = published()[table.paper]
    wanted = {**dict(row.paper), **dict(column.where)}
    found = [fields for fields in _rows(stored) if all(fields.get(key) == value for key, value in wanted.items())]
    if len(found) != 1:
        raise ValueError(f"{table.paper}: {len(found)} rows have {wanted}")
    value = found[0][name]
    return None if value is None else float(value)


def _rows(stored: dict[str, Any]) -> list[dict[str, Any]]:
    return [dict(zip(stored["columns"], row, strict=True)) for row in stored["rows"]]
