"""Lists of class names as people and data sets write them: recognised where that is certain, refused where it is not.

    archery                            one a line (a line in double quotes is a name as it stands)
    1 ApplyEyeMakeup, archery 7        with ids before or behind, which count from 0 or 1 (UCF101's classInd)
    id,name                            a table with a heading, by its column of names (X-CLIP, AudioSet)
    {"archery": 5}, {"5": "archery"}   JSON, as Kinetics, Something-Something, ActivityNet and the hub write it
    names: [archery, ...]              YAML; and the label maps of AVA (.pbtxt)

`ClassList.understood` says what was taken for what, so that nobody is surprised. A name is in Unicode's composed form
(NFC) with single spaces. Knows nothing of roles.
"""

import csv
import io
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from openmov.documents import LARGEST_BYTES, MEGABYTE, DocumentError, decode_text, parse_json, read_document
from openmov.errors import VocabularyError
from openmov.text.label_sets import readable
from openmov.text.labels import tidy

LIST_SUFFIXES = frozenset((".txt", ".json", ".csv", ".tsv", ".yaml", ".yml", ".jsonl", ".pbtxt", ".lst", ".names"))
"""What a text that ends so is meant to be: a file of names, though none may be there."""
_LARGEST_YAML_BYTES = 4 * MEGABYTE
_MOST_LINES = 2_000_000
_LONGEST_NAME = 1000
"""A line that is longer holds no name, but something else."""
_SHOWN_ROWS = 3
_JOINED_AT_LEAST = 3
_JOINED_SHARE = 0.2
"""So many names, and such a share of them, are written as one word before all of a list are read as words."""

_NAME_COLUMNS = (
    {"name", "names", "classname", "displayname", "labelname", "actionname", "classnames", "readablename"},
    {"label", "labels", "class", "classes", "action", "category", "text", "prompt"},
)
"""Headings of a column of names; the first group goes before the second."""
_OTHER_COLUMNS = frozenset(
    (
        *("id", "ids", "index", "idx", "number", "no", "nr", "num", "classid", "labelid", "clips", "count", "group"),
        *("mid", "split", "path", "file", "filename", "video", "videoid", "fold", "target", "key", "value", ""),
    )
)
_FILE_COLUMNS = frozenset(("path", "file", "filename", "video", "videoid", "clip", "youtubeid"))
"""Headings that say that a row is a clip, so that names repeat."""
_IDS = re.compile(r"n\d{8}|/[a-z]/\w+")  # WordNet's, and those of Freebase (AudioSet)
_BEFORE = re.compile(r"(\d{1,9})(?:[.:)]\s*|\s+[-–]\s+|\s+)(\S.*)")
_BEHIND = re.compile(r"(\S.*?)(?:\s*[:=]\s*|\s+[-–]\s+|\s+)(\d{1,9})")
_JOINED = re.compile(r"(?:[A-Z][a-z0-9]+){2,}[A-Z]?|[A-Za-z0-9]+(?:_[A-Za-z0-9]+)+")
_ONE_WORD = re.compile(r"[A-Za-z0-9_'.()-]+")
_CLIP = re.compile(r"\S+\.(?:mp4|avi|mkv|webm|mov|m4v|flac|wav|mp3)\b", re.IGNORECASE)
_PBTXT_ITEM = re.compile(r"^\s*(?:item|label)\s*\{", re.MULTILINE)
_PBTXT_NAME = re.compile(r"""^\s*(?:display_)?name\s*:\s*(?:"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)')""", re.MULTILINE)


@dataclass(frozen=True)
class ClassList:
    """The names of a file."""

    names: tuple[str, ...] = field(repr=False)
    """In its order."""
    understood: str = ""
    """What was taken for what, in words; empty for a plain list."""


def read_class_list(path: Path) -> ClassList:
    """The names of a file in any of the forms above.

    Raises VocabularyError for a file that cannot be read, is not text or too large; that may be read in several ways,
    showing its first rows; or holds a line too long to be a name.
    """
    return class_list_of(path, *read_list_text(path))


