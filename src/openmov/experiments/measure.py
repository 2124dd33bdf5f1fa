"""Measures methods: one pass of each network over the clips serves all that answer from it.

    runs --one pass each--> recordings --an answer by its name--> Method --protocols--> evaluations, stored whole

Every evaluation is stored with every clip's answer, so that a page can be made again without a network. How embeddings
become answers has a name, for `MethodSpec.answer`: to add one, write a function from runs and their recordings to a
Method and give it a name in ANSWERS; another beta and tau_v for MOV is a function with a name in PATHS.

entropy    tau_v at which D_v is as sure as D_x on validation clips of base classes: `openmov train --calibrate
           entropy`, afterwards; no label is looked at, and beta stays the recipe's
best       the pair of the grid that answers most of the novel test clips: a bound read off the very clips it is
           measured on, which chooses nothing
"""

import json
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from openmov.config.load import change_recipe
from openmov.data.loader import Unreadable, evaluation_batches
from openmov.documents import read_json
from openmov.errors import RecipeError, RunFolderError
from openmov.evaluation.result import Evaluation
from openmov.experiments.context import StudyContext
from openmov.experiments.data import Clips
from openmov.experiments.study import MethodSpec
from openmov.experiments.trainings import UNTRAINED, Measurement, TrainingTask
from openmov.runs.clips import EvalClips, Preparing, prepare_clips, require_clips
from openmov.runs.evaluate import measure_cross, official_test_ids
from openmov.runs.measure import Method, embed_run, measure_under, methods_of, mov_row
from openmov.runs.provenance import conditions_of
from openmov.runtime.atomic import write_text
from openmov.scoring.calibration import calibrate, match_entropy
from openmov.scoring.embeddings import Embeddings, record
from openmov.scoring.paths import NovelPath
from openmov.text.vocabulary import Protocol, Vocabulary, load_vocabulary
from openmov.training.calibrate import EVALUATION_BATCH
from openmov.training.data import load_base
from openmov.training.runs import LoadedRun, load_run, load_trained


@dataclass(frozen=True)
class PathInputs:
    """What a choice may look at beside the run."""

    trained_on: Clips
    """The list whose validation clips of base classes the run was chosen by."""
    tested: Embeddings = field(repr=False)
    """The test clips."""
    names: Vocabulary
    """Theirs."""
    workers: int
    """Threads that read videos."""


def matched_path(run: LoadedRun, inputs: PathInputs) -> NovelPath:
    """As sure as flow or sound on validation clips. Raises ManifestError, VocabularyError; ValueError for no clip."""
    listed = inputs.trained_on
    data = load_base(listed.manifest, listed.vocabulary, run.components.recipe.training.seed)
    lost: list[Unreadable] = []  # the training counted and listed them
    batches = evaluation_batches(run.components.dataset(), data.val, EVALUATION_BATCH, lost, inputs.workers)
    recording = record(load_trained(run.components, run.folder.best), batches)
    return match_entropy(recording, run.components.class_embedder(), data.vocabulary, run.components.novel_path).chosen


def best_path(run: LoadedRun, inputs: PathInputs) -> NovelPath:
    """The best of the grid on the novel test clips themselves. Raises ValueError where there is none."""
    embed = run.components.class_embedder()
    return calibrate(inputs.tested, embed, inputs.names, run.components.novel_path.tau_x).chosen


PATHS: Mapping[str, Callable[[LoadedRun, PathInputs], NovelPath]] = {"entropy": matched_path, "best": best_path}
"""By the names that studies use."""


Answer = Callable[[Sequence[LoadedRun], Sequence[Embeddings]], Method]
"""Runs of one method, with the passes of their networks over the clips."""


def _frozen(runs: Sequence[LoadedRun], recordings: Sequence[Embeddings]) -> Method:
    return _of_kind("clip", runs, recordings)


def _calibrated(runs: Sequence[LoadedRun], recordings: Sequence[Embeddings]) -> Method:
    return _of_kind("mov_calibrated", runs, recordings)


