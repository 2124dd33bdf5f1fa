"""The verb `study`: the paper's tables and figures, on ShapesAV or on data a user has."""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter

from openmov.cli.options import AtLeastOne, Cache, Flag, NotNegative, Set, app
from openmov.cli.output import say

StudyNames = Annotated[
    tuple[str, ...],
    Parameter(
        help="table1 ... table9, figure1, figure3; beyond the paper temperatures, generalised, weight_ensembles, "
        "scenes, modalities; or all.",
    ),
]
StudyProtocol = Annotated[
    Literal["paper", "own"],
    Parameter(
        help="Hyper-parameters of other people's methods: those of the recipe, as the paper compares (paper), or those "
        "that their authors published (own); --set has the last word.",
    ),
]
DataNames = Annotated[
    tuple[str, ...],
    Parameter(
        name="--data",
        negative="",
        help="shapesav, or data sets that `openmov dataset` has listed: kinetics700 (400, 600), vggsound, ucf101, "
        "hmdb51; several, each with its --manifest.",
    ),
]
Manifests = Annotated[
    tuple[Path, ...],
    Parameter(
        name="--manifest",
        negative="",
        show_default=False,
        help="The folder or manifest of each data set, in the order of --data.",
    ),
]
StudyWorkers = Annotated[
    AtLeastOne,
    Parameter(
        help="Processes and threads: on ShapesAV, networks trained at a time; on other data, videos read at a time.",
    ),
]
Work = Annotated[
    Path | None,
    Parameter(show_default=False, help="Folder of clips, trainings and measurements. [default: OUT/work]"),
]


@app.command
def study(
    names: StudyNames,
    /,
    *,
    data: DataNames = ("shapesav",),
    manifest: Manifests = (),
    out: Path = Path("study"),
    work: Work = None,
    seeds: AtLeastOne | None = None,
    quick: Flag = False,
    plan: Flag = False,
    protocol: StudyProtocol = "paper",
    cache: Cache = None,
    workers: StudyWorkers = 2,
    set_: Set = (),
) -> None:
    """Run the paper's experiments, and some of our own: train, measure, write a page with the paper's numbers beside.

    Says beforehand what there is to train and about how long it takes. Interrupted and called again it goes on; what
    was trained with other code, recipes or data is never used.

    Parameters
    ----------
    out
        Folder of the pages.
    seeds
        Training seeds 0, 1, ... [default: 3 on ShapesAV, 1 with --quick or on other data]
    quick
        ShapesAV with few clips, few epochs and one seed.
    plan
        Only say what there is to do.
    """
    from openmov.cli import show_study
    from openmov.experiments.catalogue import find_studies
    from openmov.experiments.plan import make_plan
    from openmov.experiments.run import command_of, open_data, run_studies

    folder = work or out / "work"
    videos, how = open_data(data, manifest, folder, cache, seeds, set_, quick=quick, workers=workers, protocol=protocol)
    planned = make_plan(find_studies(names), videos, how)
    if plan:
        say("\n".join(show_study.plan_lines(planned)))
        return
    say(run_studies(planned, out, how, command=command_of(names, videos, set_), announce=show_study.announce))


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
    from openmov.shapesav.pool import PoolSize, write_world

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
    from openmov.cli import show_runs as show
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
