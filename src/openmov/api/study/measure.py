"""Measures entrants: one pass of each network over the clips serves all that answer from it.

Every evaluation is stored whole, with every clip's answer, so that a page can be made again without a network.
"""

import json
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from openmov.api.conditions import conditions_of
from openmov.api.cross import measure_cross, official_test_ids
from openmov.api.measuring import Contender, measure_under, record_run
from openmov.api.runs import LoadedRun, load_run
from openmov.api.study.answers import answering_with, contender_of
from openmov.api.study.bench import Bench
from openmov.api.study.plan import UNTRAINED, TrainingTask, Wanted
from openmov.api.study.stage import Clips
from openmov.api.study.temperatures import Evidence
from openmov.api.test_clips import Preparing, TestClips, prepare_clips, require_clips
from openmov.data.source import Unreadable, evaluation_batches
from openmov.errors import RunFolderError
from openmov.evaluation.result import Evaluation
from openmov.prediction.predictor import Recording, record
from openmov.runtime.atomic import write_text
from openmov.text.vocabulary import Protocol, Vocabulary, load_vocabulary

_Value = TypeVar("_Value")
_KEPT = 4
"""Recordings kept in memory: those of one training answer for several entrants that come one after the other."""
_BATCH = 32


@dataclass
class Measurer:
    """Measures one entrant after the other."""

    bench: Bench
    """Data and folders."""
    _runs: OrderedDict[str, LoadedRun] = field(default_factory=OrderedDict)
    _clips: dict[str, TestClips] = field(default_factory=dict)
    _recordings: OrderedDict[str, Recording] = field(default_factory=OrderedDict)

    def prepare(self, wanted: Wanted, tasks: tuple[TrainingTask, ...]) -> None:
        """Stores what its networks look at, once for all that look at the same. Raises ManifestError."""
        self._test_clips(self._runs_of(tasks), self.bench.clips(wanted), crossing=self.bench.crossing(wanted))

    def measure(self, wanted: Wanted, tasks: tuple[TrainingTask, ...]) -> None:
        """Writes the evaluations of one entrant. Raises what an evaluation does."""
        found = self._evaluated(wanted, tasks)
        fields = {protocol: evaluation.to_json() for protocol, evaluation in found.items()}
        write_text(self.bench.measurement(wanted, tasks), json.dumps(fields, ensure_ascii=False) + "\n")

    def _evaluated(self, wanted: Wanted, tasks: tuple[TrainingTask, ...]) -> dict[str, Evaluation]:
        began = time.monotonic()
        runs = [answering_with(run, wanted.entrant.answering) for run in self._runs_of(tasks)]
        listed = self.bench.clips(wanted)
        clips = self._test_clips(runs, listed, crossing=self.bench.crossing(wanted))
        recordings = [self._recording(run, clips, listed, wanted.entrant.weights) for run in runs]
        trained_on = self.bench.stage.arms[wanted.arm].clips
        evidence = Evidence(trained_on, recordings[0], clips.vocabulary, self.bench.workers)
        contender = contender_of(wanted.entrant, runs, recordings, evidence)
        seconds = {str(runs[0].folder.path): time.monotonic() - began}
        if self.bench.crossing(wanted):
            return _crossed(contender, clips, official_test_ids(listed.manifest), seconds)
        return _own(contender, clips, seconds)

    def _runs_of(self, tasks: tuple[TrainingTask, ...]) -> list[LoadedRun]:
        return [self._run(self.bench.folder(task).run) for task in tasks]

    def _run(self, folder: Path) -> LoadedRun:
        return _kept(self._runs, str(folder), lambda: load_run(folder, self.bench.stage.cache))

    def _test_clips(self, runs: Sequence[LoadedRun], listed: Clips, *, crossing: bool) -> TestClips:
        """Of the arm, or of another data set, all of whose names are possible answers of the novel path."""
        names = load_vocabulary(listed.vocabulary)
        names = Vocabulary((), names.names, names.prompts) if crossing else names
        recipes = [run.wiring.recipe.model_dump_json(include={"video", "flow", "audio", "views"}) for run in runs]
        looked = sorted({f"{run.wiring.backbone.identity} {sorted(run.wiring.modalities)}" for run in runs})
        key = f"{listed.manifest} {names.identity} {recipes} {looked}"
        if key not in self._clips:
            bench = self.bench
            clips = prepare_clips(runs, listed.manifest, names, Preparing(workers=bench.workers, shown=bench.shown))
            for said, role in (("a base class", names.base), ("a novel class", names.novel)):
                if role:
                    require_clips(listed.manifest, clips, f"of {said}", f"of {said}", frozenset(role))
            self._clips[key] = clips
        return self._clips[key]

    def _recording(self, run: LoadedRun, clips: TestClips, listed: Clips, weights: str) -> Recording:
        drawn_back = run.wiring.recipe.prediction.encoder_weight
        looked = f"{listed.manifest} {clips.vocabulary.identity} {len(clips.records)}"
        key = f"{run.folder.path} {weights} {drawn_back} {looked}"
        return _kept(self._recordings, key, lambda: self._pass(run, clips, weights))

    def _pass(self, run: LoadedRun, clips: TestClips, weights: str) -> Recording:
        workers = self.bench.workers
        if weights != UNTRAINED:
            return record_run(run, clips.records, checkpoint=_checkpoint(run, weights), workers=workers)
        lost: list[Unreadable] = []
        batches = evaluation_batches(run.wiring.reader(), clips.records, _BATCH, lost, workers)
        recording = record(run.wiring.network(), batches)
        if lost:
            raise lost[0].error
        return recording


def read_measurement(path: Path) -> dict[str, Evaluation]:
    """Evaluations by protocol. Raises RunFolderError for a damaged file."""
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
        return {protocol: Evaluation.from_json(one, path) for protocol, one in fields.items()}
    except (OSError, ValueError, AttributeError) as error:
        what = f"is damaged ({type(error).__name__})"
        raise RunFolderError(path, what, "delete it, and run the study again") from error


def _own(contender: Contender, clips: TestClips, seconds: Mapping[str, float]) -> dict[str, Evaluation]:
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
    contender: Contender, clips: TestClips, official: Sequence[frozenset[str]], seconds: dict[str, float]
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