def _by_recipe(runs: Sequence[LoadedRun], recordings: Sequence[Embeddings]) -> Method:
    """The run itself, or the score fusion of several."""
    if len(runs) > 1:
        return _of_kind("score_fusion", runs, recordings)
    return next(one for one in methods_of(runs, recordings) if one.kind not in ("clip", "mov_calibrated"))


def _of_kind(kind: str, runs: Sequence[LoadedRun], recordings: Sequence[Embeddings]) -> Method:
    return next(one for one in methods_of(runs, recordings) if one.kind == kind)


ANSWERS: Mapping[str, Answer] = {"paper": _by_recipe, "frozen": _frozen, "calibrated": _calibrated}
"""By the names that studies use."""


def method_of(
    method: MethodSpec, runs: Sequence[LoadedRun], recordings: Sequence[Embeddings], inputs: PathInputs
) -> Method:
    """What is measured, of runs that answer as it says. Raises RecipeError for an answer that is none."""
    if method.answer in PATHS:
        (run,), (recording,) = runs, recordings
        return mov_row(run, recording, PATHS[method.answer](run, inputs), method.answer)
    if method.answer not in ANSWERS:
        there = ", ".join((*ANSWERS, *PATHS))
        raise RecipeError("answer", f"{method.answer!r} is not a way to answer", f"there are {there}")
    return ANSWERS[method.answer](runs, recordings)


def answering_with(run: LoadedRun, changes: Sequence[str]) -> LoadedRun:
    """The same run with other fields of `prediction`; what was trained stays as it is."""
    if not changes:
        return run
    fields = change_recipe(run.components.recipe, changes).prediction
    recipe = run.components.recipe.model_copy(update={"prediction": fields})
    return replace(run, components=replace(run.components, recipe=recipe))


_Value = TypeVar("_Value")
_KEPT = 4
"""Recordings kept in memory: those of one training answer for several methods that come one after the other."""
_BATCH = 32


@dataclass
class Measurer:
    """Measures one method after the other."""

    context: StudyContext
    """Data and folders."""
    _runs: OrderedDict[str, LoadedRun] = field(default_factory=OrderedDict)
    _clips: dict[str, EvalClips] = field(default_factory=dict)
    _recordings: OrderedDict[str, Embeddings] = field(default_factory=OrderedDict)

    def prepare(self, measurement: Measurement, tasks: tuple[TrainingTask, ...]) -> None:
        """Stores what its networks look at, once for all that look at the same. Raises ManifestError."""
        self._test_clips(
            self._runs_of(tasks), self.context.clips(measurement), crossing=self.context.crossing(measurement)
        )

    def measure(self, measurement: Measurement, tasks: tuple[TrainingTask, ...]) -> None:
        """Writes the evaluations of one method. Raises what an evaluation does."""
        found = self._evaluated(measurement, tasks)
        fields = {protocol: evaluation.to_json() for protocol, evaluation in found.items()}
        write_text(self.context.measurement_file(measurement, tasks), json.dumps(fields, ensure_ascii=False) + "\n")

    def _evaluated(self, measurement: Measurement, tasks: tuple[TrainingTask, ...]) -> dict[str, Evaluation]:
        began = time.monotonic()
        runs = [answering_with(run, measurement.method.answering) for run in self._runs_of(tasks)]
        listed = self.context.clips(measurement)
        clips = self._test_clips(runs, listed, crossing=self.context.crossing(measurement))
        recordings = [self._recording(run, clips, listed, measurement.method.weights) for run in runs]
        trained_on = self.context.data.tracks[measurement.track].clips
        inputs = PathInputs(trained_on, recordings[0], clips.vocabulary, self.context.workers)
        contender = method_of(measurement.method, runs, recordings, inputs)
        seconds = {str(runs[0].folder.path): time.monotonic() - began}
        if self.context.crossing(measurement):
            return _crossed(contender, clips, official_test_ids(listed.manifest), seconds)
        return _own(contender, clips, seconds)

    def _runs_of(self, tasks: tuple[TrainingTask, ...]) -> list[LoadedRun]:
        return [self._run(self.context.folder(task).run) for task in tasks]

    def _run(self, folder: Path) -> LoadedRun:
        return _kept(self._runs, str(folder), lambda: load_run(folder, self.context.data.cache))

    def _test_clips(self, runs: Sequence[LoadedRun], listed: Clips, *, crossing: bool) -> EvalClips:
        """Of the track, or of another data set, all of whose names are possible answers of the novel path."""
        names = load_vocabulary(listed.vocabulary)
        names = Vocabulary((), names.names, names.prompts) if crossing else names
        recipes = [run.components.recipe.model_dump_json(include={"video", "flow", "audio", "views"}) for run in runs]
        looked = sorted({f"{run.components.backbone.identity} {sorted(run.components.modalities)}" for run in runs})
        key = f"{listed.manifest} {names.identity} {recipes} {looked}"
        if key not in self._clips:
            context = self.context
            clips = prepare_clips(runs, listed.manifest, names, Preparing(workers=context.workers, shown=context.shown))
            for said, role in (("a base class", names.base), ("a novel class", names.novel)):
                if role:
                    require_clips(listed.manifest, clips, f"of {said}", f"of {said}", frozenset(role))
            self._clips[key] = clips
        return self._clips[key]

    def _recording(self, run: LoadedRun, clips: EvalClips, listed: Clips, weights: str) -> Embeddings:
        encoder_weight = run.components.recipe.prediction.encoder_weight
        looked = f"{listed.manifest} {clips.vocabulary.identity} {len(clips.records)}"
        key = f"{run.folder.path} {weights} {encoder_weight} {looked}"
        return _kept(self._recordings, key, lambda: self._pass(run, clips, weights))

    def _pass(self, run: LoadedRun, clips: EvalClips, weights: str) -> Embeddings:
        workers = self.context.workers
        if weights != UNTRAINED:
            return embed_run(run, clips.records, checkpoint=_checkpoint(run, weights), workers=workers)
        lost: list[Unreadable] = []
        batches = evaluation_batches(run.components.dataset(), clips.records, _BATCH, lost, workers)
        recording = record(run.components.network(), batches)
        if lost:
            raise lost[0].error
        return recording


