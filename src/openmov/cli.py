"""The command line: thin verbs over `openmov.api`.

Results go to stdout (`--json` for programs), progress and messages to stderr. Exit codes: 0 done, 2 something the
user can mend (one line says what), 1 a bug of ours, 130 interrupted. Heavy imports happen inside the verbs, so that
`--help` answers at once.
"""

import sys
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, CycloptsError, Parameter

from openmov.errors import OpenMovError

app = App(
    name="openmov",
    help="Open-vocabulary video classification with video frames, optical flow and sound (MOV).",
    help_format="plaintext",
)
shapesav = App(name="shapesav", help="The synthetic world that ships with the project.", help_format="plaintext")
app.command(shapesav)

Set = Annotated[tuple[str, ...], Parameter(name="--set", help="Change a field of the recipe: --set training.epochs=5")]
Cache = Annotated[Path | None, Parameter(help="Folder of the cache; default: $OPENMOV_CACHE or ~/.cache/openmov")]
Json = Annotated[bool, Parameter(name="--json", negative="", help="Print the result as JSON")]


def main() -> None:
    """Runs the command line and exits with its code."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Runs one command; returns the exit code. Only faults a user can mend are caught."""
    try:
        result = app(arguments, exit_on_error=False, print_error=False, result_action="return_value")
    except CycloptsError as error:
        return _complain(str(error))
    except OpenMovError as error:
        return _complain(str(error))
    except KeyboardInterrupt:
        _complain("interrupted; what was finished is kept")
        return 130
    return result if isinstance(result, int) else 0


def _complain(line: str) -> int:
    print("openmov: " + " ".join(line.split()), file=sys.stderr)
    return 2
