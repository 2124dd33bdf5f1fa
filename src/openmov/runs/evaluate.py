"""`openmov evaluate`: measures the runs of one task and leaves figures, every answer and a page.

OUT/report.html, report.json               the page, and every number on it
OUT/evaluations/mov-novel.json ...         every video's answer under every method and protocol
RUN/results/results.json, evaluations/     the run's own rows and answers, for `openmov compare`
"""

import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Unpack

from openmov.data.coverage import load_coverage
from openmov.data.manifest import load_manifest
from openmov.errors import RunFolderError
from openmov.evaluation.metrics import HALF_SEEDS, half_vocabulary
from openmov.evaluation.result import Evaluation
from openmov.evaluation.rows import CrossRow, confusion_map, cross_row, protocol_row, reliability
from openmov.methods import METHODS
from openmov.report.content import ReportContent, TaskReport, method_row
from openmov.report.report import ANSWERS_FOLDER, write_report
from openmov.runs.clips import Preparing, prepare_clips, require_clips
from openmov.runs.measure import (
    EvalClips,
    EvaluateOptions,
    Method,
    MethodResult,
    data_facts,
    failures_of,
    load_test_clips,
    measure_runs,
    measure_under,
    methods_of,
    record_runs,
)
from openmov.runs.provenance import conditions_of, fact_groups
from openmov.runs.task_report import task_report
from openmov.runtime.atomic import require_writable, write_together
from openmov.runtime.checkpoint import require_match
from openmov.runtime.own_files import stamped, write_own
from openmov.runtime.run_folder import RunFolder
from openmov.scoring.embeddings import Embeddings
from openmov.text.vocabulary import Vocabulary, load_vocabulary
from openmov.training.runs import LoadedRun

RESULTS_FILE = "results.json"

HONEST_NOTES = (
    "No MOV trained on Kinetics or VGGSound has been released by anyone; the published figures stand here for the "
    "pattern, not as numbers to be compared with ours.",
    "No novel class, clip or name was loaded in training. Accuracy over epochs was measured afterwards.",
)


@dataclass(frozen=True)
class EvaluatedTask:
    """One task, measured."""

    runs: tuple[LoadedRun, ...] = field(repr=False)
    """The runs, as given."""
    recordings: tuple[Embeddings, ...] = field(repr=False)
    """Their embeddings of the test clips."""
    clips: EvalClips
    """What was measured on."""
    methods: tuple[MethodResult, ...]
    """The rows."""

    @property
    def mov(self) -> tuple[LoadedRun, Embeddings]:
        """The run of the whole model. Raises RunFolderError where there is none."""
        place = _place_of_mov(self.runs)
        return self.runs[place], self.recordings[place]

    @property
    def data_facts(self) -> Mapping[str, str]:
        """What was evaluated on, in words."""
        return data_facts(self.clips)


def evaluate_task(
    run_folders: Sequence[Path],
    manifest: Path,
    vocabulary: Path,
    *,
    with_page: bool = False,
    **how: Unpack[EvaluateOptions],
) -> EvaluatedTask:
    """Measures runs of one task under the base, novel and generalised protocols; writes each run's own rows.

    `how`: `cache_folder`; the manifest's `split` ("test"); `backbone`, where the runs' backbone lies now, if not where
    it lay in training; `views` (clips x crops) in place of the recipe's; `features`, a folder of stored video
    embeddings; `changes` of the recipe's `prediction` (prediction.generalised=weighed); `workers` (2); `shown`, whether
    progress is. `with_page` says that `write_evaluation` follows.
    Started by torchrun, each process looks at a part of the clips, all of them answer alike, and the first writes.

    Raises RunFolderError for no run, two of one method, or a page without a run of the method mov; CheckpointError,
    BackboneError, FeaturesError, ManifestError, VocabularyError, all before a video is opened.
    """

    def check(runs: Sequence[LoadedRun]) -> None:
        _refuse_two_of_a_method(runs)
        for run in runs:
            require_writable(run.folder.results)
        if with_page:
            _place_of_mov(runs)

    def prepare(runs: Sequence[LoadedRun], preparing: Preparing) -> EvalClips:
        return load_test_clips(runs, manifest, vocabulary, preparing)

    seen = record_runs(run_folders, check, prepare, **how)
    methods = measure_runs(seen.runs, seen.recordings, seen.clips, seen.seconds)
    task = EvaluatedTask(seen.runs, seen.recordings, seen.clips, tuple(methods))
    for run in task.runs if seen.writes else ():
        _write_rows(run, task)
    return task