def read_list_text(path: Path) -> tuple[str, str]:
    """The text of a file of names and its encoding ('' for UTF-8). Raises VocabularyError."""
    limit = _LARGEST_YAML_BYTES if path.suffix.lower() in (".yaml", ".yml") else LARGEST_BYTES
    try:
        return decode_text(read_document(path, limit))
    except DocumentError as error:
        hint = error.hint or "give a text, CSV, JSON or YAML file of class names"
        raise VocabularyError(path, error.what, hint) from error
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        hint = "give a text, CSV, JSON or YAML file of class names"
        raise VocabularyError(path, f"cannot be read ({type(error).__name__})", hint) from error


def class_list_of(path: Path, text: str, encoding: str = "") -> ClassList:
    """The names of a text that stands in the file `path`. Raises VocabularyError."""
    text = text.removeprefix("\ufeff")
    if text.count("\n") > _MOST_LINES:
        what = f"has {text.count(chr(10)):,} lines, more than a list of names can have ({_MOST_LINES:,})"
        raise VocabularyError(path, what, "give a file of class names")
    found = _reader_of(path, text)(path, text)
    names = _checked(path, found.names)
    names, joined = _as_words(names, found)
    said = [part for part in (found.understood, joined, encoding and f"read as {encoding}") if part]
    return ClassList(names, f"{_count(len(names))} {', '.join(said)}" if said else "")


def class_list_of_json(path: Path, value: object) -> ClassList:
    """The names of a JSON or YAML value. Raises VocabularyError where they are in no form that is known."""
    found = _of_value(path, value)
    names, joined = _as_words(_checked(path, found.names), found)
    said = [part for part in (found.understood, joined) if part]
    return ClassList(names, f"{_count(len(names))} {', '.join(said)}" if said else "")


@dataclass(frozen=True)
class _Found:
    """Names as they stand, not yet checked."""

    names: tuple[str, ...]
    understood: str = ""
    as_written: bool = False
    """Whether the file quotes its names, so that they are not to be read as words."""


def _reader_of(path: Path, text: str) -> Callable[[Path, str], _Found]:
    suffix = path.suffix.lower()
    if suffix in (".yaml", ".yml"):
        return _of_yaml
    if suffix == ".jsonl":
        return _of_jsonl
    if suffix == ".json":
        return _of_json
    if _PBTXT_ITEM.search(text[:4096]) and _PBTXT_NAME.search(text):
        return _of_pbtxt
    if text.lstrip()[:1] in "[{" and text.rstrip()[-1:] in "]}" and text.strip():
        return _of_json
    return _of_lines


# ---- lines and tables ------------------------------------------------------------------------------------------------


def _of_lines(path: Path, text: str) -> _Found:
    table = _of_table_with_heading(path, text)
    if table is not None:
        return table
    lines = [line.strip() for line in re.split(r"\r\n|\r|\n", text)]
    lines, left_out = _without_comments([line for line in lines if line])
    more = f"without {left_out} line{'s that begin' if left_out > 1 else ' that begins'} with #" if left_out else ""
    for line in lines:
        if len(line) > _LONGEST_NAME:
            raise VocabularyError(path, f"a line is {len(line)} characters long", "write one class name a line")
    _refuse_clips(path, lines)
    found = _of_plain_lines(path, lines)
    understood = ", ".join(part for part in (found.understood, more) if part)
    return _Found(found.names, understood, found.as_written)


def _of_plain_lines(path: Path, lines: list[str]) -> _Found:
    heading = ""
    if len(lines) > 2 and (_is_name_column(lines[0]) or _is_spaced_heading(lines[0])):
        heading, lines = f"under the heading {lines[0]!r}", lines[1:]
    unquoted = _out_of_quotes(lines)
    if unquoted is not None:
        return _Found(tuple(unquoted), heading, as_written=True)
    for delimiter in "\t;|,":
        found = _of_table(path, lines, delimiter)
        if found is not None:
            return found
    for split in (_ids_before, _ids_behind, _other_ids):
        found = split(path, lines)
        if found is not None:
            return found
    return _Found(tuple(lines), heading)


def _is_name_column(cell: str) -> bool:
    return any(_folded(cell) in group for group in _NAME_COLUMNS)


def _is_spaced_heading(line: str) -> bool:
    """`id name`"""
    words = line.split()
    others = [word for word in words if _folded(word) in _OTHER_COLUMNS]
    return len(words) == 2 and len(others) == 1 and any(map(_is_name_column, words))


