"""Verbs about the synthetic world that ships with the project: write it, and do the whole job on it."""

from pathlib import Path
from typing import Literal

from cyclopts import App

from openmov.cli.options import AtLeastOne, Flag, NotNegative, Set, app
from openmov.cli.output import say

shapesav = App(name="shapesav", help="The synthetic world that ships with the project.", help_format="plaintext")
app.command(shapesav)


@shapesav.command(name="write")
def shapesav_write(
    out: Path,
    /,
    *,
    train: NotNegative = 24,
    val: NotNegative = 2,
    test: NotNegative = 8,
    seed: NotNegative = 2026,
    scenes: Literal["motion", "sound"] | None = None,
    workers: AtLeastOne = 2,
) -> None:
    """Write the pool of clips: media files, manifests and base / novel splits of all tasks.

    Parameters
    ----------
    out
        Folder of the pool; what is complete there stays.
    train
        Training clips of each (shape, motion) and of each (shape, sound).
    val
        Validation clips of each, in addition.
    test
        Test clips of each.
    seed
        Decides every scene.
    scenes
        ShapesAV-Scenes for this task: backgrounds go with 80 % of a class's clips, and a second list of test clips,
        manifest-TASK-swapped.csv, has them swapped. [default: backgrounds that say nothing, and all tasks]
    workers
        Processes.
    """
    from openmov.data.shapesav.pool import PoolSize, write_world

    count = write_world(out, PoolSize(train, val, test), seed, workers=workers, scenes=scenes)
    say(f"{count} clips in {out}")


@app.command
def demo(*, out: Path = Path("demo"), workers: AtLeastOne = 2, set_: Set = (), quick: Flag = False) -> None:
    """Do the whole job in small: write clips, train, evaluate, write the report, predict.

    Parameters
    ----------
    out
        Folder; an interrupted demo goes on where it stopped.
    workers
        Processes and threads.
    quick
        A few clips and one epoch: to see that everything works, not what it reaches.
    """
    from openmov.cli import show
    from openmov.experiments.demo import run_demo

    show.demo(run_demo(out, overrides=set_, workers=workers, quick=quick))


@app.command
def results(
    *,
    out: Path,
    work: Path = Path("runs/results"),
    seeds: AtLeastOne = 3,
    workers: AtLeastOne = 2,
    set_: Set = (),
) -> None:
    """Train both tasks of ShapesAV with several seeds; write mean, deviation and paired comparisons.

    Parameters
    ----------
    out
        Folder for README.md, results.json and report.html.
    work
        Folder for clips, caches and runs; what is finished there is not done again.
    seeds
        Training seeds 0, 1, ...
    workers
        Processes and threads.
    """
    from openmov.experiments.results import run_results

    say(run_results(out, work, seeds=seeds, workers=workers, overrides=set_))
