"""Time and memory of converting a .bin to safetensors, beside `torch.load` and `save_file` done plainly.

Random weights of a model's kind: matrices of 9.4 MB with their biases, 600 MB in all (`--megabytes`). Each way runs in
a process of its own, whose peak resident memory the kernel counts; what is mapped from a file counts as far as it was
touched, and can be taken back at any moment. Ours hashes the file, scans its opcodes, and starts yet another process
for torch's unpickler: its memory is that of the larger of the two, its time the whole, starting included. The page
cache is warm for all of them. Linux only.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from machine import machine

_PEAK = """
import json, sys, threading, time
from pathlib import Path


def peak(pid):
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next((int(line.split()[1]) for line in lines if line.startswith("VmHWM")), 0)


def children(pid):
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


"""
"""VmHWM, and not getrusage's ru_maxrss, which a process inherits from the one that started it."""
PLAIN = (
    _PEAK
    + """
import torch
from safetensors.torch import save_file
began = time.perf_counter()
save_file(torch.load(sys.argv[1], map_location="cpu", weights_only=True), sys.argv[2])
print(json.dumps({"seconds": time.perf_counter() - began, "peak": peak("self")}))
"""
)
OURS = (
    _PEAK
    + """
import os
from openmov.model.backbones.weights import converted
peaks, done = [0], threading.Event()


def watch():
    while not done.wait(0.005):
        for child in children(os.getpid()):
            try:
                peaks.append(peak(child))
            except OSError:
                pass


watching = threading.Thread(target=watch)
watching.start()
began = time.perf_counter()
converted("model", Path(sys.argv[1]), Path(sys.argv[2]))
seconds = time.perf_counter() - began
done.set()
watching.join()
began = time.perf_counter()
converted("model", Path(sys.argv[1]), Path(sys.argv[2]))
again = time.perf_counter() - began
print(json.dumps({"seconds": seconds, "peak": max(*peaks, peak("self")), "again": again}))
"""
)
EMPTY = (
    _PEAK
    + """
import torch, safetensors.torch
print(json.dumps({"seconds": 0.0, "peak": peak("self")}))
"""
)
_SIDE = 1536


def write_weights(path: Path, megabytes: float) -> None:
    """As many matrices as it takes, with a bias each."""
    import torch

    torch.manual_seed(0)
    count = max(1, round(megabytes * 1e6 / (4 * _SIDE * (_SIDE + 1))))
    state = {}
    for i in range(count):
        state[f"layers.{i}.weight"] = torch.randn(_SIDE, _SIDE)
        state[f"layers.{i}.bias"] = torch.randn(_SIDE)
    torch.save(state, path)


def measured(code: str, *arguments: Path) -> dict[str, float]:
    """What a process says of itself; kilobytes become megabytes."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    found: dict[str, float] = json.loads(done.stdout)
    return {**found, "peak": found["peak"] * 1024 / 1e6}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=float, default=600.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="60 MB, one round")
    options = parser.parse_args()
    if options.quick:
        options.megabytes, options.rounds = 60.0, 1
    found: dict[str, list[dict[str, float]]] = {"plainly": [], "openmov": []}
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        weights = root / "pytorch_model.bin"
        write_weights(weights, options.megabytes)
        size = weights.stat().st_size / 1e6
        nothing = measured(EMPTY)["peak"]
        for i in range(options.rounds):  # in turns, so that a busy machine is busy for both
            found["plainly"].append(measured(PLAIN, weights, root / f"plain{i}.safetensors"))
            found["openmov"].append(measured(OURS, weights, root / f"cache{i}"))
            time.sleep(0.1)
    table = Table(title=f"{size:.0f} MB, medians of {options.rounds}; torch alone takes {nothing:.0f} MB")
    for column in ("way", "seconds", "MB/s", "peak MB", "peak beyond torch, of the file", "again, seconds"):
        table.add_column(column, justify="left" if column == "way" else "right", no_wrap=True)
    medians = {}
    for way, runs in found.items():
        seconds, peak = (statistics.median(run[key] for run in runs) for key in ("seconds", "peak"))
        again = statistics.median(run["again"] for run in runs) if way == "openmov" else None
        medians[way] = (seconds, peak)
        cells = (f"{seconds:.2f}", f"{size / seconds:.0f}", f"{peak:.0f}", f"{(peak - nothing) / size:.2f}")
        table.add_row(way, *cells, "" if again is None else f"{again:.2f}")
    print(machine())
    Console(width=120).print(table)
    print(f"peak memory, ours over plainly: {medians['openmov'][1] / medians['plainly'][1]:.2f}")
    print(f"headline: conversion_time_ours_over_plain {medians['openmov'][0] / medians['plainly'][0]:.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
