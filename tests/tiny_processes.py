"""Starts a function in several processes that form one job over gloo on the loopback interface, as torchrun would."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

TESTS = Path(__file__).parent


def run_job(program: str, arguments: Sequence[str], size: int = 2, timeout: float = 120) -> list[tuple[int, str]]:
    """Runs `program` (Python source) in `size` processes; exit code and stderr of each, in the order of the ranks."""
    processes = start_job(program, arguments, size)
    try:
        said = [process.communicate(timeout=timeout)[1] for process in processes]
    finally:
        for process in processes:  # of those that are still there, none is left behind
            process.kill()
            process.wait()
    return [(process.returncode, text) for process, text in zip(processes, said, strict=True)]


def kill_job(program: str, arguments: Sequence[str], metrics: Path, lines: int, later: float, size: int = 2) -> None:
    """Begins a job and kills all of it (kill -9) a little later than so many lines of `metrics` are there.

    Raises AssertionError where it ended before.
    """
    processes, deadline = start_job(program, arguments, size), time.monotonic() + 120
    try:
        while time.monotonic() < deadline and all(process.poll() is None for process in processes):
            if metrics.exists() and metrics.read_text().count("\n") >= lines:
                time.sleep(later)
                break
            time.sleep(0.005)
    finally:
        for process in processes:
            process.kill()
        said = [process.communicate()[1] for process in processes]
    assert [process.returncode for process in processes] == [-signal.SIGKILL] * size, said


def start_job(program: str, arguments: Sequence[str], size: int) -> list["subprocess.Popen[str]"]:
    """One process a rank."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    search = os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")])
    job = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(size), "OMP_NUM_THREADS": "1"}
    return [
        subprocess.Popen(
            [sys.executable, "-c", program, *arguments],
            env={**os.environ, **job, "PYTHONPATH": search, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(size)
    ]
