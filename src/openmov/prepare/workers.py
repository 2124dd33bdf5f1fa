"""Jobs to outcomes by several workers at once.

    jobs --> a worker does one, with a time limit; a worker that died is replaced, its job tried once more

Every job has exactly one outcome here, however often a worker died. Another process may fill the same cache: what it
has stored by the time a job comes up is found there, and what both make at once is harmless to make twice.
"""

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Literal

from openmov.build import Components
from openmov.data.reader import ClipDataset
from openmov.media.decode import GuardedDecoder
from openmov.prepare.ray import RayWorker, connected
from openmov.prepare.video import Job, Outcome, Setup, Worker, do_in_child, do_job, load_bench
from openmov.runtime.workers import CallDiedError, CallOverTimeError, GuardedCalls
from openmov.store.cache import ArrayCache

Engine = Literal["processes", "threads", "ray"]
"""Who does the work."""
_START_SECONDS = 300.0
"""For a worker to load its libraries and the backbone."""
_FOREVER_SECONDS = 1e9
_TRIES = 2


class ThreadWorker:
    """Works in this process; decoding alone is in another one where the reader's decoder is guarded."""

    def __init__(self, reader: ClipDataset, *, frames: bool) -> None:
        self._reader, self._frames = reader, frames

    def do(self, job: Job, limit_seconds: float | None) -> Outcome:
        """As `do_job`."""
        return do_job(self._reader, job.record, training=job.training, frames=self._frames)

    def close(self) -> None:
        """Ends what is being decoded."""
        self._reader.decoder.close()


class ProcessWorker:
    """Works in a child process. Raises BackboneError where that cannot load the backbone."""

    def __init__(self, setup: Setup) -> None:
        self._calls, self._frames = GuardedCalls(_START_SECONDS), setup.frames
        try:
            self._calls.call(load_bench, setup)
        except BaseException:
            self._calls.close()
            raise

    def do(self, job: Job, limit_seconds: float | None) -> Outcome:
        """Asks the child."""
        self._calls.limit_seconds = limit_seconds or _FOREVER_SECONDS
        return self._calls.call(do_in_child, job.record, training=job.training, frames=self._frames)

    def close(self) -> None:
        """Kills it."""
        self._calls.close()


def open_crew(
    setup: Setup, components: Components, engine: Engine, num_workers: int, limit_seconds: float | None
) -> "WorkerPool":
    """Workers of one kind that fill `setup.cache_folder`. Raises StorageError, RecipeError."""

    def thread_worker() -> Worker:
        decoder = components.decoder if limit_seconds is None else GuardedDecoder(limit_seconds, components.decoder)
        return ThreadWorker(
            Components(setup.recipe, components.backbone, cache).dataset(decoder=decoder), frames=setup.frames
        )

    def process_worker() -> Worker:
        return ProcessWorker(setup)

    def ray_worker() -> Worker:
        return RayWorker(setup)

    cache = ArrayCache(setup.cache_folder)
    makers: dict[Engine, Callable[[], Worker]] = {
        "threads": thread_worker,
        "processes": process_worker,
        "ray": ray_worker,
    }
    if engine == "ray":
        connected()  # here, for only one thread may
    return WorkerPool(makers[engine], num_workers, limit_seconds)


@dataclass
class WorkerPool:
    """Workers side by side; a context manager that ends them."""

    open_worker: Callable[[], Worker]
    """Makes one; called in the thread that will use it, and again where one was lost."""
    num_workers: int
    """At once."""
    limit_seconds: float | None
    """For one video."""
    _todo: deque[Job] = field(default_factory=deque)
    _results: "queue.Queue[tuple[Job, Outcome] | BaseException | None]" = field(default_factory=queue.Queue)
    _workers: dict[int, Worker] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _stopped: bool = False

    def __enter__(self) -> "WorkerPool":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def outcomes(self, jobs: Sequence[Job]) -> Iterator[tuple[Job, Outcome]]:
        """Each job with its outcome, as they come; workers stay for the next call.

        Raises StorageError and BackboneError; that, or giving the iterator up, ends all work at once.
        """
        self._todo.extend(jobs)
        count = min(self.num_workers, len(jobs))
        threads = [threading.Thread(target=self._run, args=(seat,), name="openmov-prepare") for seat in range(count)]
        for thread in threads:
            thread.start()
        try:
            yield from self._collected(len(threads))
        except BaseException:
            self._stop()
            raise
        finally:
            for thread in threads:
                thread.join()

    def _stop(self) -> None:
        self._stopped = True
        with self._lock:
            self._todo.clear()
            for worker in self._workers.values():
                worker.close()

    def _collected(self, running: int) -> Iterator[tuple[Job, Outcome]]:
        while running:
            result = self._results.get()
            if isinstance(result, BaseException):
                raise result
            if result is None:
                running -= 1
            else:
                yield result

    def _run(self, seat: int) -> None:
        """One thread: jobs one after the other until none is left."""
        try:
            while (job := self._next()) is not None:
                self._results.put((job, self._outcome(seat, job)))
            self._results.put(None)
        except BaseException as error:
            self._results.put(error)

    def _next(self) -> Job | None:
        with self._lock:
            return self._todo.popleft() if self._todo else None

    def _outcome(self, seat: int, job: Job) -> Outcome:
        lost = ""
        for _ in range(_TRIES):
            try:
                return self._worker(seat).do(job, self.limit_seconds)
            except CallOverTimeError:
                self._drop(seat)
                what = f"takes longer than {self.limit_seconds:g} s"
                return Outcome("failed", what=what, hint="drop it, or give it more with --limit")
            except CallDiedError as error:
                self._drop(seat)
                lost = str(error)
                if self._stopped:
                    break
        return Outcome("failed", what=f"ends the process that reads it ({lost})", hint="drop it, or give more memory")

    def _drop(self, seat: int) -> None:
        with self._lock:
            worker = self._workers.pop(seat, None)
        if worker is not None:
            worker.close()

    def _worker(self, seat: int) -> Worker:
        worker = self._workers.get(seat)
        if worker is None:
            worker = self.open_worker()
            with self._lock:
                self._workers[seat] = worker
                if self._stopped:
                    worker.close()
        return worker
