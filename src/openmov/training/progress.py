"""Shows a training to the person in front of it: a bar for the epoch on a terminal, and one line an epoch anywhere.

Everything goes to stderr. Knows nothing of what is trained.
"""

import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

_SMOOTHING = 0.95


class TrainingProgress:
    """A context manager; silent if `shown` is False."""

    def __init__(self, epochs: int, steps_per_epoch: int, shown: bool, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True, quiet=not shown, highlight=False)
        self._epochs = epochs
        self._steps_per_epoch = steps_per_epoch
        self._step_seconds: float | None = None
        self._started = time.monotonic()
        columns = (TextColumn("epoch {task.fields[epoch]}"), BarColumn(), MofNCompleteColumn())
        self._bar = Progress(
            *columns, TextColumn("{task.fields[figures]}"), console=self._console, disable=not self._console.is_terminal
        )
        self._task = self._bar.add_task("", total=steps_per_epoch, epoch=f"1/{epochs}", figures="")

    def __enter__(self) -> "TrainingProgress":
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def step(
        self, steps_done: int, loss: float, clips_per_second: float, data_wait_share: float, seconds: float
    ) -> None:
        """After every step; `steps_done` counts over the whole training, `seconds` is what this step took."""
        before = seconds if self._step_seconds is None else self._step_seconds
        self._step_seconds = _SMOOTHING * before + (1 - _SMOOTHING) * seconds
        epoch, done = divmod(steps_done - 1, self._steps_per_epoch)
        left = duration((self._epochs * self._steps_per_epoch - steps_done) * self._step_seconds)
        figures = (
            f"loss {loss:.3f}  {clips_per_second:.1f} clips/s  waiting for data {data_wait_share:.0%}  {left} left"
        )
        self._bar.update(self._task, completed=done + 1, epoch=f"{epoch + 1}/{self._epochs}", figures=figures)

    def epoch(self, epoch: int, loss: float, validation: float | None, best: bool) -> None:
        """After every epoch, counted from 0."""
        parts = [f"epoch {epoch + 1}/{self._epochs}", f"loss {loss:.3f}"]
        if validation is not None:
            parts.append(f"validation {validation:.4f}{' (best)' if best else ''}")
        self._console.print("  ".join([*parts, duration(time.monotonic() - self._started)]), soft_wrap=True)


def duration(seconds: float) -> str:
    """Hours, minutes and seconds: 1:02:03, or 2:03 below an hour."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
