"""A progress bar on stderr for work that is a number of like things; one closing line where stderr is no terminal.

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


@contextmanager
def progress_bar(title: str, total: int, *, shown: bool = True) -> Iterator[Callable[[int], None]]:
    """Yields a function that takes how many are done in all. Nothing is drawn for no work or with `shown` False."""
    console = Console(stderr=True, quiet=not shown or total == 0, highlight=False)
    columns = (TextColumn(title), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    # Lines printed meanwhile are moved above the bar, to stderr: right where both are one screen, wrong for a pipe.
    one_screen = sys.stdout.isatty()
    bar = Progress(*columns, console=console, disable=not console.is_terminal, redirect_stdout=one_screen)
    task = bar.add_task("", total=total)
    started, last = time.monotonic(), 0

    def show(done: int) -> None:
        nonlocal last
        last = done
        bar.update(task, completed=done)

    with bar:
        yield show
    if not console.is_terminal:
        console.print(f"{title}: {last} of {total}, {time.monotonic() - started:.1f} s", soft_wrap=True)


@contextmanager
def download_bar(title: str, total_bytes: int, *, shown: bool = True) -> Iterator[Callable[[int], None]]:
    """Yields a function that takes how many bytes have come since it was last called (fewer than none where they are
    fetched again); shows size, speed and what is left, and in the end one line where stderr is no terminal. Nothing is
    drawn with `shown` False."""
    console = Console(stderr=True, quiet=not shown, highlight=False)
    columns = (TextColumn(title, markup=False), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    bar = Progress(
        *columns,
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
        redirect_stdout=sys.stdout.isatty(),
    )
    task = bar.add_task("", total=total_bytes)
    started = time.monotonic()
    with bar:
        yield lambda num_bytes: bar.advance(task, num_bytes)
    if not console.is_terminal:
        seconds = max(time.monotonic() - started, 1e-3)
        speed = f"{total_bytes / 1e6 / seconds:.1f} MB/s"
        console.print(f"{title}: {total_bytes / 1e6:.1f} MB fetched in {seconds:.1f} s ({speed})", soft_wrap=True)


def warn(line: str) -> None:
    """One line on stderr, whoever reads it: what a user should know, and need not act upon."""
    Console(stderr=True, highlight=False).print(f"openmov: {printable(line)}", soft_wrap=True, markup=False)


def remark(line: str) -> None:
    """One line on stderr for someone who waits; none where stderr is no terminal."""
    console = Console(stderr=True, highlight=False)
    if console.is_terminal:
        console.print(printable(line), soft_wrap=True, markup=False)