def _refuse_clips(path: Path, lines: list[str]) -> None:
    """Raises VocabularyError for a list of videos with their classes, such as the official splits of UCF101."""
    files = sum(_CLIP.match(line) is not None for line in lines)
    folders = {line.partition("/")[0] for line in lines if line.count("/") == 1 and " " not in line}
    in_folders = len(lines) > 1 and all(line.count("/") == 1 and " " not in line for line in lines)
    if files * 2 > len(lines) or (in_folders and len(folders) * 2 <= len(lines)):
        hint = "give the list of its classes, or a manifest with the columns path and label"
        raise VocabularyError(path, f"lists clips, not classes ({lines[0][:60]!r})", hint)


def _without_comments(lines: list[str]) -> tuple[list[str], int]:
    """`#selfie` is a name, unless the file has lines such as `# made by me`: then # begins a comment everywhere."""
    if not any(line == "#" or line.startswith(("# ", "#\t", "##", "#!")) for line in lines):
        return lines, 0
    kept = [line for line in lines if not line.startswith("#")]
    return kept, len(lines) - len(kept)


def _out_of_quotes(lines: list[str]) -> list[str] | None:
    """Lines without their quotes where some stand in double ones, or all in single ones; None where none do."""
    bare = [line.removesuffix(",").rstrip() for line in lines]
    without_commas = bare if all(line.endswith(",") for line in lines[:-1]) and len(lines) > 1 else lines
    if lines and all(len(line) > 2 and line[0] == line[-1] == "'" for line in without_commas):
        return [line[1:-1] for line in without_commas]
    if without_commas is not lines and all(_is_quoted(line) for line in without_commas):
        return [_unquoted(line) for line in without_commas]
    if any(_is_quoted(line) for line in lines):
        return [_unquoted(line) for line in lines]
    return None


def _is_quoted(line: str) -> bool:
    return len(line) > 2 and line[0] == line[-1] == '"' and '"' not in line[1:-1].replace('""', "")


def _unquoted(line: str) -> str:
    """`"a, b"` -> `a, b`; a line that is not one quoted cell stays as it is."""
    return line[1:-1].replace('""', '"').strip() if _is_quoted(line) else line


def _of_table_with_heading(path: Path, text: str) -> _Found | None:
    """The column of names of a table whose first row names its columns; None where it does not."""
    first = next((line for line in re.split(r"\r\n|\r|\n", text) if line.strip()), "")
    delimiter = next((one for one in "\t;|," if one in first), "")
    if not delimiter:
        return None
    reader = csv.reader(io.StringIO(text.lstrip("\r\n"), newline=""), delimiter=delimiter, skipinitialspace=True)
    try:
        heading = [cell.strip() for cell in next(reader)]
        if not _is_heading(path, heading):
            return None
        rows = [(reader.line_num, row) for row in reader if any(cell.strip() for cell in row)]
    except csv.Error as error:
        raise VocabularyError(path, f"line {reader.line_num} cannot be read ({error})", "see to that line") from error
    if not rows:
        raise VocabularyError(path, f"has a heading ({', '.join(heading)}) and no rows", "write one class a row")
    column = _name_column(path, heading, [row for _, row in rows])
    names = [_cell(path, number, row, column, len(heading), delimiter) for number, row in rows]
    said = f"from the column `{heading[column]}`"
    if _FILE_COLUMNS & set(map(_folded, heading)) and len(set(names)) < len(names):
        said += f", each once ({len(names):,} rows)"
        names = list(dict.fromkeys(names))
    return _Found(tuple(names), said)


def _is_heading(path: Path, cells: Sequence[str]) -> bool:
    """Certain where one cell is a heading of names, and another a heading too, or the file calls itself a table."""
    folded = [_folded(cell) for cell in cells]
    if len(set(folded)) < len(folded) or len(cells) < 2:
        return False
    of_names = [cell for cell in folded if _is_name_column(cell)]
    others = [cell for cell in folded if cell in _OTHER_COLUMNS]
    tabular = path.suffix.lower() in (".csv", ".tsv")
    return bool(of_names) and (tabular or len(of_names) + len(others) == len(folded))