def read_measurement(path: Path) -> dict[str, Evaluation]:
    """Evaluations by protocol. Raises RunFolderError for a damaged file."""
    try:
        fields = read_json(path)
        return {protocol: Evaluation.from_json(one, path) for protocol, one in fields.items()}
    except (OSError, ValueError, AttributeError) as error:
        what = f"is damaged ({type(error).__name__})"
        raise RunFolderError(path, what, "delete it, and run the study again") from error


def _own(contender: Method, clips: EvalClips, seconds: Mapping[str, float]) -> dict[str, Evaluation]:
    """Base, novel and generalised, as far as the vocabulary has both roles."""
    names = clips.vocabulary
    runs, trained, path = contender.runs, contender.trained, contender.path
    conditions = conditions_of(runs, clips, trained=trained, seconds=seconds, path=path)
    protocols: tuple[Protocol, ...] = ("base", "novel", "generalised") if names.novel else ("base",)
    return {
        one: measure_under(
            contender, clips, names.for_protocol(one), what=f"{contender.name}, {one}", conditions=conditions
        )
        for one in protocols
    }


def _crossed(
    contender: Method, clips: EvalClips, official: Sequence[frozenset[str]], seconds: dict[str, float]
) -> dict[str, Evaluation]:
    """The full set, each official split, each random half."""
    found = measure_cross(contender, clips, official, seconds)
    named = {"full": found.full} | {f"split{number}": one for number, one in found.splits.items()}
    return named | {f"half{seed}": one for seed, one in found.halves.items()}


def _checkpoint(run: LoadedRun, weights: str) -> Path:
    kind, _, number = weights.partition(" ")
    return run.folder.best if kind == "best" else run.folder.epoch(int(number) - 1)


def _kept(store: OrderedDict[str, _Value], key: str, make: Callable[[], _Value]) -> _Value:
    """The value of a key; the ones used longest ago are forgotten."""
    value = store.pop(key) if key in store else make()
    store[key] = value
    while len(store) > _KEPT:
        store.popitem(last=False)
    return value
