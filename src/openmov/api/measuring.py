"""Measures runs of one task on base and novel classes, beside frozen CLIP and score fusion.

    runs --one pass of each network over the test clips--> recordings
         --answer rules--> rows of the table, curves over epochs, tau_v sweep --> TaskReport

The vocabulary is given, never taken from a run; it must name the run's base classes as base.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from openmov.api.prepare import fill_caches
from openmov.api.runs import LoadedRun, load_calibration, load_trained
from openmov.api.wiring import Wiring
from openmov.baselines.frozen_clip import FrozenCLIPRule
from openmov.baselines.score_fusion import ScoreFusion
from openmov.data.manifest import load_manifest
from openmov.data.records import Record
from openmov.data.source import Unreadable, evaluation_batches
from openmov.errors import ManifestError, VocabularyError
from openmov.evaluation.content import MethodKind
from openmov.evaluation.evaluator import evaluate
from openmov.evaluation.result import Evaluation, Failure
from openmov.prediction.base_novel import NovelPath
from openmov.prediction.predictor import BaseNovelRule, RecordedScorer, Recording, record
from openmov.runtime.checkpoint import require_match
from openmov.text.vocabulary import Protocol, Vocabulary, load_vocabulary
from openmov.types import Scorer

_BATCH = 32
METHOD_NAMES = {"video_only": "Video only", "flow_only": "Flow only", "audio_only": "Sound only"}
"""How the single modalities are called in results."""


@dataclass(frozen=True)
class Method:
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


@dataclass(frozen=True)
class TestClips:
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


def load_test_clips(
    runs: Sequence[LoadedRun], manifest: Path, vocabulary: Path, split: str, *, workers: int, shown: bool
) -> TestClips:
    """The clips of one split, prepared for every run.

    Raises VocabularyError where a role has no class, CheckpointError where a run was trained on other base classes,
    ManifestError where the manifest is faulty or a role is left without a readable clip.
    """
    names = load_vocabulary(vocabulary)
    if not (names.base and names.novel):
        what = "evaluation measures base and novel classes, and one of them has no name there"
        raise VocabularyError(vocabulary, what, "draw them with openmov split")
    for run in runs:
        base = names.for_protocol("base")
        require_match(run.header, vocabulary_identity=base.identity, where=run.folder.best)
    listed = load_manifest(manifest, vocabulary=names)
    records = tuple(one for one in listed.records if one.split == split)
    unreadable: dict[str, Unreadable] = {}
    for wiring in _one_of_each_reading(runs):
        prepared = fill_caches(
            wiring.reader(), records, training=False, workers=workers, title=f"preparing {split} clips", shown=shown
        )
        unreadable |= {one.record.video_id: one for one in prepared.unreadable}
    kept = tuple(one for one in records if one.video_id not in unreadable)
    for role, classes in (("base", names.base), ("novel", names.novel)):
        _require_clips(manifest, split, role, frozenset(classes), kept, list(unreadable.values()))
    return TestClips(names, kept, tuple(unreadable.values()), listed.identity)


def _require_clips(
    manifest: Path, split: str, role: str, names: frozenset[str], kept: Sequence[Record], lost: Sequence[Unreadable]
) -> None:
    if any(one.label in names for one in kept):
        return
    first = next((one.error for one in lost if one.record.label in names), None)
    if first is not None:
        raise ManifestError(manifest, f"none of its {split} videos of {role} classes can be read: {first}")
    raise ManifestError(manifest, f"lists no {split} video of a {role} class", "choose another --split, or add some")


def record_run(run: LoadedRun, clips: Sequence[Record], *, checkpoint: Path | None = None, workers: int) -> Recording:
    """One pass of a run's network, with the weights of a checkpoint (default: the best), over the clips.

    Raises DecodeError where a clip that was prepared can no longer be read, CheckpointError.
    """
    network = load_trained(run.wiring, checkpoint or run.folder.best)
    lost: list[Unreadable] = []
    recording = record(network, evaluation_batches(run.wiring.reader(), clips, _BATCH, lost, workers))
    if lost:
        raise lost[0].error
    return recording


def measure(
    name: str, kind: MethodKind, scorer: Scorer, recording: Recording, clips: TestClips, note: str = ""
) -> Method:
    """One scorer under the three protocols."""

    def under(protocol: Protocol) -> Evaluation:
        vocabulary = clips.vocabulary.for_protocol(protocol)
        chosen = recording if protocol == "generalised" else recording.where(vocabulary.names)
        failures = [
            Failure(str(one.record.path), str(one.error))
            for one in clips.unreadable
            if one.record.label in vocabulary.names
        ]
        return evaluate(scorer, chosen.batches(), vocabulary, failures=failures, what=f"{name}, {protocol}")

    return Method(name, kind, under("base"), under("novel"), under("generalised"), note)


def measure_runs(runs: Sequence[LoadedRun], recordings: Sequence[Recording], clips: TestClips) -> list[Method]:
    """Frozen CLIP, every run, and score fusion of the single-modality runs: table 5's rows, weakest idea first.

    A calibrated MOV gives two rows: the paper's beta and tau_v, and its own.
    """
    methods: list[Method] = []
    singles: list[tuple[Scorer, Recording]] = []
    for run, recording in zip(runs, recordings, strict=True):
        embed = run.wiring.class_embedder()
        if run.method == "mov":
            clip = RecordedScorer(recording, embed, FrozenCLIPRule(run.wiring.backbone.temperature))
            methods.insert(0, measure(f"{run.wiring.backbone.family} (frame average)", "clip", clip, recording, clips))
        else:
            scorer = RecordedScorer(recording, embed, run.rule)
            singles.append((scorer, recording))
            kind: MethodKind = "video" if run.method == "video_only" else "single"
            methods.append(measure(METHOD_NAMES[run.method], kind, scorer, recording, clips))
    if len(singles) > 1:
        fusion = ScoreFusion([scorer for scorer, _ in singles])
        methods.append(measure("Score fusion", "score_fusion", fusion, singles[0][1], clips))
    for run, recording in zip(runs, recordings, strict=True):
        if run.method == "mov":
            methods += list(_mov_rows(run, recording, clips))
    return methods


def _mov_rows(run: LoadedRun, recording: Recording, clips: TestClips) -> Iterator[Method]:
    embed = run.wiring.class_embedder()
    settings = run.wiring.novel_path
    yield measure("MOV", "mov", RecordedScorer(recording, embed, run.rule), recording, clips, _note(settings))
    calibrated = load_calibration(run.folder.path)
    if calibrated is not None:
        scorer = RecordedScorer(recording, embed, BaseNovelRule(run.wiring.tau, calibrated))
        yield measure("MOV, calibrated", "mov_calibrated", scorer, recording, clips, _note(calibrated))


def _note(settings: NovelPath) -> str:
    return f"beta {settings.beta:g}, tau_v {settings.tau_v:g}"


def _one_of_each_reading(runs: Sequence[LoadedRun]) -> list[Wiring]:
    """Runs that read the same inputs prepare the same cache entries; once is enough."""
    distinct: dict[str, Wiring] = {}
    for run in runs:
        recipe = run.wiring.recipe
        inputs = recipe.model_dump_json(include={"video", "flow", "audio", "views"})
        key = f"{inputs} {sorted(run.wiring.modalities)} {run.wiring.backbone.identity}"
        distinct.setdefault(key, run.wiring)
    return list(distinct.values())
