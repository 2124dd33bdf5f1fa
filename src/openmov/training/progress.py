"""Shows a training to the person in front of it: a bar for the epoch on a terminal, a line a minute where there is none
(a log file), and one line an epoch anywhere.

Everything goes to stderr. Knows nothing of what is trained.
"""

import resource
import sys
import time
from dataclasses import dataclass
from types import TracebackType

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

_MAXRSS_BYTES = 1 if sys.platform == "darwin" else 1024


@dataclass(frozen=True)
class StepPace:
    """Of one step."""

    seconds: float
    """Since the step before."""
    clips_per_second: float
    """Clips of the step, in all processes, over that time."""
    data_wait_share: float
    """Share of that time this process waited for clips."""
    memory_bytes: int
    """The most this process has held so far: on the accelerator if it trains there, else in main memory."""

    @property
    def figures(self) -> dict[str, float | int]:
        """For the metrics."""
        return {name: getattr(self, name) for name in ("clips_per_second", "data_wait_share", "memory_bytes")}


class Throughput:
    """Of a whole training, or of the part that one call does."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stepped_at = time.monotonic()
        self.wait_seconds = 0.0
        """Waited for clips in all."""

    def restart(self) -> None:
        """What came since the last step, such as a validation, belongs to no step."""
        self._stepped_at = time.monotonic()

    def step(self, clips: int, wait_seconds: float) -> StepPace:
        """A step of so many clips has been done."""
        seconds = max(1e-9, time.monotonic() - self._stepped_at)
        self._stepped_at += seconds
        self.wait_seconds += wait_seconds
        return StepPace(seconds, clips / seconds, min(1.0, wait_seconds / seconds), peak_memory_bytes(self._device))


def peak_memory_bytes(device: torch.device) -> int:
    """The most this process has held: allocated on an accelerator, resident otherwise."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _MAXRSS_BYTES


_SMOOTHING = 0.95
_LINE_SECONDS = 60.0


class TrainingProgress:
    """A context manager; silent if `shown` is False."""

    def __init__(self, epochs: int, steps_per_epoch: int, shown: bool, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True, quiet=not shown, highlight=False)
        self._epochs = epochs
        self._steps_per_epoch = steps_per_epoch
        self._step_seconds: float | None = None
        self._started = self._said_at = time.monotonic()
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

    def step(self, steps_done: int, loss: float, pace: StepPace) -> None:
        """After every step; `steps_done` counts over the whole training."""
        before = pace.seconds if self._step_seconds is None else self._step_seconds
        self._step_seconds = _SMOOTHING * before + (1 - _SMOOTHING) * pace.seconds
        epoch, done = divmod(steps_done - 1, self._steps_per_epoch)
        left = duration((self._epochs * self._steps_per_epoch - steps_done) * self._step_seconds)
        figures = (
            f"loss {loss:.3f}  {pace.clips_per_second:.1f} clips/s  waiting for data {pace.data_wait_share:.0%}  "
            f"{pace.memory_bytes / 1e9:.1f} GB  {left} left"
        )
        self._bar.update(self._task, completed=done + 1, epoch=f"{epoch + 1}/{self._epochs}", figures=figures)
        if not self._console.is_terminal and time.monotonic() - self._said_at >= _LINE_SECONDS:
            self._said_at = time.monotonic()
            line = f"epoch {epoch + 1}/{self._epochs}  step {done + 1}/{self._steps_per_epoch}  {figures}"
            self._console.print(line, soft_wrap=True)

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
