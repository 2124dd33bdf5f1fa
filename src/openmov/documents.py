"""Small files from elsewhere, read within bounds: text in an encoding that is certain, JSON of bearable depth.

    path --read_document--> bytes --decode_text--> text --parse_json--> plain values

A list of names, a manifest, a recipe or a model's config.json may come from anybody, and be anything: a device that
never ends, a pipe nobody writes to, ten gigabytes, 200,000 brackets in one another. Knows nothing of what is in them.
"""

import codecs
import json
import os
import select
import stat
import time
import unicodedata
from pathlib import Path
from typing import Any

MEGABYTE = 1 << 20
LARGEST_BYTES = 64 * MEGABYTE
"""What a document may hold where nothing else is said."""
_PIPE_SECONDS = 20.0
"""A pipe that nobody writes to for so long is given up."""
_PIECE = 1 << 16
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_LIKELY = {
    "cp1252": "Windows-1252 (Latin-1)",
    "gb18030": "GBK",
    "shift_jis": "Shift JIS",
    "euc_kr": "EUC-KR",
    "big5": "Big5",
    "cp1251": "Windows-1251",
}
"""Encodings that lists of names come in; none of them can be told from the others for certain."""


class DocumentError(ValueError):
    """A file that cannot be taken for a document. Callers say it in the class of their own errors."""

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(what)
        self.what = what
        """What is wrong with it: follows the file's name."""
        self.hint = hint
        """What to do, where something better is known than the caller's own advice."""


def read_document(path: Path, limit_bytes: int = LARGEST_BYTES) -> bytes:
    """The bytes of a regular file or a pipe. Raises DocumentError for anything else and beyond the limit, OSError."""
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a pipe without a writer would block for ever
    try:
        facts = os.fstat(handle)
        if stat.S_ISDIR(facts.st_mode):
            raise DocumentError("is a folder, not a file")
        if not (stat.S_ISREG(facts.st_mode) or stat.S_ISFIFO(facts.st_mode)):
            raise DocumentError("is a device or socket, not a file")
        if stat.S_ISREG(facts.st_mode) and facts.st_size > limit_bytes:
            raise _too_large(facts.st_size, limit_bytes)
        content = bytearray()
        while piece := _piece(handle, wait=stat.S_ISFIFO(facts.st_mode)):
            content += piece
            if len(content) > limit_bytes:
                raise _too_large(len(content), limit_bytes)
        return bytes(content)
    finally:
        os.close(handle)


def read_text(path: Path, limit_bytes: int = LARGEST_BYTES) -> str:
    """The text of a document. Raises DocumentError, OSError."""
    return decode_text(read_document(path, limit_bytes))[0]


def read_json(path: Path, limit_bytes: int = LARGEST_BYTES) -> Any:
    """What a JSON document holds. Raises DocumentError (a ValueError), OSError."""
    return parse_json(read_text(path, limit_bytes))


def parse_json(text: str | bytes) -> Any:
    """As `json.loads`, with one error for everything that is not JSON, nesting without end included: DocumentError."""
    try:
        return json.loads(text)
    except RecursionError:
        raise DocumentError("is JSON that nests too deeply") from None
    except json.JSONDecodeError as error:
        raise DocumentError(f"is not JSON (line {error.lineno}: {error.msg})") from error
    except ValueError as error:  # a number of thousands of digits; bytes that are no text
        raise DocumentError(f"is not JSON ({error})") from error


def decode_text(content: bytes) -> tuple[str, str]:
    """Text, and the encoding it was in where that is not plain UTF-8 ('' where it is).

    UTF-8, and UTF-16 and UTF-32 where they say so or cannot be anything else. Raises DocumentError for the rest,
    naming the encodings that it may be.
    """
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            try:
                return content.decode("utf-8-sig" if encoding == "utf-8" else encoding), encoding.upper()
            except UnicodeDecodeError as error:
                raise DocumentError(f"begins as {encoding.upper()} and goes on as something else") from error
    if b"\0" in content:
        return _without_mark(content)
    try:
        return content.decode("utf-8"), ""
    except UnicodeDecodeError as error:
        raise DocumentError(_not_utf8(content, error.start), "save it as UTF-8") from error


def _without_mark(content: bytes) -> tuple[str, str]:
    """UTF-16 without a mark is certain where every other byte of Latin letters is zero; else it is not text."""
    zeros = (content[0::2].count(0), content[1::2].count(0))
    for encoding, empty, full in (("utf-16-le", zeros[1], zeros[0]), ("utf-16-be", zeros[0], zeros[1])):
        if len(content) % 2 == 0 and full == 0 and empty * 4 > len(content):
            text = content.decode(encoding, "replace")
            if "\ufffd" not in text and all(one.isprintable() or one in "\r\n\t" for one in text):
                return text, encoding.upper()
    raise DocumentError("is not text: it holds zero bytes")


def _not_utf8(content: bytes, at: int) -> str:
    line = content[content.rfind(b"\n", 0, at) + 1 :].split(b"\n", 1)[0].strip()[:60]
    may_be = []
    for encoding, name in _LIKELY.items():
        try:
            content.decode(encoding)
            text = line.decode(encoding)
        except UnicodeDecodeError:
            continue
        if all(one.isprintable() and unicodedata.category(one) != "Co" for one in text):
            may_be.append(f"{name}, {text!r}")
    guess = f"; it may be {' or '.join(may_be[:3])}" if may_be else ""
    return f"is not UTF-8 (byte {at}){guess}"


def _piece(handle: int, *, wait: bool) -> bytes:
    if not wait:
        return os.read(handle, _PIECE)
    deadline = time.monotonic() + _PIPE_SECONDS
    ready = select.poll()
    ready.register(handle, select.POLLIN | select.POLLHUP)
    while (left := deadline - time.monotonic()) > 0:
        for _, happened in ready.poll(left * 1000):
            if happened & (select.POLLIN | select.POLLHUP):
                return os.read(handle, _PIECE)
    raise DocumentError(f"is a pipe into which nobody has written for {_PIPE_SECONDS:.0f} s")


def _too_large(size: int, limit: int) -> DocumentError:
    return DocumentError(f"is larger than such a file can be ({size / 1e6:.0f} MB, at most {limit / 1e6:.0f} MB)")
