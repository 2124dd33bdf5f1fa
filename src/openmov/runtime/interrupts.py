"""Signals that end a command: an exception where it runs, which waits until a change is whole.

Ctrl-C (SIGINT) raises KeyboardInterrupt, as Python has it. `raise_on_signals` makes an ordinary exception of SIGTERM
(a job manager) and SIGHUP (a terminal that is closed) too, so that temporary files go and child processes end.
"""

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import wait
from types import FrameType

_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class TerminatedError(KeyboardInterrupt):
    """This process was told to end. What is done on Ctrl-C is done on this too: it is one."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number
        """Of the signal."""


def raise_on_signals() -> None:
    """From now on SIGTERM and SIGHUP raise TerminatedError in the main thread, once; further ones change nothing.

    One that was ignored when the process began (SIGHUP under nohup) stays ignored.
    """
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _terminate)


def _terminate(number: int, frame: FrameType | None) -> None:
    for other in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(other, signal.SIG_IGN)  # tidying up is not interrupted; kill -9 remains
    raise TerminatedError(number)


def leave_to_parent() -> None:
    """In a process of a pool: Ctrl-C is the parent's to answer, and however the parent ends, this one ends with it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)


@contextmanager
def interrupts_deferred() -> Iterator[None]:
    """A signal that comes within the block takes effect at its end, as it would have without the block.

    Off the main thread, where Python delivers no signal, the block runs as it is. A signal that nobody here handles
    (SIGTERM in a program that uses openmov as a library) is left to end the process as it would have.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[tuple[int, FrameType | None]] = []
    before = {}
    for number in _ENDING:
        handler = signal.getsignal(number)
        if callable(handler) and not isinstance(handler, signal.Handlers):
            before[number] = handler
            signal.signal(number, lambda number, frame: came.append((number, frame)))
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
    if came:
        last, frame = came[-1]
        before[signal.Signals(last)](last, frame)