def report_of(task: EvaluatedTask, title: str, explanation: str, *, num_examples: int, workers: int) -> TaskReport:
    """The task's part of a report page."""
    run, recording = task.mov
    return task_report(
        title,
        explanation,
        run,
        recording,
        task.methods,
        task.clips,
        num_examples=num_examples,
        workers=workers,
    )


def write_evaluation(task: EvaluatedTask, out: Path, *, num_examples: int = 4, workers: int = 2) -> Path:
    """Writes the page of one task and every video's answers into `out`; returns the page's path.

    Raises RunFolderError where no run is of the method mov, StorageError.
    """
    run, _ = task.mov
    title = run.components.recipe.name
    report = report_of(task, title, "", num_examples=num_examples, workers=workers)
    last = task.methods[-1]
    content = ReportContent(
        title=f"openmov: {title}",
        facts=fact_groups({title: run.components}, {title: task.data_facts}, {last.name: last.generalised.conditions}),
        tasks=(report,),
        num_files=len(task.clips.records) + len(task.clips.unreadable),
        failures=failures_of(task.clips),
        notes=HONEST_NOTES,
    )
    return write_report(out, content, answer_texts(task.methods, out))


def write_answers(methods: Sequence[MethodResult], out: Path) -> None:
    """Every video's answer under every method and protocol, as JSON. Raises StorageError, also for a file not ours."""
    write_own(answer_texts(methods, out))


def answer_texts(methods: Sequence[MethodResult], out: Path) -> dict[Path, str]:
    """The same as files and what is to be in them."""
    return {
        answer_path(out, method.name, one.protocol): answer_text(one)
        for method in methods
        for one in (method.base, method.novel, method.generalised)
    }


def answer_text(evaluation: Evaluation) -> str:
    """One evaluation as JSON: figures first, then every record."""
    return json.dumps(stamped(evaluation.to_json()), ensure_ascii=False) + "\n"


def write_into_run(folder: RunFolder, texts: Mapping[Path, str]) -> None:
    """Results of a run, in its own folder, all or none.

    Raises RunFolderError where the folder has gone meanwhile, StorageError.
    """
    RunFolder.open(folder.path, folder.fingerprint)
    write_together(texts)


def answer_path(out: Path, method: str, protocol: str) -> Path:
    """Where the answers of a method under a protocol lie."""
    name = "-".join(re.findall(r"[a-z0-9]+", method.lower()))
    return out / ANSWERS_FOLDER / f"{name}-{protocol}.json"


def _refuse_two_of_a_method(runs: Sequence[LoadedRun]) -> None:
    methods = [run.method for run in runs]
    twice = sorted({method for method in methods if methods.count(method) > 1})
    if twice:
        hint = "evaluate one at a time, then put them side by side with openmov compare"
        raise RunFolderError("evaluate", f"more than one run is of the method {twice[0]}", hint)


def _place_of_mov(runs: Sequence[LoadedRun]) -> int:
    for place, run in enumerate(runs):
        if run.method == "mov":
            return place
    raise RunFolderError("evaluate", "none of the runs is of the method mov, which the page is about", "name one")


