"""`openmov prepare`: threads against processes, one worker and two, filling empty flow caches with the same clips.

Clips (--media: copies of those in a folder) are prepared for training, one view of 16 pairs each at the sizes of the
recipe kinetics700. Startup is not counted. The ways take turns.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from clips import write_manifest
from machine import machine
from openmov.build import Components, build_components
from openmov.config.load import change_recipe, load_recipe
from openmov.config.schema import Recipe
from openmov.data.entries import Cost, summed
from openmov.data.manifest import load_manifest
from openmov.prepare.plan import CacheScan, survey
from openmov.prepare.video import Setup
from openmov.prepare.workers import Engine, open_crew

WAYS: tuple[tuple[Engine, int], ...] = (("threads", 1), ("processes", 1), ("threads", 2), ("processes", 2))
FLOW = ["model.method=flow_only", "model.modalities=[flow]"]


@dataclass
class Run:
    """One filling of an empty cache."""

    seconds: float
    clips: int
    cost: dict[str, Cost]


def recipe_of(more: list[str]) -> Recipe:
    small = ["backbone.name=shapesav-tiny", "views.train_seeds=1", *more]
    return change_recipe(load_recipe("kinetics700"), small)


def look(components: Components, manifest: Path) -> CacheScan:
    assert components.cache is not None
    records = [(record, True) for record in load_manifest(manifest).records]
    options = {"frames": False, "verify": False, "threads": 1}
    return survey(components.dataset(), components.cache, records, **options, show=lambda _: None)


def fill(recipe: Recipe, manifest: Path, folder: Path, engine: Engine, workers: int) -> Run:
    components = build_components(recipe, folder)
    jobs = look(components, manifest).jobs
    setup = Setup(recipe, folder, frames=False)
    with open_crew(setup, components, engine, workers, 600.0) as crew:
        list(crew.outcomes(jobs[:workers]))  # everything is loaded and compiled
        begun = time.perf_counter()
        cost: dict[str, Cost] = {}
        for _, outcome in crew.outcomes(jobs[workers:]):
            cost = summed(cost, outcome.made)
        return Run(time.perf_counter() - begun, len(jobs) - workers, cost)


def rounds(number: int) -> Iterator[tuple[int, Engine, int]]:
    for turn in range(number):
        yield from ((turn, engine, workers) for engine, workers in WAYS)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer clips, once")
    parser.add_argument("--media", type=Path, help="a folder of clips")
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    options = parser.parse_args()
    runs: dict[tuple[str, int], list[Run]] = {way: [] for way in WAYS}
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        manifest = write_manifest(root / "clips", options.media, 6 if options.quick else 14)
        for turn, engine, workers in rounds(1 if options.quick else 2):
            folder = root / f"{engine}{workers}-{turn}"
            runs[engine, workers].append(fill(recipe_of(FLOW), manifest, folder, engine, workers))
    speed = {way: max(run.clips / run.seconds for run in found) for way, found in runs.items()}
    table = Table(title="filling the flow cache, 16 pairs a clip", title_justify="left")
    for column in ("engine", "workers", "clips/s", "x threads 1", "ms a pair"):
        table.add_column(column, justify="left" if column == "engine" else "right")
    for (engine, workers), found in runs.items():
        flow = min((run.cost["flow"] for run in found), key=lambda cost: cost.seconds / cost.units)
        ratio = f"{speed[engine, workers] / speed['threads', 1]:.2f}"
        pair = f"{1000 * flow.seconds / flow.units:.1f}"
        table.add_row(engine, str(workers), f"{speed[engine, workers]:.2f}", ratio, pair)
    print(machine())
    Console(width=100).print(table)
    figures = {
        "two_processes_over_one": speed["processes", 2] / speed["processes", 1],
        "two_threads_over_one": speed["threads", 2] / speed["threads", 1],
        "processes_over_threads_at_two": speed["processes", 2] / speed["threads", 2],
    }
    for name, value in figures.items():
        print(f"{name:34} {value:.5g}")
    if options.json:
        options.json.write_text(json.dumps({"machine": machine(), "figures": figures}, indent=1) + "\n")
    print(f"headline: two_processes_over_two_threads {figures['processes_over_threads_at_two']:.2f}")
    return 0


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    sys.exit(main())
