"""The clips an evaluation is about: one split of a manifest, prepared for every run, and what of it is not there."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from openmov.build import Components
from openmov.data.coverage import Coverage, load_coverage
from openmov.data.loader import Unreadable
from openmov.data.manifest import load_manifest
from openmov.data.records import Record
from openmov.errors import ManifestError, VocabularyError
from openmov.evaluation.result import Failure, VideosPresent
from openmov.prepare.video import fill_caches
from openmov.runtime.checkpoint import require_match
from openmov.runtime.distributed import ALONE, World
from openmov.runtime.progress import note
from openmov.text.vocabulary import Vocabulary, load_vocabulary
from openmov.training.runs import LoadedRun


@dataclass(frozen=True)
class EvalClips:
    """What is evaluated on."""

    __test__ = False

    vocabulary: Vocabulary
    """Base and novel."""
    records: tuple[Record, ...] = field(repr=False)
    """Readable clips of the split."""
    unreadable: tuple[Unreadable, ...]
    """The others."""
    manifest_identity: str
    """Hash of the list."""
    split: str = "test"
    """Which split it is."""
    coverage: Coverage | None = None
    """What of its data set the manifest holds, where it says so."""

    def failures(self, names: Collection[str], of: Collection[str] | None = None) -> tuple[Failure, ...]:
        """The unreadable clips of some classes; `of` takes some ids alone."""
        return tuple(Failure(str(one.record.path), str(one.error)) for one in self._unreadable(names, of))

    def videos(self, names: Collection[str], evaluated: int, of: Collection[str] | None = None) -> VideosPresent:
        """How many clips of some classes there should be, and which are not there; `of` takes some ids alone."""
        missing, broken = (self._lost(kind, names, of) for kind in ("missing", "broken"))
        broken += tuple(one.record.video_id for one in self._unreadable(names, of))
        listed = evaluated + len(missing) + len(broken)
        if of is not None:
            listed = len(of)
        elif self.coverage is not None:  # also what was dropped from the manifest by hand
            by_class = self.coverage.listed_by_class.get(self.split, {})
            listed = sum(by_class.get(name, 0) for name in names)
        return VideosPresent(self.split, listed, evaluated, missing, broken)

    def _unreadable(self, names: Collection[str], of: Collection[str] | None) -> list[Unreadable]:
        chosen = [one for one in self.unreadable if one.record.label in names]
        return [one for one in chosen if of is None or one.record.video_id in of]

    def _lost(
        self, kind: Literal["missing", "broken"], names: Collection[str], of: Collection[str] | None
    ) -> tuple[str, ...]:
        lost = () if self.coverage is None else getattr(self.coverage, kind)
        chosen = (one for one in lost if one.split == self.split and one.label in names)
        return tuple(one.clip_id for one in chosen if of is None or one.clip_id in of)


@dataclass(frozen=True)
class Preparing:
    """Which clips are prepared, and how."""

    split: str = "test"
    """Of the manifest."""
    workers: int = 2
    """Threads or processes."""
    shown: bool = True
    """Whether progress is."""
    world: World = ALONE
    """The processes that share the work."""
    root: Path | None = None
    """Folder that holds the videos; None takes the manifest's."""


def load_test_clips(runs: Sequence[LoadedRun], manifest: Path, vocabulary: Path, how: Preparing) -> EvalClips:
    """The clips of one split, of base and of novel classes, prepared for every run.

    Raises VocabularyError where a role has no class, CheckpointError where a run was trained on other base classes,
    ManifestError where the manifest is faulty or a role is left without a readable clip.
    """
    names = load_vocabulary(vocabulary)
    if not (names.base and names.novel):
        what = "evaluation measures base and novel classes, and one of them has no name there"
        hint = "draw them with openmov split, or measure another data set with --protocol cross"
        raise VocabularyError(vocabulary, what, hint)
    for run in runs:
        base = names.for_protocol("base")
        require_match(run.header, vocabulary_identity=base.identity, where=run.folder.best)
    clips = prepare_clips(runs, manifest, names, how)
    for role, classes in (("base", names.base), ("novel", names.novel)):
        require_clips(manifest, clips, f"of a {role} class", f"of {role} classes", frozenset(classes))
    return clips


def prepare_clips(runs: Sequence[LoadedRun], manifest: Path, names: Vocabulary, how: Preparing) -> EvalClips:
    """The clips of one split, whatever their roles, prepared for every run. Raises ManifestError.

    Several processes first store a part each, then every one finds all of them stored and knows the same readable ones.
    """
    check_files = any(run.components.opens_files for run in runs)
    say = note if how.world.first else None
    listed = load_manifest(manifest, root=how.root, vocabulary=names, check_files=check_files, say=say)
    records = tuple(one for one in listed.records if one.split == how.split)
    unreadable: dict[str, Unreadable] = {}
    filling: dict[str, Any] = {"training": False, "workers": how.workers, "shown": how.shown}
    filling["title"] = f"preparing {how.split} clips"
    for components in _one_of_each_reading(runs):
        if how.world.size > 1:
            share = how.world.share(len(records))
            fill_caches(components.dataset(), records[share.start : share.stop], **filling)
            how.world.wait()
        prepared = fill_caches(components.dataset(), records, **filling)
        unreadable |= {one.record.video_id: one for one in prepared.unreadable}
    kept = tuple(one for one in records if one.video_id not in unreadable)
    return EvalClips(names, kept, tuple(unreadable.values()), listed.identity, how.split, load_coverage(manifest))


def require_clips(manifest: Path, clips: EvalClips, of_one: str, of_all: str, names: frozenset[str]) -> None:
    """Refuses to go on without a readable clip of these classes. Raises ManifestError."""
    if any(one.label in names for one in clips.records):
        return
    first = next((one.error for one in clips.unreadable if one.record.label in names), None)
    if first is not None:
        raise ManifestError(manifest, f"none of its {clips.split} videos {of_all} can be read: {first}")
    raise ManifestError(manifest, f"lists no {clips.split} video {of_one}", "choose another --split, or add some")


def _one_of_each_reading(runs: Sequence[LoadedRun]) -> list[Components]:
    """Runs that read the same inputs prepare the same cache entries; once is enough."""
    distinct: dict[str, Components] = {}
    for run in runs:
        recipe = run.components.recipe
        inputs = recipe.model_dump_json(include={"video", "flow", "audio", "views"})
        seen = run.components
        key = f"{inputs} {sorted(seen.modalities)} {seen.trains_video} {seen.backbone.identity}"
        distinct.setdefault(key, seen)
    return list(distinct.values())