def _write_rows(run: LoadedRun, task: EvaluatedTask) -> None:
    """The run's own rows and answers: a MOV's with its calibrated one and frozen CLIP, a single modality's alone."""
    own = None if run.method == "mov" else METHODS.get(run.method).title
    methods = [
        method
        for method in task.methods
        if method.name == own or (own is None and method.kind in ("mov", "mov_calibrated", "clip"))
    ]
    rows = [
        {
            "method": method.name,
            "kind": method.kind,
            "note": method.note,
            "base": [int(method.base.correct.sum()), len(method.base.records)],
            "novel": [int(method.novel.correct.sum()), len(method.novel.records)],
        }
        for method in methods
    ]
    text = json.dumps(stamped({"rows": rows, "videos": task.data_facts}), indent=1, ensure_ascii=False)
    answers = answer_texts([method for method in methods if method.kind != "clip"], run.folder.results)
    write_into_run(run.folder, {run.folder.results / RESULTS_FILE: text + "\n", **answers})


NOTE = "Every class was trained on: nothing here is open-vocabulary, and nothing was measured on novel classes."


@dataclass(frozen=True)
class BaseTask:
    """Runs on the classes that they were trained on, measured."""

    runs: tuple[LoadedRun, ...] = field(repr=False)
    """The runs, as given."""
    clips: EvalClips
    """What was measured on."""
    methods: tuple[tuple[Method, Evaluation], ...] = field(repr=False)
    """The rows."""


def without_novel(vocabulary: Path) -> bool:
    """Whether all its classes are base. Raises VocabularyError."""
    names = load_vocabulary(vocabulary)
    return bool(names.base) and not names.novel


def evaluate_base(
    run_folders: Sequence[Path],
    manifest: Path,
    vocabulary: Path,
    **how: Unpack[EvaluateOptions],
) -> BaseTask:
    """Measures runs on a vocabulary without a novel class; each run's own answers go into its folder.

    `how` is what `EvaluateOptions` lists. Raises RunFolderError for no run, CheckpointError where a run was trained on
    other classes, BackboneError, ManifestError, VocabularyError, all before a video is opened.
    """
    names = load_vocabulary(vocabulary)

    def check(runs: Sequence[LoadedRun]) -> None:
        for run in runs:
            require_writable(run.folder.results)
            require_match(run.header, vocabulary_identity=names.for_protocol("base").identity, where=run.folder.best)

    def prepare(runs: Sequence[LoadedRun], preparing: Preparing) -> EvalClips:
        clips = prepare_clips(runs, manifest, names, preparing)
        require_clips(manifest, clips, "of a base class", "of base classes", frozenset(names.base))
        return clips

    seen = record_runs(run_folders, check, prepare, **how)
    # On the base path alone beta and tau_v change nothing: a calibrated MOV would be the same row again.
    listed = [one for one in methods_of(seen.runs, seen.recordings) if one.kind != "mov_calibrated"]
    methods = tuple((one, _measured(one, seen.clips, seen.seconds)) for one in listed)
    for one, evaluation in methods if seen.writes else ():
        if one.trained and len(one.runs) == 1:
            folder = one.runs[0].folder
            write_into_run(folder, {answer_path(folder.results, one.name, "base"): answer_text(evaluation)})
    return BaseTask(seen.runs, seen.clips, methods)


def write_base(task: BaseTask, out: Path) -> Path:
    """Writes the page and every video's answers into `out`; returns the page's path. Raises StorageError."""
    answers = {answer_path(out, one.name, "base"): answer_text(found) for one, found in task.methods}
    title = task.runs[0].components.recipe.name
    last, found = task.methods[-1]
    report = TaskReport(
        title=title,
        rows=tuple(method_row(one.name, evaluation, None, kind=one.kind) for one, evaluation in task.methods),
        explanation=NOTE,
        num_base_classes=len(task.clips.vocabulary.base),
        protocols=tuple(protocol_row(one.name, "base", evaluation) for one, evaluation in task.methods),
        confusions=(confusion_map(last.name, "base", found),),
        reliabilities=(reliability(last.name, "base", found),),
    )
    content = ReportContent(
        title=f"openmov: {title}",
        facts=fact_groups(
            {title: task.runs[0].components}, {title: data_facts(task.clips)}, {last.name: found.conditions}
        ),
        tasks=(report,),
        num_files=len(task.clips.records) + len(task.clips.unreadable),
        failures=failures_of(task.clips),
        notes=(NOTE,),
    )
    return write_report(out, content, answers)


