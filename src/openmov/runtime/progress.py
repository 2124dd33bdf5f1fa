"""A progress bar on stderr for work that is a number of like things; a line now and then where that is not a terminal.

Knows nothing of what the things are.
"""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from openmov.printable import printable

FIRST_LINE_SECONDS = 10.0
LONGEST_PAUSE_SECONDS = 300.0
"""Between two lines about one piece of work, where nobody watches a bar."""


@contextmanager
def progress_bar(title: str, total: int, *, shown: bool = True) -> Iterator[Callable[[int], None]]:
    """Yields a function that takes how many are done in all. Nothing is drawn for no work or with `shown` False.

    Where stderr is not a terminal, a line after FIRST_LINE_SECONDS, then ever more seldom, and one at the end.
    """
    console = Console(stderr=True, quiet=not shown or total == 0, highlight=False)
    title = printable(title)
    columns = (
        TextColumn(title, markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    # Lines printed meanwhile are moved above the bar, to stderr: right where both are one screen, wrong for a pipe.
    one_screen = sys.stdout.isatty()
    bar = Progress(*columns, console=console, disable=not console.is_terminal, redirect_stdout=one_screen)
    task = bar.add_task("", total=total)
    started, last = time.monotonic(), 0
    next_line, pause = started + FIRST_LINE_SECONDS, FIRST_LINE_SECONDS

    def show(done: int) -> None:
        nonlocal last, next_line, pause
        last = done
        bar.update(task, completed=done)
        now = time.monotonic()
        if not console.is_terminal and now >= next_line and done < total:
            left = (now - started) * (total - done) / done if done else 0
            console.print(
                f"{title}: {done} of {total}, {now - started:.0f} s, {left:.0f} s left", soft_wrap=True, markup=False
            )
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
            next_line = now + pause

    with bar:
        yield show
    if not console.is_terminal:
        console.print(f"{title}: {last} of {total}, {time.monotonic() - started:.1f} s", soft_wrap=True, markup=False)


@contextmanager
def download_bar(
    title: str, total_bytes: int, here_bytes: int = 0, *, shown: bool = True
) -> Iterator[Callable[[int], None]]:
    """Yields a function that takes how many bytes have come since it was last called (fewer than none where they are
    fetched again), `here_bytes` being there already; shows size, speed and what is left, and in the end one line where
    stderr is not a terminal. Nothing is drawn with `shown` False."""
    console = Console(stderr=True, quiet=not shown, highlight=False)
    columns = (TextColumn(title, markup=False), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    bar = Progress(
        *columns,
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
        redirect_stdout=sys.stdout.isatty(),
    )
    task = bar.add_task("", total=total_bytes, completed=here_bytes)
    started = time.monotonic()
    with bar:
        yield lambda num_bytes: bar.advance(task, num_bytes)
    if not console.is_terminal:
        seconds = max(time.monotonic() - started, 1e-3)
        fetched = total_bytes - here_bytes
        speed = f"{fetched / 1e6 / seconds:.1f} MB/s"
        rest = f", {here_bytes / 1e6:.1f} MB were here" if here_bytes else ""
        console.print(f"{title}: {fetched / 1e6:.1f} MB fetched in {seconds:.1f} s ({speed}){rest}", soft_wrap=True)


def warn(line: str) -> None:
    """One line on stderr, whoever reads it: what a user should know, and need not act upon."""
    Console(stderr=True, highlight=False).print(f"openmov: {printable(line)}", soft_wrap=True, markup=False)


def note(line: str) -> None:
    """One line on stderr about what was understood, or is peculiar and no fault."""
    Console(stderr=True, highlight=False).print(f"note: {printable(line)}", soft_wrap=True, markup=False)


def remark(line: str) -> None:
    """One line on stderr for someone who waits; none where stderr is not a terminal."""
    console = Console(stderr=True, highlight=False)
    if console.is_terminal:
        console.print(printable(line), soft_wrap=True, markup=False)
