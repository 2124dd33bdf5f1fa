"""`openmov evaluate`: measures the runs of one task and leaves figures, every answer and a page.

OUT/report.html, report.json               the page, and every number on it
OUT/evaluations/mov-novel.json ...         every video's answer under every method and protocol
RUN/results/results.json, evaluations/     the run's own rows and answers, for `openmov compare`
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Unpack

from openmov.api.facts import fact_groups
from openmov.api.measuring import Method, TestClips, load_test_clips, measure_runs
from openmov.api.recorded import HowToRecord, data_facts, failures_of, record_runs
from openmov.api.runs import LoadedRun
from openmov.api.task_report import task_report
from openmov.api.test_clips import Preparing
from openmov.errors import RunFolderError
from openmov.evaluation.content import ReportContent, TaskReport
from openmov.evaluation.report import ANSWERS_FOLDER, write_report
from openmov.evaluation.result import Evaluation
from openmov.methods import METHODS
from openmov.prediction.predictor import Recording
from openmov.runtime.atomic import require_writable, write_together
from openmov.runtime.own_files import stamped, write_own
from openmov.runtime.run_folder import RunFolder

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
    recordings: tuple[Recording, ...] = field(repr=False)
    """Their embeddings of the test clips."""
    clips: TestClips
    """What was measured on."""
    methods: tuple[Method, ...]
    """The rows."""

    @property
    def mov(self) -> tuple[LoadedRun, Recording]:
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
    **how: Unpack[HowToRecord],
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

    def prepare(runs: Sequence[LoadedRun], preparing: Preparing) -> TestClips:
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
    title = run.wiring.recipe.name
    report = report_of(task, title, "", num_examples=num_examples, workers=workers)
    last = task.methods[-1]
    content = ReportContent(
        title=f"openmov: {title}",
        facts=fact_groups({title: run.wiring}, {title: task.data_facts}, {last.name: last.generalised.conditions}),
        tasks=(report,),
        num_files=len(task.clips.records) + len(task.clips.unreadable),
        failures=failures_of(task.clips),
        notes=HONEST_NOTES,
    )
    return write_report(out, content, answer_texts(task.methods, out))


def write_answers(methods: Sequence[Method], out: Path) -> None:
    """Every video's answer under every method and protocol, as JSON. Raises StorageError, also for a file not ours."""
    write_own(answer_texts(methods, out))


def answer_texts(methods: Sequence[Method], out: Path) -> dict[Path, str]:
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
        mend = "evaluate one at a time, then put them side by side with openmov compare"
        raise RunFolderError("evaluate", f"more than one run is of the method {twice[0]}", mend)


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
