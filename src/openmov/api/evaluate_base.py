"""`openmov evaluate` of runs that were trained on every class: no class is novel, so base classes are all there is.

one pass over the clips --> each contender on base clips, base names as possible answers (equation 10)
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Unpack

from openmov.api.conditions import conditions_of
from openmov.api.evaluate import answer_path, answer_text, write_into_run
from openmov.api.facts import fact_groups
from openmov.api.measuring import Contender, contenders, measure_under
from openmov.api.recorded import HowToRecord, data_facts, failures_of, record_runs
from openmov.api.runs import LoadedRun
from openmov.api.test_clips import Preparing, TestClips, prepare_clips, require_clips
from openmov.evaluation.content import ReportContent, TaskReport
from openmov.evaluation.detail import confusion_map, protocol_row, reliability
from openmov.evaluation.report import write_report
from openmov.evaluation.result import Evaluation
from openmov.evaluation.rows import method_row
from openmov.runtime.atomic import require_writable
from openmov.runtime.checkpoint import require_match
from openmov.text.vocabulary import load_vocabulary

NOTE = "Every class was trained on: nothing here is open-vocabulary, and nothing was measured on novel classes."


@dataclass(frozen=True)
class BaseTask:
    """Runs on the classes that they were trained on, measured."""

    runs: tuple[LoadedRun, ...] = field(repr=False)
    """The runs, as given."""
    clips: TestClips
    """What was measured on."""
    methods: tuple[tuple[Contender, Evaluation], ...] = field(repr=False)
    """The rows."""


def without_novel(vocabulary: Path) -> bool:
    """Whether all its classes are base. Raises VocabularyError."""
    names = load_vocabulary(vocabulary)
    return bool(names.base) and not names.novel


def evaluate_base(
    run_folders: Sequence[Path],
    manifest: Path,
    vocabulary: Path,
    **how: Unpack[HowToRecord],
) -> BaseTask:
    """Measures runs on a vocabulary without a novel class; each run's own answers go into its folder.

    `how` is what `HowToRecord` lists. Raises RunFolderError for no run, CheckpointError where a run was trained on
    other classes, BackboneError, ManifestError, VocabularyError, all before a video is opened.
    """
    names = load_vocabulary(vocabulary)

    def check(runs: Sequence[LoadedRun]) -> None:
        for run in runs:
            require_writable(run.folder.results)
            require_match(run.header, vocabulary_identity=names.for_protocol("base").identity, where=run.folder.best)

    def prepare(runs: Sequence[LoadedRun], preparing: Preparing) -> TestClips:
        clips = prepare_clips(runs, manifest, names, preparing)
        require_clips(manifest, clips, "of a base class", "of base classes", frozenset(names.base))
        return clips

    seen = record_runs(run_folders, check, prepare, **how)
    # On the base path alone beta and tau_v change nothing: a calibrated MOV would be the same row again.
    listed = [one for one in contenders(seen.runs, seen.recordings) if one.kind != "mov_calibrated"]
    methods = tuple((one, _measured(one, seen.clips, seen.seconds)) for one in listed)
    for one, evaluation in methods if seen.writes else ():
        if one.trained and len(one.runs) == 1:
            folder = one.runs[0].folder
            write_into_run(folder, {answer_path(folder.results, one.name, "base"): answer_text(evaluation)})
    return BaseTask(seen.runs, seen.clips, methods)


def write_base(task: BaseTask, out: Path) -> Path:
    """Writes the page and every video's answers into `out`; returns the page's path. Raises StorageError."""
    answers = {answer_path(out, one.name, "base"): answer_text(found) for one, found in task.methods}
    title = task.runs[0].wiring.recipe.name
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
        facts=fact_groups({title: task.runs[0].wiring}, {title: data_facts(task.clips)}, {last.name: found.conditions}),
        tasks=(report,),
        num_files=len(task.clips.records) + len(task.clips.unreadable),
        failures=failures_of(task.clips),
        notes=(NOTE,),
    )
    return write_report(out, content, answers)


def _measured(one: Contender, clips: TestClips, seconds: Mapping[str, float]) -> Evaluation:
    conditions = conditions_of(one.runs, clips, trained=one.trained, seconds=seconds)
    return measure_under(
        one, clips, clips.vocabulary.for_protocol("base"), what=f"{one.name}, base", conditions=conditions
    )
