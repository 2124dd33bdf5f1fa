"""Writes checkpoints beside the training: one thread, one piece of work at a time.

Whoever hands over a piece of work waits for the one before, so at most one is in flight and they come in order. What
goes wrong there is raised where the training next looks. Knows nothing of what is written.
"""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType


class BackgroundWriter:
    """A context manager; its end waits for what is in flight, and so does the end of the program."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="openmov-checkpoint")
        self._in_flight: Future[None] | None = None

    def __enter__(self) -> "BackgroundWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self.wait()
        finally:
            self._pool.shutdown(wait=True)

    def submit(self, work: Callable[[], None]) -> None:
        """Waits for the work before, raising what befell it, and starts this one."""
        self.wait()
        self._in_flight = self._pool.submit(work)

    def look(self) -> None:
        """Raises what befell the work in flight, if that is known already; never waits."""
        if self._in_flight is not None and self._in_flight.done():
            self.wait()

    def wait(self) -> None:
        """Until nothing is in flight. Raises what befell it, once; a Ctrl-C meanwhile leaves it in flight."""
        if self._in_flight is None:
            return
        done = self._in_flight
        error = done.exception()
        self._in_flight = None
        if error is not None:
            raise error
