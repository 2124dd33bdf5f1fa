"""What a training says of itself: `metrics.jsonl` (one object a step, one an epoch) and the same as TensorBoard curves.

A line is handed to the operating system before the step it tells of is taken, so a kill loses none; what a checkpoint
does not yet count is cut off when training resumes, so none is there twice. A Ctrl-C waits until a line is whole. A
disk that is full ends the training, whether it is the lines or the curves that no longer fit.
"""

import errno
import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from io import FileIO
from pathlib import Path
from typing import Protocol, runtime_checkable

from openmov.errors import RunFolderError
from openmov.runtime.atomic import atomic_file, storage_errors
from openmov.runtime.interrupts import interrupts_deferred
from openmov.runtime.run_folder import RunFolder
from openmov.training.event_file import EventFile, event_file
from openmov.training.wandb_curves import Curves, NoCurves

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
