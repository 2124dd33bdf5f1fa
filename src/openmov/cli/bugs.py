"""What is said of a bug of ours: two lines, and a file with all that a report needs.

Web addresses lose their user, password and query there, for a report is read by others.
"""

import platform
import re
import shlex
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

_SECRETS = (re.compile(r"(?<=://)[^/\s@'\"]+@"), re.compile(r"(?<=[^\s'\"]\?)[^\s'\"]*=[^\s'\"]+"))


def report_bug(error: BaseException, arguments: Sequence[str]) -> None:
    """Says it on stderr. Where no file can be written, the traceback is printed."""
    trace = "".join(traceback.format_exception(error))
    command = shlex.join(["openmov", *arguments])
    about = f"openmov {version('openmov')}, Python {platform.python_version()}, {platform.platform()}"
    text = without_secrets(f"{time.strftime('%Y-%m-%d %H:%M:%S')}\n{about}\n{command}\n\n{trace}")
    what = without_secrets(" ".join(f"{type(error).__name__}: {error}".split())[:300])
    print(f"openmov: {what}; this is a fault of openmov, not of yours", file=sys.stderr)
    try:
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", errors="backslashreplace", prefix="openmov-bug-", suffix=".txt", delete=False
        ) as file:
            file.write(text)
        print(f"openmov: please report it, with version, command and traceback: {Path(file.name)}", file=sys.stderr)
    except OSError:
        print(text, file=sys.stderr)


def without_secrets(text: str) -> str:
    """The text without user, password and query of the web addresses in it."""
    for secret in _SECRETS:
        text = secret.sub("...", text)
    return text
