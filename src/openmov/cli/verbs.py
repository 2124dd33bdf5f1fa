"""The verbs: arguments in, one call of the api, the result shown. Nothing heavy is imported before a verb runs."""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter

app = App(
    name="openmov",
    help="Open-vocabulary video classification with video frames, optical flow and sound (MOV).",
    help_format="plaintext",
)
shapesav = App(name="shapesav", help="The synthetic world that ships with the project.", help_format="plaintext")
app.command(shapesav)

Set = Annotated[tuple[str, ...], Parameter(name="--set", negative="", help="Change a field: --set training.epochs=5")]
Cache = Annotated[Path | None, Parameter(help="Cache folder; default: $OPENMOV_CACHE or ~/.cache/openmov")]
Json = Annotated[bool, Parameter(name="--json", negative="", help="Print the result as JSON")]
Flag = Annotated[bool, Parameter(negative="")]


@shapesav.command(name="write")
def shapesav_write(
    out: Path, *, train: int = 24, val: int = 2, test: int = 8, seed: int = 2026, workers: int = 2
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
    workers
        Processes.
    """
    from openmov.api.shapesav import PoolSize, write_world

    count = write_world(out, PoolSize(train, val, test), seed, workers=workers)
    print(f"{count} clips in {out}")


@app.command
def check(
    files: tuple[Path, ...],
    /,
    *,
    vocabulary: Path | None = None,
    cache: Path | None = None,
    deep: Flag = False,
    json: Json = False,
) -> int:
    """Look for faults in media files, manifests and vocabularies; exit code 2 if there are any.

    Parameters
    ----------
    files
        Media files, manifests (.csv, .jsonl) and vocabularies (.json); every video of a manifest is opened.
    vocabulary
        Every label of the manifests must be one of its names.
    cache
        Also look for damaged entries in this cache folder.
    deep
        Decode every video whole.
    """
    from openmov.api.check import check_files
    from openmov.cli import show

    return show.findings(check_files(files, vocabulary, cache, deep=deep), json)


@app.command
def recipe(name: str | None = None, /, *, set_: Set = ()) -> None:
    """Print a recipe with every field explained; without a name, list the bundled ones.

    Parameters
    ----------
    name
        Bundled name, or path of a YAML file.
    """
    from openmov.config.load import bundled_recipes, load_recipe, recipe_to_yaml

    print("\n".join(bundled_recipes()) if name is None else recipe_to_yaml(load_recipe(name, set_)))


@app.command
def split(
    names: Path,
    /,
    *,
    out: Path,
    base: int | None = None,
    fraction: float | None = None,
    seed: int = 0,
    prompts: str = "kinetics700",
) -> None:
    """Draw base and novel classes at random from a list of names, and write the vocabulary.

    Parameters
    ----------
    names
        Text file, one class name a line.
    out
        JSON file to write: names, seed, generator, SHA-256.
    base
        How many classes become base.
    fraction
        Or which part of them.
    prompts
        Template set the names are embedded through.
    """
    from openmov.data.split import split_classes, write_vocabulary
    from openmov.text.vocabulary import load_vocabulary

    listed = load_vocabulary(names).names
    vocabulary = split_classes(listed, num_base=base, base_fraction=fraction, seed=seed, prompts=prompts)
    write_vocabulary(out, vocabulary, seed=seed)
    print(f"{len(vocabulary.base)} base and {len(vocabulary.novel)} novel classes in {out}")


@app.command
def prepare(
    *,
    recipe: str,
    manifest: Path,
    split: Literal["train", "val", "test", "all"] = "all",
    cache: Cache = None,
    workers: int = 2,
    set_: Set = (),
    json: Json = False,
) -> int:
    """Fill the caches of flow, sound and frozen embeddings for the videos of a manifest.

    Parameters
    ----------
    recipe
        Bundled name or YAML file: which modalities, sizes and views.
    manifest
        CSV or JSONL with path, label and split.
    split
        Which videos.
    workers
        Threads.
    """
    from openmov.api.prepare import prepare_manifest
    from openmov.api.wiring import default_cache_folder
    from openmov.cli import show

    return show.prepared(
        prepare_manifest(recipe, set_, manifest, split, cache or default_cache_folder(), workers), json
    )


@app.command
def train(
    *,
    recipe: str,
    manifest: Path,
    vocabulary: Path,
    out: Path,
    resume: Flag = False,
    calibrate: Flag = False,
    cache: Cache = None,
    workers: int = 2,
    set_: Set = (),
    json: Json = False,
) -> None:
    """Train on the base classes of a manifest.

    Parameters
    ----------
    recipe
        Bundled name or YAML file.
    manifest
        CSV or JSONL with path, label and split (train, val, test); only base classes are read.
    vocabulary
        JSON with the base and novel names, as `openmov split` writes it.
    out
        Run folder.
    resume
        Go on where this run stopped, to the same result as without the interruption.
    calibrate
        First hold out a fifth of the base classes as pseudo-novel, and choose beta and tau_v there.
    workers
        Threads that read videos.
    """
    from openmov.api.train import run_training
    from openmov.api.wiring import default_cache_folder
    from openmov.cli import show
    from openmov.config.load import load_recipe

    result = run_training(
        load_recipe(recipe, set_),
        manifest,
        vocabulary,
        out,
        cache_folder=cache or default_cache_folder(),
        resume=resume,
        with_calibration=calibrate,
        workers=workers,
    )
    show.training(result, json)


@app.command
def evaluate(
    runs: tuple[Path, ...],
    /,
    *,
    manifest: Path,
    vocabulary: Path,
    out: Path | None = None,
    split: str = "test",
    cache: Cache = None,
    workers: int = 2,
    json: Json = False,
) -> int:
    """Measure runs on base and novel classes, beside frozen CLIP and score fusion.

    Parameters
    ----------
    runs
        Run folders of one task; single-modality runs beside a MOV give score fusion.
    manifest
        CSV or JSONL with path, label and split.
    vocabulary
        JSON with base and novel names.
    out
        Folder for the report page and every video's answers.
    split
        Which videos.
    workers
        Threads that read videos.
    """
    from openmov.api.evaluate import evaluate_task, write_evaluation
    from openmov.api.wiring import default_cache_folder
    from openmov.cli import show

    task = evaluate_task(
        runs, manifest, vocabulary, cache_folder=cache or default_cache_folder(), split=split, workers=workers
    )
    page = None if out is None else write_evaluation(task, out, workers=workers)
    return show.evaluation(task, page, json)


@app.command
def predict(
    files: tuple[Path, ...],
    /,
    *,
    labels: str,
    run: Path | None = None,
    backbone: str = "openai/clip-vit-base-patch16",
    modalities: str = "video",
    prompts: str = "kinetics700",
    views: str | None = None,
    top: int = 5,
    set_: Set = (),
    json: Json = False,
) -> int:
    """Say what videos show, in your own words.

    Parameters
    ----------
    files
        Media files.
    labels
        Names separated by commas (quote a name that has one), or a text file with one a line.
    run
        Folder of a trained run; without one, the backbone alone answers.
    backbone
        Hub name or local folder of a CLIP, or shapesav-tiny; for use without a run.
    modalities
        Without a run: video, or video,flow,audio for an untrained MOV.
    prompts
        kinetics700, ucf101, none, or a text file of templates.
    views
        Clips x crops, such as 4x3; default: the recipe's.
    top
        Answers a file.
    """
    from openmov.api.predict import labels_of, predictor_for
    from openmov.cli import show

    predictor = predictor_for(run, backbone, modalities, views, set_)
    vocabulary = predictor.vocabulary(labels_of(labels), prompts)
    return show.predictions(predictor, list(files), vocabulary, top, json)


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
    from openmov.api.compare import compare_runs

    print(compare_runs(runs, out))


@app.command
def demo(*, out: Path = Path("demo"), workers: int = 2, set_: Set = (), quick: Flag = False) -> None:
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
    from openmov.api.demo import run_demo
    from openmov.cli import show

    show.demo(run_demo(out, overrides=set_, workers=workers, quick=quick))


@app.command
def results(*, out: Path, work: Path = Path("runs/results"), seeds: int = 3, workers: int = 2, set_: Set = ()) -> None:
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
    from openmov.api.results import run_results

    print(run_results(out, work, seeds=seeds, workers=workers, overrides=set_))
