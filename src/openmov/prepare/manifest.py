"""`openmov prepare`: fills the caches for a list of videos, everything that needs a file to be decoded, once.

    manifest --survey--> plan --a few videos, timed--> plan with time and disk --crew--> caches, report

What is there already is not done again; what cannot be read is counted and named.
"""

import random
import re
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from openmov.build import Components, build_components
from openmov.config.schema import Recipe
from openmov.data.loader import Unreadable
from openmov.data.manifest import Manifest, load_manifest
from openmov.data.records import SPLITS, Record
from openmov.data.shards import WHOLE, Shard
from openmov.errors import DecodeError, ManifestError, RecipeError
from openmov.media.decode import GuardedDecoder
from openmov.prepare.features import Gathered, gather_features, require_video
from openmov.prepare.plan import CacheScan, PreparePlan, estimated, sample, survey
from openmov.prepare.video import Job, Outcome, Prepared, PrepareReport, Setup, report_of, write_report
from openmov.prepare.workers import Engine, WorkerPool, open_crew
from openmov.runtime.atomic import free_bytes, scratch_folder
from openmov.runtime.progress import note, progress_bar
from openmov.store.cache import ArrayCache
from openmov.store.features import refuse_other_folder

_SURVEY_THREADS = 4
"""At least: opening files is mostly waiting."""


@dataclass(frozen=True)
class PrepareOptions:
    """How the caches are filled; nothing here changes what is in them."""

    workers: int = 2
    """Videos in hand at a time."""
    engine: Engine = "processes"
    """Who does the work: processes, one a core; threads of this one, which share one copy of the backbone; or a Ray
    cluster."""
    frames: bool = False
    """Store frames as well."""
    verify: bool = False
    """Read every entry that is there, and make damaged ones anew."""
    shard: Shard = WHOLE
    """Only this part of the list."""
    limit_seconds: float | None = 600.0
    """For one video; one that takes longer is given up and counted as failed."""


@dataclass(frozen=True)
class Preparation(Prepared):
    """What `prepare_manifest` came to."""

    plan: PreparePlan
    """What there was to do, and how long it was thought to take."""
    report: PrepareReport | None
    """None where only the plan was asked for."""
    report_file: Path | None
    """The report as JSON."""
    gathered: Gathered | None = None
    """The features folder, where one was asked for."""


def prepare_manifest(
    recipe: Recipe,
    manifest: Path,
    split: str = "all",
    *,
    cache_folder: Path,
    options: PrepareOptions = PrepareOptions(),
    features: Path | None = None,
    plan_only: bool = False,
    announce: Callable[[PreparePlan], None] | None = None,
    shown: bool = True,
    root: Path | None = None,
) -> Preparation:
    """Prepares the training clips of a manifest for training, all others for a test; `split` takes one split alone.

    The plan is handed to `announce` before the work starts, except for the few videos it was measured on; with
    `plan_only` these go to a temporary folder and nothing is kept. Several processes, also of several machines, may
    prepare at once in one cache folder, and so share the work. Interrupted at any instant, the videos in
    hand are lost and nothing else. In the end frozen embeddings are gathered in the folder `features`, if it is named;
    it is written anew, and may hold nothing else.

    Raises ManifestError (also where there is no such video), BackboneError, StorageError, RecipeError.
    """
    begun = time.monotonic()
    if features is not None:
        refuse_other_folder(features)
    listed = load_manifest(manifest, root=root, say=note)
    records = _chosen(listed, split, options.shard)
    components = build_components(recipe, cache_folder)
    assert components.cache is not None
    if features is not None:
        _refuse_ungatherable(components, options.shard)
    if not plan_only:
        components.cache.require_writable()
    found = _survey(components, components.cache, records, options, shown=shown)
    with scratch_folder("openmov-plan") if plan_only else nullcontext(cache_folder) as work:
        setup = Setup(recipe, work, options.frames)
        with open_crew(setup, components, options.engine, options.workers, options.limit_seconds) as crew:
            outcomes = dict(found.outcomes)
            plan = _plan(found, crew, outcomes, cache_folder, options)
            if announce is not None:
                announce(plan)
            if plan_only:
                return Preparation(tuple(records), _unreadable(records, outcomes), plan, None, None)
            _do(crew, plan, outcomes, shown=shown)
    report = report_of(records, outcomes, time.monotonic() - begun)
    path = _write(report, cache_folder, listed, recipe, split, options.shard)
    kept = tuple(record for index, record in enumerate(records) if outcomes[index].status != "failed")
    gathered = None if features is None else gather_features(components, records, features, shown=shown)
    return Preparation(kept, _unreadable(records, outcomes), plan, report, path, gathered)


