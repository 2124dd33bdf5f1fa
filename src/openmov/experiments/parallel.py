"""Trains and measures several small networks at a time, a process of one thread each.

    trainings --prepared first, so that no cache is filled twice--> processes --> each with its seconds, as it ends

A network as small as those of ShapesAV leaves the second thread of a process little to do (decision 40). Processes are
ended by an interruption, and by the end of this one; what they had begun is gone on with the next time.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import replace
from functools import partial
from itertools import groupby
from typing import TypeVar

import torch

from openmov.errors import StorageError
from openmov.experiments.context import StudyContext
from openmov.experiments.measure import Measurer
from openmov.experiments.trainings import Measurement, TrainingTask
from openmov.runtime.workers import CallDiedError, GuardedCalls

_LIMIT_SECONDS = 14 * 24 * 3600.0
"""Two weeks, which is none in effect: a training that gets no clips ends itself."""
Behind = dict[Measurement, tuple[TrainingTask, ...]]
"""The trainings of each measurement."""
_Job = TypeVar("_Job")
_Done = TypeVar("_Done")
_measurers: dict[str, Measurer] = {}
"""Of a process that measures, by work folder: what was prepared for one measurement serves the next."""


def train_each(
    tasks: Sequence[TrainingTask], context: StudyContext, at_a_time: int
) -> Iterator[tuple[TrainingTask, float]]:
    """Trains all; yields each, as it ends, with the seconds it took of the whole machine.

    Raises what a training does, StorageError where a process was ended from outside.
    """
    if at_a_time <= 1:
        for task in tasks:
            yield task, context.train(task)
        return
    context.prepare(tasks)
    train = partial(_train, replace(context, workers=1, shown=False))
    for task, seconds in _each(train, tasks, at_a_time):
        yield task, seconds / at_a_time


def measure_each(
    measurements: Sequence[Measurement], behind: Behind, measurer: Measurer, at_a_time: int
) -> Iterator[int]:
    """Measures all; yields how many are done. Those that look through the same networks go together."""
    groups = [tuple(group) for _, group in groupby(measurements, key=lambda one: behind[one])]
    measure = partial(_measure, measurer, behind)
    if at_a_time > 1:
        measure = partial(_measure_there, replace(measurer.context, workers=1, shown=False), behind)
    done = 0
    for group, _ in _each(measure, groups, at_a_time):
        done += len(group)
        yield done


def _each(function: Callable[[_Job], _Done], jobs: Sequence[_Job], at_a_time: int) -> Iterator[tuple[_Job, _Done]]:
    """Every job with its result: here, one after the other, or in as many processes as jobs at a time."""
    if at_a_time <= 1:
        yield from ((job, function(job)) for job in jobs)
        return
    with GuardedCalls(_LIMIT_SECONDS) as processes, ThreadPoolExecutor(at_a_time) as threads:
        begun = {threads.submit(processes.call, _on_one_thread, function, job): job for job in jobs}
        try:
            for one in as_completed(begun):
                yield begun[one], one.result()
        except CallDiedError as error:
            what = f"a process of it was ended from outside ({error})"
            raise StorageError(
                "study", what, "run it again: it goes on; with less memory at hand, with --workers 1"
            ) from error
        finally:
            threads.shutdown(wait=False, cancel_futures=True)
            processes.close()


def _train(context: StudyContext, task: TrainingTask) -> float:
    return context.train(task)


def _measure(measurer: Measurer, behind: Behind, group: Sequence[Measurement]) -> None:
    for one in group:
        measurer.measure(one, behind[one])


def _measure_there(context: StudyContext, behind: Behind, group: Sequence[Measurement]) -> None:
    """In a process of its own, which keeps its measurer."""
    _measure(_measurers.setdefault(str(context.folders.work), Measurer(context)), behind, group)


def _on_one_thread(function: Callable[[_Job], _Done], job: _Job) -> _Done:
    torch.set_num_threads(1)
    return function(job)
