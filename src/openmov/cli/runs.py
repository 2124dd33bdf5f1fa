"""Verbs about runs: train, evaluate, compare."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter
from cyclopts.validators import Number

from openmov.cli.options import (
    Cache,
    EncoderWeight,
    FeaturesFolder,
    Flag,
    GeneralisedName,
    Json,
    Manifest,
    Names,
    RecipeName,
    Root,
    SafetensorsOnly,
    Set,
    Workers,
    app,
    with_answering,
    with_safetensors_only,
)
from openmov.cli.output import say

Calibrate = Annotated[
    bool | Literal["classes", "entropy"],
    Parameter(
        negative="",
        show_default=False,
        help="classes, or nothing behind it: first hold out a fifth of the base classes as pseudo-novel, and choose "
        "beta and tau_v there. entropy: afterwards choose tau_v so that on validation clips the frozen video is as "
        "sure as flow and sound; needs no labels and no second training.",
    ),
]
HyperParameters = Annotated[
    Literal["paper", "own"],
    Parameter(
        help="Hyper-parameters: those of the recipe, as the paper compares methods, or those that the authors of "
        "model.method published (own); --set has the last word."
    ),
]


@Parameter(name="*")
@dataclass(frozen=True)
class Streamed:
    """Clips out of shards in place of videos."""

    shards: Annotated[
        str | None,
        Parameter(
            help="Folder or web address of what `openmov pack` wrote for this manifest and recipe: no video is opened, "
            "clips are streamed from there."
        ),
    ] = None
    buffer: Annotated[
        int,
        Parameter(
            validator=Number(gte=1), help="With --shards: clips held in memory, among which the next one is drawn."
        ),
    ] = 1000


@app.command
def train(
    *,
    recipe: RecipeName,
    manifest: Manifest,
    vocabulary: Names,
    out: Path,
    resume: Flag = False,
    calibrate: Calibrate = False,
    protocol: HyperParameters = "paper",
    root: Root = None,
    streamed: Streamed = Streamed(),
    cache: Cache = None,
    features: FeaturesFolder = None,
    workers: Workers = 2,
    safetensors_only: SafetensorsOnly = False,
    set_: Set = (),
    json: Json = False,
) -> None:
    """Train on the base classes of a manifest.

    Parameters
    ----------
    out
        Run folder.
    resume
        Go on where this run stopped, to the same result as without the interruption.
    """
    from openmov.cli import show_runs as show
    from openmov.config.choices import with_protocol
    from openmov.config.load import load_recipe
    from openmov.runtime.cache_folder import default_cache_folder
    from openmov.runtime.distributed import speaks
    from openmov.training.train import run_training

    changes = with_safetensors_only(safetensors_only, set_)
    settings = with_protocol(load_recipe(recipe, changes), protocol, changes)
    folder = cache or default_cache_folder()
    how: dict[str, Any] = {
        "resume": resume,
        "with_calibration": calibrate,
        "workers": workers,
        "root": root,
        **vars(streamed),
    }
    result = run_training(settings, manifest, vocabulary, out, cache_folder=folder, features=features, **how)
    if speaks():
        show.training(result, json)


@Parameter(name="*")
@dataclass(frozen=True)
class Measurement:
    """What is measured."""

    split: Annotated[Literal["train", "val", "test"], Parameter(help="Which videos.")] = "test"
    root: Root = None
    protocol: Annotated[
        Literal["base-novel", "cross"],
        Parameter(
            help="base-novel: base classes, novel classes, and all together; base classes alone where none is novel. "
            "cross: another data set than the one trained on: its full set, its official test splits, ten random "
            "halves of its classes."
        ),
    ] = "base-novel"
    views: Annotated[str | None, Parameter(help="Clips x crops, such as 1x1 or 4x3. [default: the recipe's]")] = None
    backbone: Annotated[
        str | None, Parameter(help="Where the runs' backbone lies now, if not where it lay in training.")
    ] = None
    safetensors_only: SafetensorsOnly = False
    generalised: GeneralisedName = None
    encoder_weight: EncoderWeight = None


@app.command
def evaluate(
    runs: tuple[Path, ...],
    /,
    *,
    manifest: Manifest,
    vocabulary: Names,
    out: Path | None = None,
    measured: Measurement = Measurement(),
    cache: Cache = None,
    features: FeaturesFolder = None,
    workers: Workers = 2,
    json: Json = False,
) -> int:
    """Measure runs, beside frozen CLIP and score fusion; 2 if a video cannot be read.

    Parameters
    ----------
    runs
        Run folders of one task; single-modality runs beside a MOV give score fusion.
    out
        Folder for the report page and every video's answers.
    """
    from openmov.cli import show_runs as show
    from openmov.cli import show_runs as show_base
    from openmov.cli import show_runs as show_cross
    from openmov.report.report import refuse_other_report
    from openmov.runs.evaluate import (
        evaluate_base,
        evaluate_cross,
        evaluate_task,
        without_novel,
        write_base,
        write_cross,
        write_evaluation,
    )
    from openmov.runtime.cache_folder import default_cache_folder
    from openmov.runtime.distributed import speaks

    folder, how = cache or default_cache_folder(), _how(measured, features, workers)
    if out is not None:
        refuse_other_report(out)
    if measured.protocol == "cross":
        other = evaluate_cross(runs, manifest, vocabulary, cache_folder=folder, **how)
        if not speaks():
            return 2 if other.clips.unreadable else 0
        return show_cross.crossing(other, None if out is None else write_cross(other, out), json)
    if without_novel(vocabulary):
        known = evaluate_base(runs, manifest, vocabulary, cache_folder=folder, **how)
        if not speaks():
            return 2 if known.clips.unreadable else 0
        return show_base.base_only(known, None if out is None else write_base(known, out), json)
    task = evaluate_task(runs, manifest, vocabulary, cache_folder=folder, with_page=out is not None, **how)
    if not speaks():
        return 2 if task.clips.unreadable else 0
    page = None if out is None else write_evaluation(task, out, workers=workers)
    return show.evaluation(task, page, json)


def _how(measured: Measurement, features: Path | None, workers: int) -> dict[str, Any]:
    """What both protocols are told alike."""
    from openmov.inference.predict import parse_views

    views = parse_views(measured.views)
    changes = with_answering(measured.generalised, measured.encoder_weight, ())
    chosen = {
        "split": measured.split,
        "root": measured.root,
        "backbone": measured.backbone,
        "views": views,
        "changes": changes,
    }
    safe = measured.safetensors_only
    return {**chosen, "safetensors_only": safe, "features": features, "workers": workers}


@app.command
def compare(runs: tuple[Path, ...], /, *, out: Path) -> None:
    """Put runs side by side: what differs in their recipes, how they learned, what they reached.

    Parameters
    ----------
    runs
        At least two run folders.
    out
        Folder for comparison.html and comparison.json.
    """
    from openmov.runs.compare import compare_runs

    say(compare_runs(runs, out))
