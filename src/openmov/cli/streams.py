"""Standard input, output and error as a program finds them: closed, broken, or on a full disk.

A service may start programs with any of the three closed. The next file that is opened then gets its number, and what
a library prints goes into that file: so each is opened to nowhere before anything else is.
"""

import io
import os
import sys

STANDARD_OUTPUT = "standard output"
"""As errors call it."""


def open_closed_streams() -> None:
    """Gives closed standard streams an end that is nowhere, errors of stdout its name, and stderr patience."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest free number: this one
    if sys.stdin is None:
        sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 (open until the program ends)
    old = sys.stdout
    how = ("utf-8", "strict", False) if old is None else (old.encoding, old.errors, old.line_buffering)
    out = io.BufferedWriter(_Output(1, "w", closefd=False))
    sys.stdout = io.TextIOWrapper(out, how[0], how[1], line_buffering=bool(how[2]))
    encoding = sys.stderr.encoding if sys.stderr is not None else "utf-8"
    sys.stderr = io.TextIOWrapper(_Unheard(2, "w", closefd=False), encoding, "backslashreplace", write_through=True)


class _Output(io.FileIO):
    """What the system refuses to write there says where: `standard output: no space left on the device`."""

    def write(self, data: object) -> int:
        try:
            return super().write(data)  # type: ignore[arg-type]
        except OSError as error:
            raise type(error)(error.errno, error.strerror, STANDARD_OUTPUT) from error


class _Unheard(io.FileIO):
    """Progress and messages: where nobody reads them any more, or the disk is full, they are lost and nothing else."""

    def write(self, data: object) -> int:
        try:
            return super().write(data)  # type: ignore[arg-type]
        except BlockingIOError:
            raise
        except OSError:
            return len(memoryview(data))  # type: ignore[arg-type]


def discard_output() -> None:
    """What is left for standard output goes nowhere: Python would complain of it once more at the program's end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)
