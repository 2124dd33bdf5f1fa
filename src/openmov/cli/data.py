"""Verbs about what goes into a run: recipes, class names, manifests and the videos they list."""

from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from openmov.cli.options import (
    AtLeastOne,
    Cache,
    Flag,
    FlowMethod,
    Json,
    LimitSeconds,
    Manifest,
    NotNegative,
    RecipeName,
    Root,
    SafetensorsOnly,
    Set,
    Workers,
    app,
    with_flow,
    with_safetensors_only,
)
from openmov.cli.output import say
from openmov.errors import RecipeError

FramesFlag = Annotated[
    bool,
    Parameter(negative="", show_default=False, help="Store cropped frames too: another backbone needs no decoding."),
]
VerifyFlag = Annotated[
    bool,
    Parameter(negative="", show_default=False, help="Read every entry that is there, and make damaged ones anew."),
]
ShardText = Annotated[str | None, Parameter(help="Only one part of the list, such as 3/64: for job arrays.")]
EngineName = Annotated[
    Literal["processes", "threads", "ray"],
    Parameter(help="Processes, one a core; threads, which share one backbone; or the cluster of RAY_ADDRESS."),
]


@app.command
def check(
    files: tuple[Path, ...],
    /,
    *,
    vocabulary: Path | None = None,
    root: Root = None,
    cache: Path | None = None,
    verbose: Flag = False,
    deep: Flag = False,
    limit: LimitSeconds = 600,
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
    verbose
        Print a line for every file; otherwise like faults and notes are counted and named once, with an example.
    deep
        Decode every video whole.
    """
    from openmov.cli import show_runs as show
    from openmov.data.check import check_files
    from openmov.media.decode import limited_decoder

    with limited_decoder(limit) as decoder:
        found = check_files(files, vocabulary, cache, root=root, deep=deep, decoder=decoder)
    return show.findings(found, json, verbose=verbose)


@app.command
def recipe(name: str | None = None, /, *, set_: Set = ()) -> None:
    """Print a recipe with every field explained; without a name, list the bundled ones.

    Parameters
    ----------
    name
        Bundled name, or path of a YAML file.
    """
    from openmov.config.load import bundled_recipes, load_recipe, recipe_to_yaml

    if name is None and set_:
        raise RecipeError("--set", "changes a recipe, and none is named", "name one, such as kinetics700")
    say("\n".join(bundled_recipes()) if name is None else recipe_to_yaml(load_recipe(name, set_)))


@app.command
def split(
    names: Path,
    /,
    *,
    out: Path,
    base: AtLeastOne | None = None,
    fraction: float | None = None,
    novel: str | None = None,
    seed: NotNegative = 0,
    prompts: str = "kinetics700",
    clips: Path | None = None,
    root: Root = None,
    test: float = 0.2,
    val: float = 0.1,
) -> None:
    """Make base and novel classes of a list of names, drawn at random or named, and write the vocabulary.

    Parameters
    ----------
    names
        List of class names (one a line, with ids, CSV, JSON or YAML), or a manifest, whose labels are taken.
    out
        JSON file to write: names, seed, generator, SHA-256.
    base
        How many classes become base.
    fraction
        Or which part of them.
    novel
        Or which classes become novel: names separated by commas, or a list of them; the others are base.
    seed
        Of the draw.
    prompts
        Template set the names are embedded through.
    clips
        Manifest to write: that of NAMES, its clips drawn into train, val and test, groups kept together.
    test
        With --clips: which part of the clips of each class is for testing.
    val
        And which part for validation.
    """
    from openmov.data.splitting import write_split
    from openmov.runtime.progress import note

    said = write_split(
        names,
        out,
        num_base=base,
        base_fraction=fraction,
        novel=novel,
        seed=seed,
        prompts=prompts,
        clips=clips,
        root=root,
        test_fraction=test,
        val_fraction=val,
        say=note,
    )
    for line in said:
        say(line)


@app.command
def prepare(
    *,
    recipe: RecipeName,
    manifest: Manifest,
    root: Root = None,
    split: Literal["train", "val", "test", "all"] = "all",
    cache: Cache = None,
    features: Path | None = None,
    plan: Flag = False,
    frames: FramesFlag = False,
    verify: VerifyFlag = False,
    shard: ShardText = None,
    engine: EngineName = "processes",
    limit: LimitSeconds = 600,
    workers: Workers = 2,
    flow: FlowMethod = None,
    safetensors_only: SafetensorsOnly = False,
    set_: Set = (),
    json: Json = False,
) -> int:
    """Fill the caches of flow, sound and frozen embeddings for the videos of a manifest; 2 if one cannot be read.

    Says beforehand how long and how much disk it will take. Runs beside each other, on machines with a common cache
    folder too, share the work; run again it does what is missing.

    Parameters
    ----------
    split
        Which videos.
    features
        Folder to gather the frozen video embeddings in, for `train --features`; it is written anew.
    plan
        Only say what there is to do; a few videos are done to measure it, and thrown away.
    """
    from openmov.cli import show_data as show_prepare
    from openmov.config.load import load_recipe
    from openmov.data.shards import Shard
    from openmov.prepare.manifest import PrepareOptions, prepare_manifest
    from openmov.runtime.cache_folder import default_cache_folder

    changes = with_safetensors_only(safetensors_only, with_flow(flow, set_))
    settings, folder = load_recipe(recipe, changes), cache or default_cache_folder()
    options = PrepareOptions(workers, engine, frames, verify, Shard.parse(shard or "1/1"), float(limit) or None)
    say = None if plan or json else show_prepare.plan_on_stderr
    how: dict[str, Any] = {"cache_folder": folder, "options": options, "features": features, "root": root}
    done = prepare_manifest(settings, manifest, split, plan_only=plan, announce=say, **how)
    return show_prepare.prepared(done, json)


@app.command
def pack(
    *,
    recipe: RecipeName,
    manifest: Manifest,
    out: Path,
    root: Root = None,
    split: Literal["train", "val", "test", "all"] = "all",
    cache: Cache = None,
    frames: FramesFlag = False,
    megabytes: AtLeastOne = 256,
    flow: FlowMethod = None,
    set_: Set = (),
) -> int:
    """Put what was prepared into a few large files, in WebDataset's tar form; 2 if a video is not among them.

    The folder can be named by --cache wherever a cache folder can.

    Parameters
    ----------
    out
        Folder of the shards and their index.
    split
        Which videos.
    megabytes
        About how many megabytes a shard has before compression.
    """
    from openmov.cli import show_data as show_prepare
    from openmov.config.load import load_recipe
    from openmov.prepare.pack import pack_manifest
    from openmov.runtime.cache_folder import default_cache_folder

    settings, folder = load_recipe(recipe, with_flow(flow, set_)), cache or default_cache_folder()
    size = megabytes * 1_000_000
    how: dict[str, Any] = {"cache_folder": folder, "frames": frames, "shard_bytes": size, "root": root}
    return show_prepare.packed(pack_manifest(settings, manifest, out, split, **how))


@app.command
def dataset(
    name: str | None = None,
    /,
    *,
    videos: Path | None = None,
    annotations: Annotated[tuple[Path, ...], Parameter(consume_multiple=True, negative="")] = (),
    out: Path | None = None,
    fast: Flag = False,
    workers: Workers = 2,
    json: Json = False,
) -> None:
    """Make manifest and vocabulary of a well-known data set; without a name, list those there are.

    Missing and broken videos are counted, listed in OUT/manifest.dataset.json, and said in every later result.

    Parameters
    ----------
    name
        kinetics400, kinetics600, kinetics700, vggsound, ucf101, hmdb51, jhmdb, shapesav-motion, -sound or -both,
        shapesav-scenes-motion or -sound, shapesav-scenes-motion-swapped or -sound-swapped.
    videos
        Folder of the videos: class folders, split folders or flat.
    annotations
        Official annotation files, or a folder of them; UCF101, HMDB51 and VGGSound's test list need none.
    out
        Folder for manifest.csv, vocabulary.json and, where there are several, manifest-split1.csv ...
    fast
        Open no video: only empty files count as broken.
    """
    from openmov.cli.show_data import show_built
    from openmov.datasets.builder import dataset_names, write_dataset
    from openmov.errors import ManifestError

    if name is None:
        say("\n".join(dataset_names()))
        return
    if videos is None or out is None:
        raise ManifestError(name, "a data set needs --videos FOLDER and --out FOLDER", "give both")
    built = write_dataset(name, videos, out, annotations, workers=workers, opened=not fast)
    show_built(built, out, json)
