"""Calls in processes of their own under a time limit, for libraries in C that may hang or crash on a bad file.

    with GuardedCalls(limit_seconds=300) as guarded:
        facts = guarded.call(probe, path)            # from any number of threads at once

A call that takes longer than the limit, or brings its process down (a crash in C, memory used up), costs that process
and nothing else: the process is killed, the caller gets CallOverTimeError or CallDiedError, and the next call has a
fresh one. There are as many processes as calls at the same time; each starts when it is first needed (a quarter of a
second) and then serves one call after the other.

The function has to be importable by its name and its arguments and result picklable. What it raises is raised here.
On Ctrl-C call `close()` before waiting for threads that are inside `call`: it kills their processes, so that they end
at once. The processes end with this one, however it ends. For POSIX systems.

Knows nothing of what is called.
"""

import os
import queue
import socket
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, ParamSpec, TypeVar

_Given = ParamSpec("_Given")
_Result = TypeVar("_Result")
_START_SECONDS = 60.0


class CallOverTimeError(Exception):
    """A guarded call was not done within its limit."""


class CallDiedError(Exception):
    """The process of a guarded call ended before the call did."""


class CallsClosedError(CallDiedError):
    """It was ended by `close`, or no more are taken after that."""


class GuardedCalls:
    """Runs calls in child processes; a context manager. Safe to use from several threads."""

    def __init__(self, limit_seconds: float, module: str = "") -> None:
        """`limit_seconds`: what one call may take; `module`: imported by each process before its first call."""
        if not limit_seconds > 0:
            raise ValueError(f"limit_seconds is {limit_seconds}, not above 0")
        self.limit_seconds = limit_seconds
        self.module = module
        self._lock = threading.Lock()
        self._idle: list[_Child] = []
        self._all: set[_Child] = set()
        self._closed = False
        weakref.finalize(self, _end, self._all)  # when forgotten, and at the program's end

    def __reduce__(self) -> tuple[type["GuardedCalls"], tuple[float, str]]:
        return type(self), (self.limit_seconds, self.module)  # sent elsewhere, it starts processes there

    def __enter__(self) -> "GuardedCalls":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Kills all processes; calls under way raise CallsClosedError, and so does every later call."""
        with self._lock:
            self._closed = True
            self._idle.clear()
        _end(self._all)

    def call(self, function: Callable[_Given, _Result], *given: _Given.args, **named: _Given.kwargs) -> _Result:
        """`function(*given, **named)`, called elsewhere. Raises CallOverTimeError, CallDiedError, what it raises."""
        child = self._take()
        try:
            child.wait_until_ready()
            succeeded, outcome = child.call((function, given, named), self.limit_seconds)
        except CallDiedError as error:
            self._drop(child)
            if self._closed:
                raise CallsClosedError("closed") from error
            raise
        except BaseException:
            self._drop(child)  # in the middle of something
            raise
        with self._lock:
            self._idle.append(child)
        if not succeeded:
            raise outcome
        result: _Result = outcome
        return result

    def _take(self) -> "_Child":
        with self._lock:
            if self._closed:
                raise CallsClosedError("closed")
            if self._idle:
                return self._idle.pop()
            child = _Child(self.module)
            self._all.add(child)
            return child

    def _drop(self, child: "_Child") -> None:
        child.end()
        with self._lock:
            self._all.discard(child)


class _Child:
    """One process, and the line to it."""

    def __init__(self, module: str) -> None:
        here, there = socket.socketpair()
        with there:
            descriptor = there.fileno()
            self._process = subprocess.Popen(
                # -P: a file av.py in the working folder is not taken for the library
                [
                    sys.executable,
                    "-P",
                    "-c",
                    f"from openmov.runtime.guard_child import serve; serve({descriptor}, {module!r})",
                ],
                stdin=subprocess.PIPE,  # its end tells the child that this process is gone
                stdout=subprocess.DEVNULL,
                pass_fds=[descriptor],
                env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            )
        self._line = Connection(here.detach())
        self._ready = False

    def wait_until_ready(self) -> None:
        """Starting is not part of a call's time."""
        if not self._ready:
            self._ready = bool(self._received(_START_SECONDS))

    def call(self, job: Any, limit_seconds: float) -> tuple[bool, Any]:
        """Whether the job succeeded, and its result or what it raised."""
        with self._death():
            self._line.send(job)
        answer: tuple[bool, Any] = self._received(limit_seconds)
        return answer

    def _received(self, limit_seconds: float) -> Any:
        with self._death():
            if not self._line.poll(limit_seconds):
                raise CallOverTimeError(f"not done after {limit_seconds:g} s")
            return self._line.recv()

    @contextmanager
    def _death(self) -> Iterator[None]:
        try:
            yield
        except (EOFError, ConnectionError) as error:
            raise CallDiedError(f"the process ended with {self._process.wait()}") from error

    def end(self) -> None:
        """Kills the process, whatever it does; may be called twice, and while another thread is inside `call`."""
        self._process.kill()
        self._process.wait()
        assert self._process.stdin is not None
        self._process.stdin.close()


def _end(children: "set[_Child]") -> None:
    while children:
        children.pop().end()


Item = TypeVar("Item")
Result = TypeVar("Result")
_Task = tuple["Future[Any]", Callable[[Any], Any], Any]


class DaemonPool:
    """At least one thread; they start with the first work and end with the pool."""

    def __init__(self, workers: int, name: str) -> None:
        self._workers, self._name, self._started = max(1, workers), name, False
        self._tasks: queue.SimpleQueue[_Task | None] = queue.SimpleQueue()

    def map(self, work: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
        """The results in the order of the items. Raises what happened to the first of them that failed."""
        self._start()
        futures: list[Future[Result]] = []
        for item in items:
            futures.append(Future())
            self._tasks.put((futures[-1], work, item))
        return [future.result() for future in futures]

    def _start(self) -> None:
        if self._started:
            return
        self._started = True
        weakref.finalize(self, _end_all, self._tasks, self._workers).atexit = False
        for number in range(self._workers):
            name = f"{self._name}_{number}"
            threading.Thread(target=_work, args=(self._tasks,), name=name, daemon=True).start()


def _work(tasks: queue.SimpleQueue[_Task | None]) -> None:
    while (task := tasks.get()) is not None:
        future, work, item = task
        try:
            result = work(item)
        except BaseException as error:  # carried over to whoever waits for it
            future.set_exception(error)
        else:
            future.set_result(result)
        del task, future, work, item


def _end_all(tasks: queue.SimpleQueue[_Task | None], workers: int) -> None:
    for _ in range(workers):
        tasks.put(None)
