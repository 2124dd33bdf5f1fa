"""The command line: thin verbs over `openmov.api`.

Results go to stdout (`--json` for programs), progress and messages to stderr. Exit codes: 0 done, 2 something the
user can mend (one line says what), 1 a bug of ours, 130 interrupted. Heavy imports happen inside the verbs, so that
`--help` answers at once.
"""

import os
import sys

from cyclopts import CycloptsError

from openmov.cli import cache, calibrate, datasets, lists, predict, runs, share, study, world  # noqa: F401 (each adds its verbs)
from openmov.cli.options import app
from openmov.errors import OpenMovError

__all__ = ["app", "main", "run"]


def main() -> None:
    """Runs the command line and exits with its code."""
    try:
        code = run(sys.argv[1:])
        sys.stdout.flush()
    except BrokenPipeError:  # `openmov recipe kinetics700 | head`: nobody reads on, and that is no fault
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    sys.exit(code)


def run(arguments: list[str]) -> int:
    """Runs one command; returns the exit code. Only faults a user can mend are caught."""
    try:
        result = app(arguments, exit_on_error=False, print_error=False, result_action="return_value")
    except CycloptsError as error:
        return _complain(_sentence(error), 2)
    except OpenMovError as error:
        return _complain(str(error), 2)
    except KeyboardInterrupt:
        return _complain("interrupted; what was finished is kept", 130)
    return result if isinstance(result, int) else 0


def _sentence(error: CycloptsError) -> str:
    """What is wrong with the arguments, and where their list is."""
    verb = " ".join(("openmov", *(error.command_chain or ())))
    return f"{str(error).strip().rstrip('.')}; {verb} --help says what there is"


def _complain(line: str, code: int) -> int:
    print("openmov: " + " ".join(line.split()), file=sys.stderr)
    return code
