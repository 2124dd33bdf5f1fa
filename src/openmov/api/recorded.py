"""What every `openmov evaluate` begins with: runs opened, clips prepared, one pass of each network over them.

    run folders, manifest --> runs, clips --> embeddings --> rows under whatever protocol

And what their pages say alike of the clips.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NotRequired, Required, TypedDict

from openmov.api.measuring import record_run
from openmov.api.runs import LoadedRun, load_run
from openmov.api.test_clips import Preparing, TestClips
from openmov.errors import RunFolderError
from openmov.evaluation.result import Failure
from openmov.prediction.predictor import Recording
from openmov.runtime.distributed import joined_world


class HowToRecord(TypedDict):
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
    clips: TestClips
    """What they have seen."""
    recordings: tuple[Recording, ...] = field(repr=False)
    """Their embeddings of it."""
    seconds: Mapping[str, float]
    """By run folder, what its pass took, with all that went before."""
    writes: bool
    """Whether this process is the one that writes."""


def record_runs(
    run_folders: Sequence[Path],
    check: Callable[[Sequence[LoadedRun]], None],
    prepare: Callable[[Sequence[LoadedRun], Preparing], TestClips],
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
            recordings.append(record_run(run, clips.records, workers=workers, world=world))
            seconds[str(run.folder.path)] = prepared + time.monotonic() - began
    return Recorded(runs, clips, tuple(recordings), seconds, world.first)


def data_facts(clips: TestClips) -> Mapping[str, str]:
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


def failures_of(clips: TestClips) -> tuple[Failure, ...]:
    """The videos that could not be read."""
    return tuple(Failure(str(one.record.path), str(one.error)) for one in clips.unreadable)