def _measured(one: Method, clips: EvalClips, seconds: Mapping[str, float]) -> Evaluation:
    conditions = conditions_of(one.runs, clips, trained=one.trained, seconds=seconds)
    return measure_under(
        one, clips, clips.vocabulary.for_protocol("base"), what=f"{one.name}, base", conditions=conditions
    )


@dataclass(frozen=True)
class CrossMethod:
    """One contender on another data set."""

    contender: Method
    """What answered."""
    full: Evaluation = field(repr=False)
    """Every clip, every name."""
    splits: Mapping[int, Evaluation] = field(repr=False)
    """The test clips of each official split, every name; by its number, without those of which no clip is there."""
    halves: Mapping[int, Evaluation] = field(repr=False)
    """Every clip of each random half of the classes, the names of that half; by its seed."""
    halves_of_split: Mapping[int, Evaluation] = field(repr=False)
    """The same, of the test clips of the first official split alone."""

    @property
    def row(self) -> CrossRow:
        """Its figures."""
        name, note = self.contender.name, self.contender.note
        return cross_row(name, note, self.full, self.splits, self.halves, self.halves_of_split)


@dataclass(frozen=True)
class CrossTask:
    """Runs on another data set, measured."""

    runs: tuple[LoadedRun, ...] = field(repr=False)
    """The runs, as given."""
    clips: EvalClips
    """The full set."""
    methods: tuple[CrossMethod, ...]
    """The rows."""
    shared: tuple[str, ...]
    """Names that the runs were trained on too."""

    @property
    def title(self) -> str:
        """What it was measured on."""
        return self.clips.coverage.title if self.clips.coverage else "another data set"


def evaluate_cross(
    run_folders: Sequence[Path],
    manifest: Path,
    vocabulary: Path,
    **how: Unpack[EvaluateOptions],
) -> CrossTask:
    """Measures runs on a data set with names of its own; `how` is what `EvaluateOptions` lists.

    Official splits are those `openmov dataset` wrote beside the manifest. Raises RunFolderError for no run,
    CheckpointError, BackboneError, ManifestError, VocabularyError.
    """
    given = load_vocabulary(vocabulary)
    names = Vocabulary((), given.names, given.prompts)
    official = official_test_ids(manifest, how.get("root"))

    def prepare(runs: Sequence[LoadedRun], preparing: Preparing) -> EvalClips:
        clips = prepare_clips(runs, manifest, names, preparing)
        require_clips(manifest, clips, "of these classes", "of these classes", frozenset(names.names))
        return clips

    seen = record_runs(run_folders, lambda runs: None, prepare, **how)
    listed = methods_of(seen.runs, seen.recordings)
    methods = tuple(measure_cross(one, seen.clips, official, seen.seconds) for one in listed)
    return CrossTask(seen.runs, seen.clips, methods, shared_names(seen.runs, names))


