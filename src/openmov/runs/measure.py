"""Measures runs of one task on base and novel classes, beside frozen CLIP and score fusion.

    runs --one pass of each network over the test clips--> recordings
         --answer rules--> methods_of --protocols--> rows of the table

The vocabulary is given, never taken from a run; it must name the run's base classes as base.
"""

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NotRequired, Required, TypedDict

from openmov.baselines.frozen_clip import FrozenCLIPRule
from openmov.baselines.score_fusion import ScoreFusion
from openmov.data.loader import Unreadable, evaluation_batches
from openmov.data.records import Record
from openmov.errors import RunFolderError
from openmov.evaluation.evaluator import evaluate
from openmov.evaluation.result import Conditions, Evaluation, Failure
from openmov.methods import METHODS
from openmov.report.content import MethodKind
from openmov.runs.clips import EvalClips, Preparing, load_test_clips
from openmov.runs.provenance import conditions_of
from openmov.runtime.distributed import ALONE, World, joined_world
from openmov.scoring.embeddings import Embeddings, EmbeddingsScorer, gathered, own_part, record
from openmov.scoring.paths import NovelPath
from openmov.text.vocabulary import Protocol, Vocabulary
from openmov.training.runs import LoadedRun, load_calibration, load_run, load_trained
from openmov.types import Scorer

__all__ = [
    "EvalClips",
    "Method",
    "MethodResult",
    "embed_run",
    "load_test_clips",
    "measure",
    "measure_runs",
    "methods_of",
]

_BATCH = 32
_FUSED_SINGLES = ("video_only", "flow_only", "audio_only")
"""Whose probabilities score fusion averages."""
_AS_THE_RECIPE_SAYS: MethodKind = "mov"
_CHOSEN: MethodKind = "mov_calibrated"
_KINDS: dict[str, MethodKind] = {"video_only": "video", "flow_only": "single", "audio_only": "single"}


@dataclass(frozen=True)
class Method:
    """A row of the results before it is measured."""

    name: str
    """As shown."""
    kind: MethodKind
    """What it is."""
    scorer: Scorer = field(repr=False)
    """What answers."""
    recording: Embeddings = field(repr=False)
    """The clips it can answer for."""
    note: str = ""
    """beta and tau_v, where they matter."""
    runs: tuple[LoadedRun, ...] = field(default=(), repr=False)
    """Whose trained weights are in it; frozen CLIP's first run trained none of it."""
    path: NovelPath | None = None
    """beta and temperatures of its novel path, where it has one."""

    @property
    def trained(self) -> bool:
        """Whether trained weights have a part in its answers."""
        return self.kind != "clip"


@dataclass(frozen=True)
class MethodResult:
    """A row of the results: one Scorer, measured on base and on novel classes."""

    name: str
    """As shown."""
    kind: MethodKind
    """What it is."""
    base: Evaluation = field(repr=False)
    """Base clips, base names as possible answers."""
    novel: Evaluation = field(repr=False)
    """Novel clips, novel names as possible answers."""
    generalised: Evaluation = field(repr=False)
    """All clips, all names."""
    note: str = ""
    """beta and tau_v, where they matter."""


def embed_run(
    run: LoadedRun,
    clips: Sequence[Record],
    *,
    checkpoint: Path | None = None,
    workers: int,
    world: World = ALONE,
) -> Embeddings:
    """One pass of a run's network, with the weights of a checkpoint (default: the best), over the clips.

    Each process of `world` looks at a part of them, and all have the whole recording afterwards. Raises DecodeError
    where a clip that was prepared can no longer be read, CheckpointError, OpenMovError where a process has stopped.
    """
    network = load_trained(run.components, checkpoint or run.folder.best)
    lost: list[Unreadable] = []
    share = own_part(world, len(clips), _BATCH)
    ours = clips[share.start : share.stop]
    batches = evaluation_batches(run.components.dataset(), ours, _BATCH, lost, workers)
    recording = record(network, batches) if ours or world.size == 1 else None
    if lost:
        raise lost[0].error
    return recording if world.size == 1 and recording is not None else gathered(world, recording)


def measure(
    name: str,
    kind: MethodKind,
    scorer: Scorer,
    recording: Embeddings,
    clips: EvalClips,
    note: str = "",
    conditions: Conditions | None = None,
) -> MethodResult:
    """One scorer under the three protocols."""
    contender = Method(name, kind, scorer, recording, note)

    def under(protocol: Protocol) -> Evaluation:
        vocabulary = clips.vocabulary.for_protocol(protocol)
        return measure_under(contender, clips, vocabulary, what=f"{name}, {protocol}", conditions=conditions)

    return MethodResult(name, kind, under("base"), under("novel"), under("generalised"), note)


