"""Work in the order asked for, and a thread that hangs does not keep a program from ending."""

import os
import subprocess
import sys
import threading
import time

import pytest

from openmov.runtime.workers import DaemonPool


def test_results_come_in_order_and_the_first_error_is_raised() -> None:
    pool = DaemonPool(3, "test")
    assert pool.map(lambda number: number * 2, range(20)) == list(range(0, 40, 2))
    with pytest.raises(ZeroDivisionError):
        pool.map(lambda number: 1 // number, [1, 0, 2])
    assert pool.map(str, [7]) == ["7"]


def test_its_threads_end_with_it() -> None:
    before = threading.active_count()
    pool = DaemonPool(2, "test")
    pool.map(str, [1])
    assert threading.active_count() == before + 2
    del pool
    deadline = time.monotonic() + 5
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert threading.active_count() == before


_PROGRAM = """
import sys, threading, time
from concurrent.futures import ThreadPoolExecutor
from openmov.runtime.workers import DaemonPool
pool = DaemonPool(1, "test") if sys.argv[1] == "ours" else ThreadPoolExecutor(1)
threading.Thread(target=lambda: list(pool.map(time.sleep, [3600])), daemon=True).start()
time.sleep(0.2)
"""


@pytest.mark.parametrize(("whose", "ends"), [("ours", True), ("theirs", False)])
def test_a_thread_that_hangs_does_not_keep_the_program(whose: str, ends: bool) -> None:
    with subprocess.Popen([sys.executable, "-c", _PROGRAM, whose], env=dict(os.environ)) as process:
        try:
            assert (process.wait(10 if ends else 2) == 0) == ends
        except subprocess.TimeoutExpired:
            assert not ends
        finally:
            process.kill()
