"""The list of videos a user hands in: CSV or JSONL with path, label and optional id, start, end, split, group.

    file -> rows (rows.py) -> Records, and every fault at once (faults.py) -> Manifest

Paths are relative to a root (one that is given, else the one that the account beside the manifest declares, else the
manifest's own folder) and stay inside it, symbolic links followed. Labels that look the same are one, spelt as the
vocabulary spells them. Columns of the user's own are kept. Knows nothing of what the videos hold.
"""

import csv
import hashlib
import io
import json
import os
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from openmov.data.coverage import declared_root
from openmov.data.records import (
    COLUMNS,
    SPLITS,
    Fault,
    FaultKind,
    FaultyManifest,
    Record,
    Row,
    Split,
    read_rows,
    record_of,
    resolver,
    row_faults,
)
from openmov.errors import ManifestError
from openmov.runtime.atomic import write_text
from openmov.text.label_sets import readable
from openmov.text.labels import look
from openmov.text.vocabulary import Vocabulary

__all__ = ["SPLITS", "Manifest", "Record", "Split", "find_faults", "load_manifest", "write_manifest"]

_SHOWN_COLUMNS = 6


@dataclass(frozen=True)
class Manifest:
    """Records without faults."""

    records: tuple[Record, ...] = field(repr=False)
    """In the order of the file."""
    path: Path
    """Where it was read."""
    root: Path
    """Absolute folder that holds every file."""

    def __len__(self) -> int:
        return len(self.records)

    @property
    def labels(self) -> tuple[str, ...]:
        """The class names that occur, sorted."""
        return tuple(sorted({record.label for record in self.records if record.label is not None}))

    @property
    def own_columns(self) -> tuple[str, ...]:
        """Columns that mean nothing here, and are kept."""
        return tuple(dict.fromkeys(name for record in self.records for name, _ in record.extra))

    @property
    def identity(self) -> str:
        """A hash of what is listed (not of the videos' bytes, nor of where the root lies), for results."""
        rows = [_cells(record, self.root) for record in self.records]
        return hashlib.sha256(
            json.dumps(rows, ensure_ascii=False, sort_keys=True).encode(errors="surrogateescape")
        ).hexdigest()[:16]

    def select(self, split: Split | None = None, labels: Collection[str] | None = None) -> "Manifest":
        """The records of one split and of these classes, in order; None asks for all. May hold no record."""
        wanted = None if labels is None else frozenset(labels)
        return replace(
            self,
            records=tuple(
                record
                for record in self.records
                if (split is None or record.split == split) and (wanted is None or record.label in wanted)
            ),
        )


def load_manifest(
    path: Path,
    *,
    root: Path | None = None,
    vocabulary: Vocabulary | None = None,
    check_files: bool = True,
    say: Callable[[str], None] | None = None,
) -> Manifest:
    """Reads a manifest whole or not at all.

    With a vocabulary every row must bear one of its names. `check_files=False` does not ask whether files exist. `say`
    is told of columns that mean nothing here. Raises FaultyManifest (a ManifestError) with every fault, ManifestError
    where the file itself cannot be read.
    """
    records, faults = _read(path, root, vocabulary, check_files)
    if faults:
        raise FaultyManifest(path, faults, root_hint(path, records, faults, root))
    manifest = Manifest(records, path, _root(path, root))
    if say is not None and (note := columns_note(manifest)):
        say(f"{path}: {note}")
    return manifest


def columns_note(manifest: Manifest) -> str:
    """One line about columns that mean nothing here; '' where there are none."""
    names = manifest.own_columns
    several = "s" if len(names) > 1 else ""
    shown = ", ".join(names[:_SHOWN_COLUMNS]) + (" ..." if len(names) > _SHOWN_COLUMNS else "")
    return f"column{several} kept, of no meaning here: {shown}" if names else ""


def root_hint(path: Path, records: Sequence[Record], faults: Sequence[Fault], root: Path | None) -> str:
    """Which --root would hold the paths that lie outside; '' where none do, or nothing but the whole disk would."""
    if not any(fault.kind is FaultKind.OUTSIDE_ROOT for fault in faults):
        return ""
    folder = _root(path, root)
    outside = [record.path for record in records if not record.path.is_relative_to(folder)]
    inside = [folder] if len(outside) < len(records) else []
    common = os.path.commonpath([*inside, *(one.parent for one in outside)])
    if common == os.path.sep:
        return "name the folder that holds the videos with --root, or give paths relative to the manifest"
    return f"if that is meant, name the folder that holds them: --root {common}"


def find_faults(
    path: Path, *, root: Path | None = None, vocabulary: Vocabulary | None = None, check_files: bool = True
) -> tuple[Fault, ...]:
    """Every fault `load_manifest` would raise, none if it would not. Raises ManifestError for an unreadable file."""
    return _read(path, root, vocabulary, check_files)[1]