def measure_under(
    contender: Method,
    clips: EvalClips,
    vocabulary: Vocabulary,
    *,
    what: str,
    conditions: Conditions | None,
    of: Collection[str] | None = None,
) -> Evaluation:
    """One contender on the clips of a vocabulary's classes; `of` takes some ids alone. Raises ManifestError."""
    recording, names = contender.recording, frozenset(vocabulary.names)
    chosen = [
        place
        for place, (video_id, label) in enumerate(zip(recording.video_ids, recording.labels, strict=True))
        if label in names and (of is None or video_id in of)
    ]
    if conditions is not None:
        conditions = replace(conditions, videos=clips.videos(names, len(chosen), of))
    batches = recording.take(chosen).batches() if chosen else ()
    return evaluate(
        contender.scorer,
        batches,
        vocabulary,
        failures=clips.failures(names, of),
        what=what,
        conditions=conditions,
    )


def measure_runs(
    runs: Sequence[LoadedRun],
    recordings: Sequence[Embeddings],
    clips: EvalClips,
    seconds: Mapping[str, float] | None = None,
) -> list[MethodResult]:
    """Every contender under the three protocols; `seconds` is what each run's recording took, by its folder."""
    return [
        measure(
            one.name,
            one.kind,
            one.scorer,
            one.recording,
            clips,
            one.note,
            conditions_of(one.runs, clips, trained=one.trained, seconds=seconds or {}, path=one.path),
        )
        for one in methods_of(runs, recordings)
    ]


def methods_of(runs: Sequence[LoadedRun], recordings: Sequence[Embeddings]) -> list[Method]:
    """Frozen CLIP, every run, and score fusion of the single-modality runs: table 5's rows, weakest idea first.

    A calibrated MOV gives two rows: the paper's beta and tau_v, and its own.
    """
    found: list[Method] = []
    singles: list[Method] = []
    for run, recording in zip(runs, recordings, strict=True):
        if run.method != "mov":
            scorer = EmbeddingsScorer(recording, *run.answering())
            row = Method(METHODS.get(run.method).title, _KINDS.get(run.method, "other"), scorer, recording, runs=(run,))
            singles += [row] if run.method in _FUSED_SINGLES else []
            found.append(row)
    seeing = [place for place, one in enumerate(recordings) if one.embeddings.frozen is not None]
    if seeing:  # a MOV's own before another run's
        place = min(seeing, key=lambda place: runs[place].method != "mov")
        found.insert(0, _clip_row(runs[place], recordings[place]))
    if len(singles) > 1:
        fusion = ScoreFusion([one.scorer for one in singles])
        of = tuple(run for one in singles for run in one.runs)
        found.append(Method("Score fusion", "score_fusion", fusion, singles[0].recording, runs=of))
    for run, recording in zip(runs, recordings, strict=True):
        if run.method == "mov":
            found += list(_mov_rows(run, recording))
    return found


def _clip_row(run: LoadedRun, recording: Embeddings) -> Method:
    rule = FrozenCLIPRule(run.components.backbone.temperature)
    scorer = EmbeddingsScorer(recording, run.components.class_embedder(), rule)
    return Method(f"{run.components.backbone.family} (frame average)", "clip", scorer, recording, runs=(run,))


def _mov_rows(run: LoadedRun, recording: Embeddings) -> Iterator[Method]:
    yield mov_row(run, recording, run.components.novel_path)
    calibrated = load_calibration(run.folder.path)
    if calibrated is not None:
        yield mov_row(run, recording, calibrated, "calibrated")


def mov_row(run: LoadedRun, recording: Embeddings, path: NovelPath, chosen: str = "") -> Method:
    """A MOV that answers by a novel path: the recipe's, or one that was `chosen` in some way."""
    scorer = EmbeddingsScorer(recording, run.components.class_embedder(), replace(run.rule, novel=path))
    name = "MOV" if run.components.recipe.model.fusion == "asymmetric" else "MOV, symmetric fusion"
    said, kind = (f"{name}, {chosen}", _CHOSEN) if chosen else (name, _AS_THE_RECIPE_SAYS)
    return Method(said, kind, scorer, recording, _note(run, path), (run,), path)


