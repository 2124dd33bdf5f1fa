"""`openmov evaluate`: measures the runs of one task and leaves figures, every answer and a page.

OUT/report.html, report.json               the page, and every number on it
OUT/evaluations/mov-novel.json ...         every video's answer under every method and protocol
RUN/results/results.json                   the run's own rows, for `openmov compare`
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from openmov.api.facts import fact_groups
from openmov.api.measuring import METHOD_NAMES, Method, TestClips, load_test_clips, measure_runs, record_run
from openmov.api.runs import LoadedRun, load_run
from openmov.api.task_report import task_report
from openmov.errors import RunFolderError
from openmov.evaluation.content import ReportContent, TaskReport
from openmov.evaluation.report import write_report
from openmov.evaluation.result import Failure
from openmov.prediction.predictor import Recording
from openmov.runtime.atomic import write_text

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
        clips = self.clips
        total = len(clips.records) + len(clips.unreadable)
        return {
            "test videos": f"{len(clips.records)} of {total} present and readable",
            "classes": f"{len(clips.vocabulary.base)} base, {len(clips.vocabulary.novel)} novel",
            "prompts": clips.vocabulary.prompts,
            "vocabulary": clips.vocabulary.identity,
            "manifest": clips.manifest_identity,
        }


def evaluate_task(
    run_folders: Sequence[Path],
    manifest: Path,
    vocabulary: Path,
    *,
    cache_folder: Path,
    split: str = "test",
    backbone: str | None = None,
    workers: int = 2,
    shown: bool = True,
    with_page: bool = False,
) -> EvaluatedTask:
    """Measures runs of one task under the base, novel and generalised protocols; writes each run's own rows.

    `backbone` says where the runs' backbone lies now, if not where it lay in training; `with_page` that
    `write_evaluation` follows. Raises RunFolderError for no run, two of one method, or a page without a run of the
    method mov; CheckpointError, BackboneError, ManifestError, VocabularyError, all before a video is opened.
    """
    runs = tuple(load_run(folder, cache_folder, backbone=backbone) for folder in run_folders)
    _refuse_misfits(runs)
    if with_page:
        _place_of_mov(runs)
    clips = load_test_clips(runs, manifest, vocabulary, split, workers=workers, shown=shown)
    recordings = tuple(record_run(run, clips.records, workers=workers) for run in runs)
    task = EvaluatedTask(runs, recordings, clips, tuple(measure_runs(runs, recordings, clips)))
    for run in runs:
        _write_rows(run, task.methods)
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
    write_answers(task, out)
    content = ReportContent(
        title=f"openmov: {title}",
        facts=fact_groups({title: run.wiring}, {title: task.data_facts}),
        tasks=(report,),
        num_files=len(task.clips.records) + len(task.clips.unreadable),
        failures=failures_of(task),
        notes=HONEST_NOTES,
    )
    return write_report(out, content)


def failures_of(task: EvaluatedTask) -> tuple[Failure, ...]:
    """The videos that could not be read."""
    return tuple(Failure(str(one.record.path), str(one.error)) for one in task.clips.unreadable)


def write_answers(task: EvaluatedTask, out: Path) -> None:
    """Every video's answer under every method and protocol, as JSON. Raises StorageError."""
    for method in task.methods:
        for evaluation in (method.base, method.novel, method.generalised):
            name = "-".join(re.findall(r"[a-z0-9]+", method.name.lower()))
            text = json.dumps(evaluation.to_json(), ensure_ascii=False)
            write_text(out / "evaluations" / f"{name}-{evaluation.protocol}.json", text + "\n")


def _refuse_misfits(runs: Sequence[LoadedRun]) -> None:
    if not runs:
        raise RunFolderError("evaluate", "no run is given", "name at least one run folder")
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


def _write_rows(run: LoadedRun, methods: Sequence[Method]) -> None:
    """The run's own rows: a MOV's with its calibrated one and frozen CLIP, a single modality's alone."""
    own = METHOD_NAMES.get(run.method)
    rows = [
        {
            "method": method.name,
            "kind": method.kind,
            "note": method.note,
            "base": [int(method.base.correct.sum()), len(method.base.records)],
            "novel": [int(method.novel.correct.sum()), len(method.novel.records)],
        }
        for method in methods
        if method.name == own or (own is None and method.kind in ("mov", "mov_calibrated", "clip"))
    ]
    text = json.dumps({"rows": rows}, indent=1, ensure_ascii=False)
    write_text(run.folder.results / RESULTS_FILE, text + "\n")