def _name_column(path: Path, heading: Sequence[str], rows: Sequence[Sequence[str]]) -> int:
    """Which column holds the names: of those that are called so the one that holds more than numbers."""
    for group in _NAME_COLUMNS:
        called = [place for place, cell in enumerate(heading) if _folded(cell) in group]
        words = [one for one in called if not all(len(row) > one and _is_number(row[one]) for row in rows)]
        if len(words) == 1:
            return words[0]
        if words:
            named = " and ".join(f"`{heading[one]}`" for one in words)
            raise _ambiguous(
                path, [",".join(row) for row in rows], f"{named} may both be the names", "keep one of them"
            )
    raise _ambiguous(path, [",".join(row) for row in rows], "no column holds names", "call the column of names `name`")


def _cell(path: Path, number: int, row: Sequence[str], column: int, width: int, delimiter: str) -> str:
    """The name of a row; one with more cells has an unquoted comma in it, where that can mean nothing else."""
    if len(row) == width:
        return row[column]
    more = len(row) - width
    if more > 0 and column == width - 1 and all(_is_number(cell) for cell in row[:column]):
        return f"{delimiter} ".join(row[column:])
    if more > 0 and column == 0 and all(_is_number(cell) for cell in row[more + 1 :]):
        return f"{delimiter} ".join(row[: more + 1])
    what = f"line {number} has {len(row)} cells, not {width} ({delimiter.join(row)!r})"
    raise VocabularyError(path, what, "put a name that holds a comma in double quotes")


def _of_table(path: Path, lines: list[str], delimiter: str) -> _Found | None:
    """The names of a table without a heading, by the columns that are ids; None where the lines are no table."""
    if not lines or not all(delimiter in line for line in lines):
        return None
    try:
        rows = [[cell.strip() for cell in row] for row in csv.reader(lines, delimiter=delimiter, skipinitialspace=True)]
    except csv.Error:
        return None
    width = min(map(len, rows))
    if width < 2 or len(rows) != len(lines):
        return None
    ids = [place for place in range(width) if _are_ids([row[place] for row in rows])]
    if len({len(row) for row in rows}) == 1:
        words = [place for place in range(width) if place not in ids and any(row[place] for row in rows)]
        if len(words) == 1:  # also where a delimiter ends every line
            said = f"from column {words[0] + 1} of {width}" if ids else ""
            return _Found(tuple(row[words[0]] for row in rows), said)
    elif ids == [0] and delimiter == ",":  # 3,bird chirping, tweeting
        return _Found(tuple(", ".join(row[1:]) for row in rows), f"behind the ids {rows[0][0]} to {rows[-1][0]}")
    if delimiter == "," and len(lines) > 1 and all(", " in line for line in lines) and not ids:
        return None  # commas as people write them, in names
    if delimiter != "," or path.suffix.lower() == ".csv" or len(lines) == 1 or len({len(row) for row in rows}) == 1:
        hint = "write one name a line, or a heading such as id,name; put a name that holds a comma in double quotes"
        raise _ambiguous(path, lines, f"every line holds {delimiter!r}", hint)
    return None


def _are_ids(cells: Sequence[str]) -> bool:
    return len(set(cells)) == len(cells) and (all(map(_is_number, cells)) or all(map(_IDS.fullmatch, cells)))


def _ids_before(path: Path, lines: list[str]) -> _Found | None:
    return _without_ids(path, lines, _BEFORE, (1, 2), "begins")


def _ids_behind(path: Path, lines: list[str]) -> _Found | None:
    return _without_ids(path, lines, _BEHIND, (2, 1), "ends")


def _without_ids(
    path: Path, lines: list[str], pattern: re.Pattern[str], groups: tuple[int, int], where: str
) -> _Found | None:
    """Names without numbers, where these count from 0 or 1, each once; refused where they might be ids or might not."""
    parts = [pattern.fullmatch(line) for line in lines]
    if len(lines) < 2 or not all(parts):
        return None
    numbers = [int(part[groups[0]]) for part in parts if part]
    names = [part[groups[1]] for part in parts if part]
    if len(set(map(tidy, names))) < len(names) or len(set(numbers)) < len(numbers):
        return None  # gesture 1, gesture 2
    if set(numbers) in (set(range(len(lines))), set(range(1, len(lines) + 1))):
        side = "behind" if where == "begins" else "before"
        return _Found(tuple(names), f"{side} the ids {min(numbers)} to {max(numbers)}")
    hint = "write a table with the heading id,name, or put the names in double quotes"
    raise _ambiguous(path, lines, f"every line {where} with a number, which may be an id or a part of the name", hint)


