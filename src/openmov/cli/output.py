"""What goes to stdout and stderr: lines for people, JSON and CSV for programs, none of which a terminal obeys.

Names of files, tags and labels may hold control characters, marks of direction, and bytes that are no UTF-8. In lines
they are shown as escapes; JSON carries them escaped, so that a reader gets the very same name; CSV carries them as they
are, quoted, a name that is no UTF-8 in its own bytes (a reader with `surrogateescape` gets the same name), and as
escapes where a terminal reads it.
"""

import csv
import io
import sys
from collections.abc import Iterable
from typing import Any

from openmov.printable import is_hidden, json_text, printable


def say(text: object, *, file: Any = None, flush: bool = False) -> None:
    """Prints text for people; its own line breaks are kept, so names that hold some go through `printable` before."""
    stream = sys.stdout if file is None else file
    lines = "\n".join(map(printable, str(text).split("\n")))
    encoding = getattr(stream, "encoding", None) or "utf-8"
    print(_plainer(lines, encoding), file=stream, flush=flush)


def print_json(value: Any) -> None:
    """A result for programs."""
    encoding = (getattr(sys.stdout, "encoding", None) or "utf-8").lower().replace("-", "")
    print(json_text(value, ascii_only=encoding != "utf8"))


def print_csv(rows: Iterable[Iterable[object]]) -> None:
    """Rows for programs, in UTF-8 whatever the locale."""
    for row in rows:
        line = csv_line(row)
        if sys.stdout.isatty():
            print(printable(line), flush=True)
            continue
        raw = getattr(sys.stdout, "buffer", None)
        if raw is None:  # a stream of text that somebody put in its place
            print(line, flush=True)
        else:
            sys.stdout.flush()
            raw.write((line + "\n").encode("utf-8", "surrogateescape"))
            raw.flush()


def csv_line(cells: Iterable[object]) -> str:
    """A line of CSV, without its end; in quotes is whatever holds a comma, a quote or a hidden character."""
    texts = [str(cell) for cell in cells]
    line = io.StringIO()
    if any(is_hidden(one) for text in texts for one in text if not one.isprintable()):
        csv.writer(line, lineterminator="", quoting=csv.QUOTE_ALL).writerow(texts)
    else:
        csv.writer(line, lineterminator="").writerow(texts)
    return line.getvalue()


def _plainer(text: str, encoding: str) -> str:
    """Bars and other signs as ASCII where the locale has none; what is left of others as escapes."""
    try:
        text.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        text = text.replace("█", "#").replace("–", "-").replace("±", "+-")
        return text.encode("ascii", "backslashreplace").decode("ascii")
    return text