def _note(run: LoadedRun, settings: NovelPath) -> str:
    prediction = run.components.recipe.prediction
    weighed = ", weighed" if prediction.generalised == "weighed" else ""
    mixed = f", encoder weight {prediction.encoder_weight:g}" if prediction.encoder_weight < 1 else ""
    return f"beta {settings.beta:g}, tau_v {settings.tau_v:.3g}{weighed}{mixed}"


class EvaluateOptions(TypedDict):
    """What the protocols of `evaluate` are told alike: the keywords of `record_runs`, which has the defaults."""

    cache_folder: Required[Path]
    """Of flow, sound and frozen embeddings."""
    split: NotRequired[str]
    """Of the manifest."""
    backbone: NotRequired[str | None]
    """Where the runs' backbone lies now, if not where it lay in training."""
    safetensors_only: NotRequired[bool]
    """Refuse a backbone that is published as a pickle."""
    views: NotRequired[tuple[int, int] | None]
    """Clips x crops, in place of the recipe's."""
    features: NotRequired[Path | None]
    """A folder of stored video embeddings."""
    changes: NotRequired[Sequence[str]]
    """Of the recipe's `prediction` (prediction.generalised=weighed)."""
    workers: NotRequired[int]
    """Threads that prepare and read."""
    shown: NotRequired[bool]
    """Whether progress is, by the first process alone."""
    root: NotRequired[Path | None]
    """Folder that holds the videos; None takes the manifest's."""


@dataclass(frozen=True)
class Recorded:
    """Runs that have seen the clips."""

    runs: tuple[LoadedRun, ...] = field(repr=False)
    """The runs, as given."""
    clips: EvalClips
    """What they have seen."""
    recordings: tuple[Embeddings, ...] = field(repr=False)
    """Their embeddings of it."""
    seconds: Mapping[str, float]
    """By run folder, what its pass took, with all that went before."""
    writes: bool
    """Whether this process is the one that writes."""


def record_runs(
    run_folders: Sequence[Path],
    check: Callable[[Sequence[LoadedRun]], None],
    prepare: Callable[[Sequence[LoadedRun], Preparing], EvalClips],
    *,
    cache_folder: Path,
    split: str = "test",
    backbone: str | None = None,
    safetensors_only: bool = False,
    views: tuple[int, int] | None = None,
    features: Path | None = None,
    changes: Sequence[str] = (),
    workers: int = 2,
    shown: bool = True,
    root: Path | None = None,
) -> Recorded:
    """One pass of each run; `check` refuses runs before a video is opened, `prepare` gives the clips.

    Started by torchrun, each process looks at a part of the clips and all of them know all.
    Raises RunFolderError for no run, what `load_run`, `check` and `prepare` do, RecipeError for changes that are none.
    """
    if not run_folders:
        raise RunFolderError("evaluate", "no run is given", "name at least one run folder")
    started = time.monotonic()
    loaded = (
        load_run(folder, cache_folder, backbone=backbone, safetensors_only=safetensors_only, features=features)
        for folder in run_folders
    )
    runs = tuple(run.changed(changes) for run in loaded)
    runs = runs if views is None else tuple(run.with_views(*views) for run in runs)
    check(runs)
    with joined_world() as world:
        clips = prepare(runs, Preparing(split, workers, shown and world.first, world, root))
        prepared, recordings, seconds = time.monotonic() - started, [], {}
        for run in runs:
            began = time.monotonic()
            recordings.append(embed_run(run, clips.records, workers=workers, world=world))
            seconds[str(run.folder.path)] = prepared + time.monotonic() - began
    return Recorded(runs, clips, tuple(recordings), seconds, world.first)


def data_facts(clips: EvalClips) -> Mapping[str, str]:
    """What was evaluated on, in words."""
    names, coverage = clips.vocabulary, clips.coverage
    facts = {"data set": coverage.title} if coverage else {}
    facts |= {
        f"{clips.split} videos": str(clips.videos(names.names, len(clips.records))),
        "classes": f"{len(names.base)} base, {len(names.novel)} novel",
        "prompts": names.prompts,
        "vocabulary": names.identity,
        "manifest": clips.manifest_identity,
    }
    if coverage and coverage.empty_classes:
        facts["without a video"] = f"{len(coverage.empty_classes)} classes, possible answers all the same"
    return facts | ({"note": "; ".join(coverage.notes)} if coverage and coverage.notes else {})


def failures_of(clips: EvalClips) -> tuple[Failure, ...]:
    """The videos that could not be read."""
    return tuple(Failure(str(one.record.path), str(one.error)) for one in clips.unreadable)