def _other_ids(path: Path, lines: list[str]) -> _Found | None:
    parts = [line.split(None, 1) for line in lines]
    if len(lines) < 2 or not all(len(part) == 2 and _IDS.fullmatch(part[0]) for part in parts):
        return None
    return _Found(tuple(name for _, name in parts), f"behind ids such as {parts[0][0]}")


# ---- JSON, YAML, label maps ------------------------------------------------------------------------------------------


def _of_json(path: Path, text: str) -> _Found:
    try:
        value = parse_json(text)
    except DocumentError as error:
        if path.suffix.lower() != ".json":
            return _of_lines(path, text)
        raise VocabularyError(path, error.what, "see to that line, or give one name a line in a .txt file") from error
    return _of_value(path, value)


def _of_jsonl(path: Path, text: str) -> _Found:
    try:
        return _of_value(path, [parse_json(line) for line in text.split("\n") if line.strip()])
    except DocumentError as error:
        raise VocabularyError(path, error.what, "write one JSON value a line") from error


def _of_yaml(path: Path, text: str) -> _Found:
    from openmov.config.load import parse_yaml  # the schema of recipes comes with it: half a second

    return _of_value(path, parse_yaml(path, text, VocabularyError))


def _of_pbtxt(path: Path, text: str) -> _Found:
    names = [(found[1] or found[2]).replace('\\"', '"').replace("\\'", "'") for found in _PBTXT_NAME.finditer(text)]
    return _Found(tuple(names), "from the `name` of each item")


def _of_value(path: Path, value: object) -> _Found:
    if isinstance(value, list):
        return _of_list(path, value)
    if not isinstance(value, dict) or not value:
        raise VocabularyError(path, "holds no class name", "give a list of names")
    for key in ("names", "classes", "labels", "categories", "class_names", "classnames", "id2label", "label2id"):
        if isinstance(value.get(key), list | dict) and value[key]:
            return _of_known_key(path, value, key)
    if isinstance(value.get("database"), dict):  # ActivityNet
        return _of_annotations(path, value["database"].values())
    if all(isinstance(one, dict) and "annotations" in one for one in value.values()):  # Kinetics' train.json
        return _of_annotations(path, value.values())
    return _of_mapping(path, value)


def _of_known_key(path: Path, value: dict[Any, Any], key: str) -> _Found:
    inner = value[key]
    found = _of_mapping(path, inner) if isinstance(inner, dict) else _of_list(path, inner)
    return _Found(found.names, f"from `{key}`{f' ({found.understood})' if found.understood else ''}", found.as_written)


def _of_list(path: Path, items: list[Any]) -> _Found:
    if not items:
        raise VocabularyError(path, "holds no class name", "give a list of names")
    if all(isinstance(one, str) for one in items):
        return _Found(tuple(items))
    if all(isinstance(one, dict) for one in items):
        return _of_objects(path, items)
    pairs = all(isinstance(one, list) and len(one) == 2 for one in items)
    if pairs and len({str(one[0]) for one in items}) == len(items):  # [[0, "archery"], ...]
        return _of_mapping(path, {str(one[0]): one[1] for one in items})
    raise _unknown(path, items)


def _of_objects(path: Path, items: list[dict[str, Any]]) -> _Found:
    """`[{"id": 0, "name": "archery"}, ...]`"""
    keys = [key for key in items[0] if all(isinstance(one.get(key), str) for one in items)]
    for group in _NAME_COLUMNS:
        called = [key for key in keys if _folded(str(key)) in group]
        if len(called) == 1:
            names = [str(one[called[0]]) for one in items]
            if any(_folded(str(key)) in _FILE_COLUMNS for key in items[0]):
                names = list(dict.fromkeys(names))
            return _Found(tuple(names), f"from the key `{called[0]}`")
        if called:
            break
    raise _unknown(path, items)