def write_manifest(path: Path, records: Sequence[Record], *, root: Path | None = None) -> None:
    """Writes a CSV that `load_manifest` with the same root reads back to equal records.

    Raises ManifestError for a file outside the root (default: the manifest's folder), StorageError.
    """
    write_text(path, manifest_text(path, records, root=root))


def manifest_text(path: Path, records: Sequence[Record], *, root: Path | None = None) -> str:
    """What `write_manifest` writes. Raises ManifestError likewise."""
    folder = _root(path, root)
    for record in records:
        if not record.path.is_relative_to(folder):
            raise ManifestError(record.path, f"lies outside {folder}", "give a root that holds every file")
    rows = [_cells(record, folder) for record in records]
    own = list(dict.fromkeys(name for record in records for name, _ in record.extra))
    rows = [row | dict(record.extra) for row, record in zip(rows, records, strict=True)]
    columns = [name for name in COLUMNS if name in ("path", "label", "split") or any(row.get(name) for row in rows)]
    columns += own
    returns = any(
        "\r" in text for row in rows for text in row.values()
    )  # which csv leaves bare, yet takes for line ends
    quoting: Literal[0, 1] = csv.QUOTE_ALL if returns else csv.QUOTE_MINIMAL
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, columns, extrasaction="ignore", lineterminator="\n", quoting=quoting)
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def _root(path: Path, root: Path | None) -> Path:
    if root is not None and not root.is_dir():
        raise ManifestError(root, "is not a folder", "name the folder that holds the videos with --root")
    return (root or declared_root(path) or path.parent).resolve()


def _cells(record: Record, root: Path) -> dict[str, str]:
    return {
        "path": record.path.relative_to(root).as_posix(),
        "label": record.label or "",
        "id": record.video_id,
        "start": "" if record.start_seconds is None else repr(record.start_seconds),
        "end": "" if record.end_seconds is None else repr(record.end_seconds),
        "split": record.split,
        **({} if record.group is None else {"group": record.group}),
    }


def _read(
    path: Path, root: Path | None, vocabulary: Vocabulary | None, check_files: bool
) -> tuple[tuple[Record, ...], tuple[Fault, ...]]:
    rows, faults = read_rows(path)
    folder = _root(path, root)
    resolve = resolver(folder)
    names = None if vocabulary is None else frozenset(vocabulary.names)
    spelt = {} if vocabulary is None else _spellings(vocabulary.names)
    records = tuple(_spelt(record_of(row, resolve), spelt) for row in rows)
    found = _doubled(rows, records) + _divided(rows, records)
    for row, record in zip(rows, records, strict=True):
        found += row_faults(row, record, folder, names, check_files)
    columns = {fault.field for fault in faults}  # what is wrong with a whole column is not said of every row again
    rest = sorted((fault for fault in found if fault.field not in columns), key=lambda fault: fault.row)
    return records, (*faults, *rest)


def _spellings(names: Sequence[str]) -> dict[str, str]:
    """A vocabulary's names by what they look like, and by what they are when written in one word."""
    by_words: dict[str, list[str]] = {}
    for name in names:
        by_words.setdefault(readable(name), []).append(name)
    plain = {words: found[0] for words, found in by_words.items() if len(found) == 1}
    return plain | {look(name): name for name in names}


def _spelt(record: Record, spellings: Mapping[str, str]) -> Record:
    """The record with its label as the vocabulary spells it: `ApplyEyeMakeup` may be `apply eye makeup` there."""
    if record.label is None or not spellings:
        return record
    name = spellings.get(look(record.label)) or spellings.get(readable(record.label)) or record.label
    return record if name == record.label else replace(record, label=name)


def _divided(rows: Sequence[Row], records: Sequence[Record]) -> list[Fault]:
    """One fault a group that stands on two sides of the split."""
    sides: dict[str, Split] = {}
    faults: dict[str, Fault] = {}
    for row, record in zip(rows, records, strict=True):
        if record.group is not None and sides.setdefault(record.group, record.split) != record.split:
            value = f"{record.group} ({sides[record.group]} and {record.split})"
            faults.setdefault(record.group, Fault(row.line, "group", FaultKind.DIVIDED_GROUP, value))
    return list(faults.values())


def _doubled(rows: Sequence[Row], records: Sequence[Record]) -> list[Fault]:
    first: dict[str, int] = {}
    faults = []
    for row, record in zip(rows, records, strict=True):
        if first.setdefault(record.video_id, row.line) != row.line:
            faults.append(Fault(row.line, "id", FaultKind.DUPLICATE_ID, record.video_id))
    return faults
