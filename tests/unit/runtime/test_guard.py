"""Calls elsewhere: results and errors come back; what hangs or dies costs its process and nothing else."""

import math
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from openmov.errors import DecodeError
from openmov.runtime.workers import CallDiedError, CallOverTimeError, CallsClosedError, GuardedCalls

FOREVER = 1000.0


@pytest.fixture
def guarded() -> Iterator[GuardedCalls]:
    with GuardedCalls(limit_seconds=20.0) as calls:
        yield calls


def test_a_call_gives_what_the_function_gives(guarded: GuardedCalls) -> None:
    assert guarded.call(math.hypot, 3, 4) == 5
    assert guarded.call(int, "11", base=2) == 3
    np.testing.assert_array_equal(guarded.call(np.arange, 2_000_000), np.arange(2_000_000))  # more than a pipe holds


def test_calls_run_elsewhere_in_one_process_after_the_other(guarded: GuardedCalls) -> None:
    first, second = guarded.call(os.getpid), guarded.call(os.getpid)
    assert first == second != os.getpid()


def test_what_the_function_raises_is_raised_here_and_costs_nothing(guarded: GuardedCalls) -> None:
    before = guarded.call(os.getpid)
    with pytest.raises(ValueError, match="invalid literal"):
        guarded.call(int, "x")
    with pytest.raises(FileNotFoundError):
        guarded.call(os.stat, "/no/such/file")
    assert guarded.call(os.getpid) == before


def test_an_error_of_ours_keeps_its_parts() -> None:
    error = pickle.loads(pickle.dumps(DecodeError("a.mp4", "cut off", "drop it")))
    assert (error.where, error.what, error.hint) == ("a.mp4", "cut off", "drop it")


def test_what_takes_too_long_is_ended_and_the_next_call_has_a_fresh_process() -> None:
    with GuardedCalls(limit_seconds=1.0) as guarded:
        before = guarded.call(os.getpid)
        with pytest.raises(CallOverTimeError, match="1 s"):
            guarded.call(time.sleep, FOREVER)
        with pytest.raises(ProcessLookupError):
            os.kill(before, 0)
        assert guarded.call(os.getpid) != before


def test_a_process_that_does_not_react_at_all_is_ended_too() -> None:
    """Stopped as it would be within a loop in C that never returns."""
    with GuardedCalls(limit_seconds=1.0) as guarded:
        stuck = guarded.call(os.getpid)
        os.kill(stuck, signal.SIGSTOP)
        with pytest.raises(CallOverTimeError):
            guarded.call(os.getpid)
        with pytest.raises(ProcessLookupError):
            os.kill(stuck, 0)


def test_a_crash_costs_one_call(guarded: GuardedCalls) -> None:
    with pytest.raises(CallDiedError, match=str(-signal.SIGKILL)):
        guarded.call(signal.raise_signal, signal.SIGKILL)
    with pytest.raises(CallDiedError, match="3"):
        guarded.call(os._exit, 3)
    assert guarded.call(abs, -1) == 1


def test_what_cannot_be_sent_is_said(guarded: GuardedCalls) -> None:
    with pytest.raises((pickle.PicklingError, AttributeError)):
        guarded.call(lambda: 1)
    assert guarded.call(abs, -1) == 1


def test_calls_at_the_same_time_have_processes_of_their_own(guarded: GuardedCalls) -> None:
    first = guarded.call(os.getpid)
    busy = threading.Event()

    def sleep() -> None:
        busy.set()
        guarded.call(time.sleep, 1.0)

    with ThreadPoolExecutor(1) as pool:
        sleeping = pool.submit(sleep)
        busy.wait()
        time.sleep(0.2)
        assert guarded.call(os.getpid) != first
        sleeping.result()


def test_closing_ends_what_is_under_way(guarded: GuardedCalls) -> None:
    started = threading.Event()

    def hang() -> None:
        guarded.call(abs, -1)
        started.set()
        guarded.call(time.sleep, FOREVER)

    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(hang)
        started.wait()
        guarded.close()
        with pytest.raises(CallsClosedError):
            future.result(timeout=20)
    with pytest.raises(CallsClosedError):
        guarded.call(abs, -1)


def test_the_processes_end_with_a_parent_that_is_killed() -> None:
    program = (
        "import os, time, threading\n"
        "from openmov.runtime.workers import GuardedCalls\n"
        "guarded = GuardedCalls(1000.0)\n"
        "print(guarded.call(os.getpid), flush=True)\n"
        "guarded.call(time.sleep, 1000)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, env=environment, text=True
    ) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        parent.kill()
    for _ in range(200):
        if not _runs(child):
            break
        time.sleep(0.05)
    assert not _runs(child)


def _runs(process: int) -> bool:
    """Whether it does; one that nobody has asked after yet (a zombie) does not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_sent_elsewhere_it_starts_anew(guarded: GuardedCalls) -> None:
    guarded.call(abs, -1)
    with pickle.loads(pickle.dumps(guarded)) as copy:
        assert (copy.limit_seconds, copy.module) == (guarded.limit_seconds, guarded.module)
        assert copy.call(os.getpid) != guarded.call(os.getpid)


def test_a_limit_that_is_none_is_refused() -> None:
    for limit in (0.0, -1.0, float("nan")):
        with pytest.raises(ValueError, match="limit_seconds"):
            GuardedCalls(limit)
