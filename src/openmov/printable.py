"""Text from elsewhere made safe to show: names of files, tags and labels may hold what a terminal would obey.

    printable("a\\x1b[2Jb")    'a\\\\x1b[2Jb'    one line, for people
    json_text({...})          JSON whose reader gets the very same text back

Control characters, marks that turn the direction of writing, invisible characters and bytes that are no UTF-8
(Python's lone surrogates) are written as escapes. Knows nothing of what is shown.
"""

import json
import re
import unicodedata
from typing import Any

_JOINERS = frozenset("\u200c\u200d")  # what holds emoji together, and letters of Persian and Hindi apart
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Unicode categories: control, format, surrogate, line and paragraph separators."""

_SECRET = re.compile(r"(?<=:/)(/?)[^/\s@'\"]+@")
_QUERY = re.compile(r"(\w:/[^\s?'\"]*)\?[^\s'\",;)]+")


def is_hidden(character: str) -> bool:
    """Whether a character does something to a terminal other than showing a sign."""
    return unicodedata.category(character) in _HIDDEN and character not in _JOINERS


def printable(text: object) -> str:
    """One line in which everything is shown and nothing is obeyed; line breaks become `\\n`.

    Names and passwords in web addresses, and what follows their `?` (signatures), are left out. A byte of a file's name
    that is no UTF-8 is shown as that byte (`\\xff`).
    """
    line = str(text)
    if ":/" in line:  # also where a path made one slash of two
        line = _SECRET.sub(r"\1", _QUERY.sub(r"\1?...", line))
    if line.isprintable():  # true of almost every text, and checked in C
        return line
    return "".join(_escaped(one) if is_hidden(one) else one for one in line)


def json_text(value: Any, *, ascii_only: bool = False) -> str:
    """Indented JSON whose strings carry what is hidden as escapes; `json.loads` gives an equal value back."""
    text = json.dumps(value, ensure_ascii=ascii_only, indent=1)
    if text.replace("\n", "").isprintable():
        return text
    return "".join(_json_escaped(one) if one != "\n" and is_hidden(one) else one for one in text)


def _escaped(character: str) -> str:
    point = ord(character)
    if 0xDC80 <= point <= 0xDCFF:  # PEP 383: a byte that is no UTF-8
        return f"\\x{point - 0xDC00:02x}"
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")


def _json_escaped(character: str) -> str:
    return json.dumps(character)[1:-1]
