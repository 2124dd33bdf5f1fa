"""The whole job in small: clips, caches, training, evaluation, report, predictions.

Each step is a verb of the command line on its own; here they are strung together, on the synthetic world.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from openmov.data.examples import example_inputs
from openmov.data.records import Record
from openmov.experiments.steps import StepClock
from openmov.experiments.tasks import TASKS, TrainingOptions, WorldFolders, train_and_evaluate
from openmov.experiments.world import POOL_SEED
from openmov.inference.answers import Prediction, example_of
from openmov.inference.predictor import Predictor
from openmov.report.content import Example, ReportContent, TaskReport
from openmov.report.report import refuse_other_report, write_report
from openmov.runs.evaluate import HONEST_NOTES, EvaluatedTask, report_of, write_answers
from openmov.runs.measure import failures_of
from openmov.runs.provenance import fact_groups
from openmov.runtime.atomic import write_text
from openmov.shapesav.pool import PoolSize, write_world

DEMO_SIZE = PoolSize(train_per_class=24, val_per_class=2, test_per_class=8)
QUICK_SIZE = PoolSize(train_per_class=1, val_per_class=1, test_per_class=1)
QUICK_OVERRIDES = ("training.epochs=1", "views.train_seeds=1")


@dataclass(frozen=True)
class DemoResult:
    """What the demo leaves behind."""

    report: Path
    """The page."""
    tasks: tuple[EvaluatedTask, ...] = field(repr=False)
    """What was measured."""
    predictions: tuple[Prediction, ...]
    """Answers to three files of novel classes."""
    predict_command: str
    """The command that gives the same predictions."""


def run_demo(
    out: Path, *, overrides: Sequence[str] = (), workers: int = 2, quick: bool = False, shown: bool = True
) -> DemoResult:
    """Does the whole job into `out`; what an interrupted demo finished is not done again.

    `quick` takes a handful of clips and one epoch: everything runs, and nothing is learned.
    """
    refuse_other_report(out)
    size, more = (QUICK_SIZE, QUICK_OVERRIDES) if quick else (DEMO_SIZE, ())
    folders, effort, clock = (
        WorldFolders(out),
        TrainingOptions((*more, *overrides), workers, shown),
        StepClock(shown=shown),
    )
    with clock.step("Write the clips", _write_command(folders.clips, size)):
        num_clips = write_world(folders.clips, size, POOL_SEED, workers=workers, shown=shown)
    evaluated, reports = [], []
    for name, task in TASKS.items():
        result = train_and_evaluate(name, folders, partial(_run, out, name), effort, clock)
        write_answers(result.methods, out / name)
        with clock.step(f"{task.title}: epochs, classes, temperatures, examples"):
            reports.append(report_of(result, task.title, task.explanation, num_examples=4, workers=workers))
        evaluated.append(result)
    with clock.step("Predict three files of novel classes"):
        predictions, examples, command = _predict_novel(out, folders, evaluated[0])
    page = write_report(out, _content(evaluated, reports, examples, clock, num_clips))
    return DemoResult(page, tuple(evaluated), predictions, command)


def _run(out: Path, task: str, method: str) -> Path:
    return out / "runs" / f"{task}-{method}"


def _write_command(clips: Path, size: PoolSize) -> str:
    counts = f"--train {size.train_per_class} --val {size.val_per_class} --test {size.test_per_class}"
    return f"openmov shapesav write {clips} {counts} --seed {POOL_SEED}"


def _predict_novel(
    out: Path, folders: WorldFolders, motion: EvaluatedTask
) -> tuple[tuple[Prediction, ...], tuple[Example, ...], str]:
    """The answers to one file each of three novel classes, among all novel names."""
    novel = motion.clips.vocabulary.novel
    labels, run = folders.clips / "novel-motion.txt", _run(out, "motion", "mov")
    write_text(labels, "\n".join(novel) + "\n")
    records = _one_of_each(motion.clips.records, (novel[0], novel[len(novel) // 2], novel[-1]))
    predictor = Predictor.from_run(run)
    answers = list(predictor.predict([record.path for record in records], predictor.vocabulary(novel)))
    predictions = tuple(answer for answer in answers if isinstance(answer, Prediction))
    reader = motion.mov[0].components.dataset()
    examples = tuple(
        example_of(prediction, record.label, example_inputs(reader, record))
        for prediction, record in zip(predictions, records, strict=True)
    )
    files = " ".join(str(record.path) for record in records)
    return predictions, examples, f"openmov predict {files} --run {run} --labels {labels}"


def _one_of_each(records: Sequence[Record], labels: Sequence[str]) -> list[Record]:
    first = {record.label: record for record in reversed(records)}
    return [first[label] for label in labels]


def _content(
    evaluated: Sequence[EvaluatedTask],
    reports: Sequence[TaskReport],
    examples: tuple[Example, ...],
    clock: StepClock,
    num_clips: int,
) -> ReportContent:
    by_title = dict(zip((task.title for task in TASKS.values()), evaluated, strict=True))
    return ReportContent(
        title="openmov on ShapesAV",
        summary="MOV, trained on the base classes of a small synthetic world written as real media files, "
        "and measured on base and on novel classes.",
        date=time.strftime("%Y-%m-%d"),
        facts=fact_groups(
            {title: task.mov[0].components for title, task in by_title.items()},
            {title: task.data_facts for title, task in by_title.items()},
        ),
        steps=tuple(clock.steps),
        tasks=tuple(reports),
        predictions=examples,
        num_files=num_clips,
        failures=tuple(failure for task in evaluated for failure in failures_of(task.clips)),
        notes=HONEST_NOTES,
    )
