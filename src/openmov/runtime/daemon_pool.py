"""Threads that never keep a program from ending, unlike those of concurrent.futures.

A file on a network disk that is gone may hold a reading thread for ever; the program it belongs to must still be able
to say so and end.
"""

import queue
import threading
import weakref
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from typing import Any, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")
_Task = tuple["Future[Any]", Callable[[Any], Any], Any]


class DaemonPool:
    """At least one thread; they start with the first work and end with the pool."""

    def __init__(self, workers: int, name: str) -> None:
        self._workers, self._name, self._started = max(1, workers), name, False
        self._tasks: queue.SimpleQueue[_Task | None] = queue.SimpleQueue()

    def map(self, work: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
        """The results in the order of the items. Raises what befell the first of them that failed."""
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
        weakref.finalize(self, _end, self._tasks, self._workers).atexit = False
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


def _end(tasks: queue.SimpleQueue[_Task | None], workers: int) -> None:
    for _ in range(workers):
        tasks.put(None)
