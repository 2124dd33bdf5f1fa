"""Measures runs of one task on base and novel classes, beside frozen CLIP and score fusion.

    runs --one pass of each network over the test clips--> recordings
         --answer rules--> contenders --protocols--> rows of the table

The vocabulary is given, never taken from a run; it must name the run's base classes as base.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from openmov.api.conditions import conditions_of
from openmov.api.runs import LoadedRun, load_calibration, load_trained
from openmov.api.test_clips import TestClips, load_test_clips
from openmov.baselines.frozen_clip import FrozenCLIPRule
from openmov.baselines.score_fusion import ScoreFusion
from openmov.data.records import Record
from openmov.data.source import Unreadable, evaluation_batches
from openmov.evaluation.conditions import Conditions
from openmov.evaluation.content import MethodKind
from openmov.evaluation.evaluator import evaluate
from openmov.evaluation.result import Evaluation
from openmov.methods import METHODS
from openmov.prediction.base_novel import NovelPath
from openmov.prediction.parts import gathered, own_part
from openmov.prediction.predictor import RecordedScorer, Recording, record
from openmov.runtime.distributed import ALONE, World
from openmov.text.vocabulary import Protocol, Vocabulary
from openmov.types import Scorer

__all__ = [
    "Contender",
    "Method",
    "TestClips",
    "contenders",
    "load_test_clips",
    "measure",
    "measure_runs",
    "record_run",
]

_BATCH = 32
_FUSED_SINGLES = ("video_only", "flow_only", "audio_only")
"""Whose probabilities score fusion averages."""
_AS_THE_RECIPE_SAYS: MethodKind = "mov"
_CHOSEN: MethodKind = "mov_calibrated"
_KINDS: dict[str, MethodKind] = {"video_only": "video", "flow_only": "single", "audio_only": "single"}


@dataclass(frozen=True)
class Contender:
    """A row of the results before it is measured."""

    name: str
    """As shown."""
    kind: MethodKind
    """What it is."""
    scorer: Scorer = field(repr=False)
    """What answers."""
    recording: Recording = field(repr=False)
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


def record_run(
    run: LoadedRun,
    clips: Sequence[Record],
    *,
    checkpoint: Path | None = None,
    workers: int,
    world: World = ALONE,
) -> Recording:
    """One pass of a run's network, with the weights of a checkpoint (default: the best), over the clips.

    Each process of `world` looks at a part of them, and all have the whole recording afterwards. Raises DecodeError
    where a clip that was prepared can no longer be read, CheckpointError, OpenMovError where a process has stopped.
    """
    network = load_trained(run.wiring, checkpoint or run.folder.best)
    lost: list[Unreadable] = []
    share = own_part(world, len(clips), _BATCH)
    ours = clips[share.start : share.stop]
    batches = evaluation_batches(run.wiring.reader(), ours, _BATCH, lost, workers)
    recording = record(network, batches) if ours or world.size == 1 else None
    if lost:
        raise lost[0].error
    return recording if world.size == 1 and recording is not None else gathered(world, recording)


def measure(
    name: str,
    kind: MethodKind,
    scorer: Scorer,
    recording: Recording,
    clips: TestClips,
    note: str = "",
    conditions: Conditions | None = None,
) -> Method:
    """One scorer under the three protocols."""
    contender = Contender(name, kind, scorer, recording, note)

    def under(protocol: Protocol) -> Evaluation:
        vocabulary = clips.vocabulary.for_protocol(protocol)
        return measure_under(contender, clips, vocabulary, what=f"{name}, {protocol}", conditions=conditions)

    return Method(name, kind, under("base"), under("novel"), under("generalised"), note)


def measure_under(
    contender: Contender,
    clips: TestClips,
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
    recordings: Sequence[Recording],
    clips: TestClips,
    seconds: Mapping[str, float] | None = None,
) -> list[Method]:
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
        for one in contenders(runs, recordings)
    ]


def contenders(runs: Sequence[LoadedRun], recordings: Sequence[Recording]) -> list[Contender]:
    """Frozen CLIP, every run, and score fusion of the single-modality runs: table 5's rows, weakest idea first.

    A calibrated MOV gives two rows: the paper's beta and tau_v, and its own.
    """
    found: list[Contender] = []
    singles: list[Contender] = []
    for run, recording in zip(runs, recordings, strict=True):
        if run.method != "mov":
            scorer = RecordedScorer(recording, *run.answering())
            row = Contender(
                METHODS.get(run.method).title, _KINDS.get(run.method, "other"), scorer, recording, runs=(run,)
            )
            singles += [row] if run.method in _FUSED_SINGLES else []
            found.append(row)
    seeing = [place for place, one in enumerate(recordings) if one.embeddings.frozen is not None]
    if seeing:  # a MOV's own before another run's
        place = min(seeing, key=lambda place: runs[place].method != "mov")
        found.insert(0, _clip_row(runs[place], recordings[place]))
    if len(singles) > 1:
        fusion = ScoreFusion([one.scorer for one in singles])
        of = tuple(run for one in singles for run in one.runs)
        found.append(Contender("Score fusion", "score_fusion", fusion, singles[0].recording, runs=of))
    for run, recording in zip(runs, recordings, strict=True):
        if run.method == "mov":
            found += list(_mov_rows(run, recording))
    return found


def _clip_row(run: LoadedRun, recording: Recording) -> Contender:
    rule = FrozenCLIPRule(run.wiring.backbone.temperature)
    scorer = RecordedScorer(recording, run.wiring.class_embedder(), rule)
    return Contender(f"{run.wiring.backbone.family} (frame average)", "clip", scorer, recording, runs=(run,))


def _mov_rows(run: LoadedRun, recording: Recording) -> Iterator[Contender]:
    yield mov_row(run, recording, run.wiring.novel_path)
    calibrated = load_calibration(run.folder.path)
    if calibrated is not None:
        yield mov_row(run, recording, calibrated, "calibrated")


def mov_row(run: LoadedRun, recording: Recording, path: NovelPath, chosen: str = "") -> Contender:
    """A MOV that answers by a novel path: the recipe's, or one that was `chosen` in some way."""
    scorer = RecordedScorer(recording, run.wiring.class_embedder(), replace(run.rule, novel=path))
    name = "MOV" if run.wiring.recipe.model.fusion == "asymmetric" else "MOV, symmetric fusion"
    said, kind = (f"{name}, {chosen}", _CHOSEN) if chosen else (name, _AS_THE_RECIPE_SAYS)
    return Contender(said, kind, scorer, recording, _note(run, path), (run,), path)


def _note(run: LoadedRun, settings: NovelPath) -> str:
    prediction = run.wiring.recipe.prediction
    weighed = ", weighed" if prediction.generalised == "weighed" else ""
    mixed = f", encoder weight {prediction.encoder_weight:g}" if prediction.encoder_weight < 1 else ""
    return f"beta {settings.beta:g}, tau_v {settings.tau_v:.3g}{weighed}{mixed}"