def _refuse_ungatherable(components: Components, shard: Shard) -> None:
    require_video(components.modalities)
    if shard != WHOLE:
        hint = "leave it out, and name it without --shard when all parts are done"
        raise RecipeError("--features", "gathers the whole list, and --shard prepares a part of it", hint)


def _chosen(listed: Manifest, split: str, shard: Shard) -> list[Record]:
    """The videos of a split, then those of a shard; training clips first."""
    names = [name for name in SPLITS if split in (name, "all")]
    records = [record for name in names for record in listed.records if record.split == name]
    if not records:
        what = "lists no video" if split == "all" else f"lists no video in the split {split!r}"
        raise ManifestError(listed.path, what, "add some, or choose another --split")
    return [record for record in records if shard.holds(record.video_id)]


def _survey(
    components: Components, cache: ArrayCache, records: Sequence[Record], options: PrepareOptions, *, shown: bool
) -> CacheScan:
    """What is there and what is not; a file that hangs here is given up as one that hangs later."""
    limit = options.limit_seconds
    decoder = components.decoder if limit is None else GuardedDecoder(limit, components.decoder)
    looked = [(record, record.split == "train") for record in records]
    try:
        with progress_bar("looking for what is there", len(records), shown=shown) as show:
            return survey(
                components.dataset(decoder=decoder),
                cache,
                looked,
                frames=options.frames,
                verify=options.verify,
                threads=max(_SURVEY_THREADS, options.workers),
                show=show,
            )
    finally:
        decoder.close()


def _plan(
    found: CacheScan, crew: WorkerPool, outcomes: dict[int, Outcome], cache_folder: Path, options: PrepareOptions
) -> PreparePlan:
    """Counts, and what a sample says of time and disk; the outcomes of the sample are added to `outcomes`."""
    first, *others = sample(found.jobs) or (None,)
    measured: list[tuple[Job, Outcome]] = []
    if first is not None:
        warming = list(crew.outcomes([first]))
        counted = list(crew.outcomes([job for job in others if job is not None]))
        measured = counted or warming
        outcomes.update({job.index: outcome for job, outcome in (*warming, *counted)})
    unreadable = sum(outcome.status == "failed" for outcome in found.outcomes.values())
    complete = len(found.outcomes) - unreadable
    steps = estimated(found.steps, measured)
    videos, free = len(found.outcomes) + len(found.jobs), free_bytes(cache_folder)
    return PreparePlan(videos, complete, unreadable, steps, free, options.workers, found.jobs)


def _do(crew: WorkerPool, plan: PreparePlan, outcomes: dict[int, Outcome], *, shown: bool) -> None:
    """All jobs without an outcome yet."""
    left = [job for job in plan.jobs if job.index not in outcomes]
    # Runs beside each other share the work without knowing of each other: each takes it in an order of its own, and
    # what the other has stored by then is found there. They meet in the few videos they have in hand at once.
    random.SystemRandom().shuffle(left)
    with progress_bar("preparing", len(plan.jobs), shown=shown) as show:
        show(len(plan.jobs) - len(left))
        for count, (job, outcome) in enumerate(crew.outcomes(left), start=len(plan.jobs) - len(left) + 1):
            outcomes[job.index] = outcome
            show(count)


def _unreadable(records: Sequence[Record], outcomes: Mapping[int, Outcome]) -> tuple[Unreadable, ...]:
    failed = ((records[index], outcomes[index]) for index in sorted(outcomes) if outcomes[index].status == "failed")
    return tuple(Unreadable(record, DecodeError(record.path, outcome.what, outcome.hint)) for record, outcome in failed)


def _write(
    report: PrepareReport, cache_folder: Path, listed: Manifest, recipe: Recipe, split: str, shard: Shard
) -> Path:
    """Where the report went: one file a list, recipe, split and part, which running again writes anew."""
    part = "" if shard.count == 1 else f"-{shard.number}-of-{shard.count}"
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", recipe.name)
    path = cache_folder / "reports" / f"{name}-{listed.identity}-{split}{part}.json"
    facts = {"recipe": recipe.name, "manifest": str(listed.path), "identity": listed.identity, "split": split}
    write_report(path, report, {**facts, "shard": str(shard)})
    return path