def write_cross(task: CrossTask, out: Path) -> Path:
    """Writes the page and every video's answers into `out`; returns the page's path. Raises StorageError."""
    answers: dict[Path, str] = {}
    for method in task.methods:
        named = {"full": method.full} | {f"split{number}": one for number, one in method.splits.items()}
        named |= {f"half{seed}": one for seed, one in method.halves.items()}
        named |= {f"split1-half{seed}": one for seed, one in method.halves_of_split.items()}
        for protocol, evaluation in named.items():
            answers[answer_path(out, method.contender.name, protocol)] = answer_text(evaluation)
    last = task.methods[-1]
    facts = dict(data_facts(task.clips)) | {"names shared with the training": _said(task.shared)}
    report = TaskReport(
        title=f"{task.title}: trained elsewhere",
        rows=(),
        explanation="Nothing was trained on these classes' videos; every name is a possible answer of the novel path.",
        protocols=tuple(protocol_row(one.contender.name, "full set", one.full) for one in task.methods),
        cross=tuple(one.row for one in task.methods),
        confusions=(confusion_map(last.contender.name, "full set", last.full),),
        reliabilities=(reliability(last.contender.name, "full set", last.full),),
    )
    content = ReportContent(
        title=f"openmov: {task.title}",
        facts=fact_groups(
            {run.components.recipe.name: run.components for run in task.runs},
            {task.title: facts},
            {last.contender.name: last.full.conditions},
        ),
        tasks=(report,),
        num_files=len(task.clips.records) + len(task.clips.unreadable),
        failures=failures_of(task.clips),
        notes=HONEST_NOTES,
    )
    return write_report(out, content, answers)


def measure_cross(
    contender: Method, clips: EvalClips, official: Sequence[frozenset[str]], seconds: Mapping[str, float]
) -> CrossMethod:
    """One contender on the full set, on the test clips of each official split, and on random halves of the classes."""
    runs, trained, path = contender.runs, contender.trained, contender.path
    conditions = conditions_of(runs, clips, trained=trained, seconds=seconds, path=path)

    def under(vocabulary: Vocabulary, what: str, of: Collection[str] | None = None) -> Evaluation:
        said = f"{contender.name}, {what}"
        return measure_under(contender, clips, vocabulary, what=said, conditions=conditions, of=of)

    def each(parts: Mapping[int, tuple[Vocabulary, Collection[str] | None]], what: str) -> dict[int, Evaluation]:
        return {
            number: under(names, f"{what} {number}", of) for number, (names, of) in parts.items() if held(names, of)
        }

    def held(vocabulary: Vocabulary, of: Collection[str] | None) -> bool:
        names = frozenset(vocabulary.names)
        return any(one.label in names and (of is None or one.video_id in of) for one in clips.records)

    whole = clips.vocabulary
    halves = {seed: half_vocabulary(whole, seed) for seed in (HALF_SEEDS if len(whole.names) > 1 else ())}
    first = {seed: (half, official[0]) for seed, half in halves.items()} if official else {}
    return CrossMethod(
        contender,
        under(whole, "full set"),
        each({number: (whole, of) for number, of in enumerate(official, start=1)}, "official test split"),
        each({seed: (half, None) for seed, half in halves.items()}, "half"),
        each(first, "split 1, half"),
    )


def official_test_ids(manifest: Path, root: Path | None = None) -> list[frozenset[str]]:
    """The test clips of each official split, also those that are missing or broken."""
    coverage = load_coverage(manifest)
    found = []
    for name in coverage.official_splits if coverage else ():
        beside = manifest.parent / name
        part = load_coverage(beside)
        lost = () if part is None else (*part.missing, *part.broken)
        listed = [record.video_id for record in load_manifest(beside, root=root).select("test").records]
        found.append(frozenset([*listed, *(one.clip_id for one in lost if one.split == "test")]))
    return found


def shared_names(runs: Sequence[LoadedRun], names: Vocabulary) -> tuple[str, ...]:
    """Names that the runs were trained on too."""
    trained = {name.casefold() for run in runs for name in run.header.provenance.base_classes}
    return tuple(name for name in names.names if name.casefold() in trained)


def _said(shared: Sequence[str]) -> str:
    few = ", ".join(shared[:5]) + (" ..." if len(shared) > 5 else "")
    return f"{len(shared)}, which is allowed{f': {few}' if shared else ''}"
