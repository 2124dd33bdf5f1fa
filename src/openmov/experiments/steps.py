"""The steps of a long job: timed, and said as they begin."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console

from openmov.report.content import Step


class StepClock:
    """Times the steps of a long job and says which one is running."""

    def __init__(self, *, shown: bool) -> None:
        self.steps: list[Step] = []
        self._console = Console(stderr=True, quiet=not shown, highlight=False)

    @contextmanager
    def step(self, name: str, command: str = "") -> Iterator[None]:
        """Times the block; `command` is what repeats it."""
        self._console.print(f"[bold]{name}[/bold]", soft_wrap=True)
        started = time.monotonic()
        yield
        self.steps.append(Step(name, time.monotonic() - started, command))

    def say(self, line: str) -> None:
        """A line within a step."""
        self._console.print(line, soft_wrap=True)
