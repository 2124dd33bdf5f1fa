"""What a training says of itself: `metrics.jsonl` (one object a step, one an epoch) and the same as TensorBoard curves.

A line is handed to the operating system before the step it tells of is taken, so a kill loses none; what a checkpoint
does not yet count is cut off when training resumes, so none is there twice. A Ctrl-C waits until a line is whole. A
disk that is full ends the training, whether it is the lines or the curves that no longer fit.
"""

import errno
import hashlib
import importlib.util
import json
import shutil
import threading
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from io import FileIO
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from openmov.errors import RecipeError, RunFolderError
from openmov.runtime.atomic import atomic_file, storage_errors
from openmov.runtime.interrupts import interrupts_deferred
from openmov.runtime.progress import warn
from openmov.runtime.run_folder import RunFolder
from openmov.training.event_file import EventFile, event_file

_CONNECT_SECONDS = 30
_GOODBYE_SECONDS = 60.0


@runtime_checkable
class Curves(Protocol):
    """Takes numbers by name."""

    def add(self, numbers: Mapping[str, int | float], step: int) -> None:
        """Those of one step."""
        ...


class NoCurves:
    """Keeps nothing."""

    def add(self, numbers: Mapping[str, int | float], step: int) -> None:
        return


class WandbCurves:
    """Hands numbers to wandb's own process until that refuses; make it with `wandb_curves`."""

    def __init__(self, run: Any) -> None:
        self._run = run
        self._refused = False

    def add(self, numbers: Mapping[str, int | float], step: int) -> None:
        """Those of one step."""
        if self._refused:
            return
        try:
            self._run.log(dict(numbers), step=step)
        except _faults() as error:
            self._refused = True
            _say(error)

    def close(self) -> None:
        """Waits a minute at most for what is still to be sent; the run folder keeps it."""
        sending = threading.Thread(target=self._finish, name="openmov-wandb-goodbye", daemon=True)
        sending.start()
        sending.join(_GOODBYE_SECONDS)

    def _finish(self) -> None:
        try:
            self._run.finish()
        except _faults() as error:
            if not self._refused:
                _say(error)


def require_wandb(project: str | None) -> None:
    """Before anything is prepared. Raises RecipeError where a project is named and wandb is not installed."""
    if project is not None and importlib.util.find_spec("wandb") is None:
        raise RecipeError("training.wandb", "wandb is not installed", "pip install openmov[wandb], or leave it out")


@contextmanager
def wandb_curves(project: str | None, folder: RunFolder, recipe: Mapping[str, Any]) -> Iterator[Curves]:
    """Curves of the run `folder`, going on where they stopped; none without a project, or where wandb refuses."""
    if project is None:
        yield NoCurves()
        return
    try:
        curves = WandbCurves(_begin(project, folder, recipe))
    except _faults() as error:
        _say(error)
        yield NoCurves()
        return
    try:
        yield curves
    finally:
        curves.close()


def _begin(project: str, folder: RunFolder, recipe: Mapping[str, Any]) -> Any:
    import wandb

    settings = wandb.Settings(init_timeout=_CONNECT_SECONDS, silent=True, console="off")
    return wandb.init(
        project=project,
        name=folder.path.name,
        id=hashlib.sha256(f"{folder.fingerprint} {folder.created}".encode()).hexdigest()[:16],
        resume="allow",
        dir=str(folder.path),
        config=dict(recipe),
        settings=settings,
    )


def _faults() -> tuple[type[Exception], ...]:
    """What wandb raises where its service cannot be had or knows no key; all else is a bug."""
    from wandb.errors import Error

    return (Error, OSError)


def _say(error: Exception) -> None:
    first = (str(error).splitlines() or [type(error).__name__])[0]
    warn(f"Weights & Biases cannot be had ({first[:120]}); the training goes on without it")


TIMINGS = ("clips_per_second", "data_wait_share", "memory_bytes")
"""The only fields that differ between two runs of one recipe."""


@runtime_checkable
class Log(Protocol):
    """What the loop tells of itself."""

    def write(self, record: Mapping[str, int | float | None], step: int) -> int:
        """Takes one line; returns how many bytes there are now."""
        ...


class NoLog:
    """Keeps nothing: for all processes of a job but the first."""

    def write(self, record: Mapping[str, int | float | None], step: int) -> int:
        return 0


class MetricsLog:
    """Appends to the metrics of a run; make it with `open_log`."""

    def __init__(self, path: Path, lines: FileIO, curves: EventFile, elsewhere: Curves) -> None:
        self._path = path
        self._lines = lines
        self._curves = curves
        self._elsewhere = elsewhere

    def write(self, record: Mapping[str, int | float | None], step: int) -> int:
        """Appends one line; returns the file's length in bytes. Numbers but for step and epoch become curves.

        Raises StorageError.
        """
        line = json.dumps(record).encode() + b"\n"
        with storage_errors(self._path), interrupts_deferred():
            if self._lines.write(line) < len(line):  # unbuffered: a disk that fills up takes half a line
                raise OSError(errno.ENOSPC, "half a line written")
            drawn = {name: value for name, value in record.items() if name not in ("step", "epoch")}
            numbers = {name: value for name, value in drawn.items() if value is not None}
            self._curves.add(numbers, step)
            self._elsewhere.add(numbers, step)
        return self._lines.tell()


@contextmanager
def open_log(
    folder: RunFolder, num_bytes: int, step: int, elsewhere: AbstractContextManager[Curves] | None = None
) -> Iterator[MetricsLog]:
    """Goes on after the first `num_bytes` of the metrics, dropping what follows; curves go on after `step`.

    `elsewhere` takes the curves too.

    Raises RunFolderError if the metrics are shorter than that, and StorageError.
    """
    with storage_errors(folder.metrics):
        _make_own(folder.metrics)
        lines = FileIO(folder.metrics, "a")
    with lines:
        if lines.tell() < num_bytes:
            what = f"is shorter ({lines.tell()} bytes) than its checkpoint says ({num_bytes})"
            raise RunFolderError(folder.metrics, what, "restore the file, or train anew in another folder")
        with storage_errors(folder.metrics):
            lines.truncate(num_bytes)
        with event_file(folder.tensorboard, step + 1) as curves, elsewhere or nullcontext(NoCurves()) as more:
            yield MetricsLog(folder.metrics, lines, curves, more)


def _make_own(path: Path) -> None:
    """What is appended to and cut off must not be another run's too: a link, or a file that has a second name (a copy
    of a run by hard links), is copied first."""
    if path.is_symlink() or (path.exists() and path.stat().st_nlink > 1):
        with atomic_file(path) as temporary:
            shutil.copyfile(path, temporary)