def _of_mapping(path: Path, value: dict[Any, Any]) -> _Found:
    """Names by id, or ids by name; the values or keys that are all numbers are the ids."""
    by_id = all(_is_number(str(key)) for key in value)
    to_id = all(not isinstance(one, bool) and _is_number(str(one)) for one in value.values())
    if by_id and not to_id and all(isinstance(one, str) for one in value.values()):
        ordered = sorted(value.items(), key=lambda item: int(str(item[0])))
        return _Found(tuple(name for _, name in ordered), "by their ids")
    if to_id and not by_id and all(isinstance(key, str) for key in value):
        ordered = sorted(value.items(), key=lambda item: int(str(item[1])))
        names = [name for name, _ in ordered]
        if any(_is_quoted(name) for name in names):  # PyTorchVideo's list of Kinetics quotes some of its names
            names = [_unquoted(name) for name in names]
        return _Found(tuple(names), "with their ids")
    raise _unknown(path, [f"{key}: {one!r:.60}" for key, one in list(value.items())[:_SHOWN_ROWS]])


def _of_annotations(path: Path, entries: Iterable[Any]) -> _Found:
    labels: dict[str, None] = {}
    count = 0
    for entry in entries:
        said = entry.get("annotations") if isinstance(entry, dict) else None
        for one in said if isinstance(said, list) else [said]:
            if isinstance(one, dict) and isinstance(one.get("label"), str):
                labels.setdefault(one["label"])
                count += 1
    if not labels:
        raise VocabularyError(path, "holds no class name", "give a list of names")
    return _Found(tuple(sorted(labels)), f"from the annotations of {count:,} clips, each once")


# ---- what all have in common -----------------------------------------------------------------------------------------


def _checked(path: Path, names: Sequence[str]) -> tuple[str, ...]:
    tidied = tuple(tidy(name) for name in names)
    for place, name in enumerate(tidied, start=1):
        if not name:
            raise VocabularyError(path, f"name {place} of {len(names)} is empty", "write it, or drop its row")
        if len(name) > _LONGEST_NAME:
            what = f"name {place} of {len(names)} is {len(name)} characters long"
            raise VocabularyError(path, what, "write one class name a line")
    return tidied


def _as_words(names: tuple[str, ...], found: _Found) -> tuple[tuple[str, ...], str]:
    """`ApplyEyeMakeup` and `brush_hair` as words, where the whole list is written so and stays without twins."""
    if found.as_written or not all(map(_ONE_WORD.fullmatch, names)):
        return names, ""
    joined = [name for name in names if _JOINED.fullmatch(name)]
    if len(joined) < max(_JOINED_AT_LEAST, _JOINED_SHARE * len(names)):
        return names, ""
    words = tuple(map(readable, names))
    if len(set(words)) < len(words):
        return names, ""
    return words, f"read as words ({joined[0]} as {readable(joined[0])!r})"


def _ambiguous(path: Path, lines: Sequence[str], why: str, hint: str) -> VocabularyError:
    rows = ", ".join(repr(line[:60]) for line in lines[:_SHOWN_ROWS]) + (" ..." if len(lines) > _SHOWN_ROWS else "")
    return VocabularyError(path, f"may be read in more than one way ({rows}): {why}", hint)


def _unknown(path: Path, items: Sequence[object]) -> VocabularyError:
    rows = ", ".join(f"{one!r:.60}" if not isinstance(one, str) else one for one in items[:_SHOWN_ROWS])
    what = f"is not a list of class names in a form that is known ({rows}{' ...' if len(items) > _SHOWN_ROWS else ''})"
    hint = 'write ["name", ...], {"name": id, ...}, {"id": "name", ...}, or {"base": [...], "novel": [...]}'
    return VocabularyError(path, what, hint)


def _folded(cell: str) -> str:
    return re.sub(r"[\s_#-]+", "", cell.strip().strip("\ufeff").lower())


def _is_number(cell: str) -> bool:
    text = cell.strip()
    return text.isascii() and text.isdecimal() and len(text) <= 18


def _count(number: int) -> str:
    return f"{number:,} name{'s' if number > 1 else ''}"
