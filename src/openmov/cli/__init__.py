"""The command line: thin verbs over the packages below.

Results go to stdout (`--json` for programs), progress and messages to stderr. Exit codes: 0 done, 2 something the
user can fix (one line says what), 130 and 143 ended by Ctrl-C and by a job manager, 1 a bug of ours, which says what
to report. Heavy imports happen inside the verbs, so that `--help` answers at once.
"""

import atexit
import contextlib
import errno
import os
import sys

from cyclopts import CycloptsError

from openmov.cli import (  # noqa: F401 (each adds its verbs)
    cache,
    calibrate,
    data,
    experiments,
    models,
    predict,
    runs,
    share,
)
from openmov.cli.bugs import report_bug
from openmov.cli.options import app
from openmov.cli.output import say
from openmov.cli.streams import STANDARD_OUTPUT, discard_output, open_closed_streams
from openmov.errors import OpenMovError
from openmov.printable import printable
from openmov.runtime.atomic import storage_error
from openmov.runtime.interrupts import TerminatedError, raise_on_signals

__all__ = ["app", "main", "run"]

_SIGNALLED = 128
"""Exit codes above it say which signal ended a command."""


def main() -> None:
    """Runs the command line and exits with its code."""
    open_closed_streams()
    raise_on_signals()
    try:
        code = run(sys.argv[1:])
        sys.stdout.flush()
    except BrokenPipeError:  # `openmov recipe kinetics700 | head`: nobody reads on, and that is not a fault
        discard_output()
        code = 0
    except KeyboardInterrupt:  # between two verbs' work
        code = 130
    except Exception as error:
        code = _unforeseen(error)
    if code > _SIGNALLED:
        _leave(code)
    sys.exit(code)


def _leave(code: int) -> None:
    """Ends the process after a signal, what was to be done at its end included, without taking the interpreter down.

    A thread that still reads a clip may be inside native code: unwound through it while the interpreter ends, the
    process would now and then abort (SIGABRT) in place of ending with its code.
    """
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):  # closed by whoever read it, or never there
            stream.flush()
    os._exit(code)


def run(arguments: list[str]) -> int:
    """Runs one command; returns the exit code. Only faults a user can fix are caught, and a signal."""
    try:
        result = app(arguments, exit_on_error=False, print_error=False, result_action="return_value")
    except CycloptsError as error:
        return _complain(_sentence(error), 2)
    except OpenMovError as error:
        return _complain(str(error), 2)
    except TerminatedError as signalled:
        return _complain(f"ended by {signalled}; what was finished is kept", 128 + signalled.number)
    except KeyboardInterrupt:
        return _complain("interrupted; what was finished is kept", 130)
    except SystemExit as left:
        if isinstance(left.__context__, BrokenPipeError):  # rich, which prints --help, makes an exit of it
            raise BrokenPipeError from left
        raise
    return result if isinstance(result, int) else 0


def _unforeseen(error: Exception) -> int:
    """What the system refuses, wherever that was, is for the user to fix; anything else is a bug."""
    if isinstance(error, OSError) and error.errno is not None:
        if error.filename == STANDARD_OUTPUT:
            discard_output()
        said: OpenMovError = storage_error(error.filename or "the system", error)
        if error.errno == errno.ENOENT:
            said = OpenMovError(said.where, "is not there, or no longer", "see what removed it, and try again")
        return _complain(str(said), 2)
    if isinstance(error, MemoryError):
        return _complain("there is not enough memory; lower --workers, or take a machine with more", 2)
    if isinstance(error, RuntimeError) and "can't start new thread" in str(error):
        return _complain("the system starts no more threads; raise the limit (ulimit -u), or lower --workers", 2)
    report_bug(error, sys.argv[1:])
    return 1


def _sentence(error: CycloptsError) -> str:
    """What is wrong with the arguments, and where their list is."""
    verb = " ".join(("openmov", *(error.command_chain or ())))
    return f"{str(error).strip().rstrip('.')}; {verb} --help says what there is"


def _complain(line: str, code: int) -> int:
    say("openmov: " + printable(" ".join(line.split())), file=sys.stderr)
    return code
