"""A signal waits for the end of the block, and is not lost; a program that is told to end tidies up."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from openmov.runtime.interrupts import interrupts_deferred


def test_ctrl_c_takes_effect_at_the_end_of_the_block() -> None:
    done: list[str] = []

    def work() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        done.append("the whole block")

    with pytest.raises(KeyboardInterrupt), interrupts_deferred():
        work()
    assert done == ["the whole block"]


def test_without_ctrl_c_nothing_happens_and_the_handler_is_put_back() -> None:
    before = signal.getsignal(signal.SIGINT)
    with interrupts_deferred():
        assert signal.getsignal(signal.SIGINT) is not before
    assert signal.getsignal(signal.SIGINT) is before


PROGRAM = """
import os, signal, sys, time
from openmov.runtime.interrupts import TerminatedError, interrupts_deferred, raise_on_signals
raise_on_signals()
try:
    with interrupts_deferred():
        os.kill(os.getpid(), getattr(signal, sys.argv[1]))
        print("the whole block", flush=True)
    time.sleep(60)
except TerminatedError as error:
    os.kill(os.getpid(), signal.SIGTERM)  # a second one does not disturb the tidying up
    print("tidied up after", error, flush=True)
    sys.exit(128 + error.number)
"""


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_a_job_manager_ends_a_program_in_order(name: str) -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM, name], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == ["the whole block", f"tidied up after {name}"]
    assert done.returncode == 128 + getattr(signal, name)


def test_what_nohup_ignores_stays_ignored() -> None:
    program = PROGRAM.replace("time.sleep(60)", "print('goes on')")
    command = ["sh", "-c", 'trap "" HUP; exec "$0" "$@"', sys.executable, "-c", program, "SIGHUP"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.splitlines()) == (0, ["the whole block", "goes on"])


def test_a_child_of_a_pool_ends_with_its_parent_however_that_ends(tmp_path: Path) -> None:
    """concurrent.futures leaves its processes waiting for ever when their parent is killed."""
    program = """
import os, signal, sys, time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from openmov.runtime.interrupts import leave_to_parent
if __name__ == "__main__":
    pool = ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=leave_to_parent)
    print(pool.submit(os.getpid).result(), flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""
    (tmp_path / "program.py").write_text(program)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, str(tmp_path / "program.py")]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, env=environment, check=False)
    assert done.returncode == -signal.SIGKILL
    child, deadline = Path("/proc") / done.stdout.strip() / "stat", time.monotonic() + 20
    while runs(child):
        assert time.monotonic() < deadline, "it waits for ever"
        time.sleep(0.05)


def runs(stat: Path) -> bool:
    try:
        return stat.read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
