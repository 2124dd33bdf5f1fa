"""The command line: thin verbs over `openmov.api`.

Results go to stdout (`--json` for programs), progress and messages to stderr. Exit codes: 0 done, 2 something the
user can mend (one line says what), 1 a bug of ours, 130 interrupted. Heavy imports happen inside the verbs, so that
`--help` answers at once.
"""

import sys

from cyclopts import CycloptsError

from openmov.cli.verbs import app
from openmov.errors import OpenMovError

__all__ = ["app", "main", "run"]


def main() -> None:
    """Runs the command line and exits with its code."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Runs one command; returns the exit code. Only faults a user can mend are caught."""
    try:
        result = app(arguments, exit_on_error=False, print_error=False, result_action="return_value")
    except (CycloptsError, OpenMovError) as error:
        return _complain(str(error))
    except KeyboardInterrupt:
        _complain("interrupted; what was finished is kept")
        return 130
    return result if isinstance(result, int) else 0


def _complain(line: str) -> int:
    print("openmov: " + " ".join(line.split()), file=sys.stderr)
    return 2
