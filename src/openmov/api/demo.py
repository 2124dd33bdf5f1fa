"""The whole job in small: clips, caches, training, evaluation, report, predictions.

Each step is a verb of the command line on its own; here they are strung together, on the synthetic world.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from openmov.api.evaluate import HONEST_NOTES, EvaluatedTask, evaluate_task, failures_of, report_of, write_answers
from openmov.api.facts import fact_groups
from openmov.api.predict import Prediction, Predictor, example_of
from openmov.api.shapesav import PoolSize, write_world
from openmov.api.train import run_training
from openmov.config.load import load_recipe
from openmov.data.examples import example_inputs
from openmov.evaluation.content import Example, ReportContent, Step, TaskReport
from openmov.evaluation.report import write_report
from openmov.runtime.atomic import write_text

POOL_SEED = 2026
DEMO_SIZE = PoolSize(train_per_class=24, val_per_class=2, test_per_class=8)
QUICK_SIZE = PoolSize(train_per_class=1, val_per_class=1, test_per_class=1)
QUICK_OVERRIDES = ("training.epochs=1", "views.train_seeds=1")


@dataclass(frozen=True)
class DemoTask:
    """One question asked of the world."""

    title: str
    """As shown."""
    recipe: str
    """Bundled recipe of the whole model."""
    methods: tuple[str, ...]
    """What is trained: the whole model, and the single modalities."""
    explanation: str
    """For the report."""


TASKS = {
    "motion": DemoTask(
        "ShapesAV-Motion: video + flow",
        "shapesav-motion",
        ("mov", "flow_only", "video_only"),
        "A frame shows the shape; only time shows the motion. A novel class pairs a shape and a motion "
        "that training met apart, never together.",
    ),
    "sound": DemoTask(
        "ShapesAV-Sound: video + sound",
        "shapesav-sound",
        ("mov", "audio_only", "video_only"),
        "A frame shows the shape; only the sound track tells the rest. A novel class pairs a shape and a "
        "sound that training met apart, never together.",
    ),
}
"""By the name of the task in the pool."""


@dataclass(frozen=True)
class DemoResult:
    """What the demo leaves behind."""

    report: Path
    """The page."""
    tasks: tuple[EvaluatedTask, ...]
    """What was measured."""
    predictions: tuple[Prediction, ...]
    """Answers to three files of novel classes."""
    predict_command: str
    """The command that gives the same predictions."""


@dataclass(frozen=True)
class _Settings:
    """What every step of the demo needs to know."""

    out: Path
    overrides: tuple[str, ...]
    workers: int
    shown: bool

    @property
    def clips(self) -> Path:
        return self.out / "clips"

    @property
    def cache(self) -> Path:
        return self.out / "cache"

    def run(self, task: str, method: str) -> Path:
        return self.out / "runs" / f"{task}-{method}"


def run_demo(
    out: Path, *, overrides: Sequence[str] = (), workers: int = 2, quick: bool = False, shown: bool = True
) -> DemoResult:
    """Does the whole job into `out`; what an interrupted demo finished is not done again.

    `quick` takes a handful of clips and one epoch: everything runs, and nothing is learned.
    """
    size, overrides = (QUICK_SIZE, [*QUICK_OVERRIDES, *overrides]) if quick else (DEMO_SIZE, overrides)
    settings, clock = _Settings(out, tuple(overrides), workers, shown), StepClock(shown=shown)
    with clock.step("Write the clips", f"openmov shapesav write {settings.clips}"):
        num_clips = write_world(settings.clips, size, POOL_SEED, workers=workers, shown=shown)
    evaluated = [_train_and_evaluate(task, settings, clock) for task in TASKS]
    reports = []
    for task, result in zip(TASKS.values(), evaluated, strict=True):
        with clock.step(f"Accuracy over epochs, classes, temperatures: {task.title}"):
            reports.append(report_of(result, task.title, task.explanation, num_examples=4, workers=workers))
    with clock.step("Predict three files of novel classes"):
        predictions, examples, command = _predict_novel(settings, evaluated[0])
    page = _write_page(settings, clock, evaluated, reports, examples, num_clips)
    return DemoResult(page, tuple(evaluated), predictions, command)


def _train_and_evaluate(name: str, settings: _Settings, clock: "StepClock") -> EvaluatedTask:
    """One task: the whole model, and the single modalities that score fusion needs."""
    task = TASKS[name]
    manifest, vocabulary = settings.clips / f"manifest-{name}.csv", settings.clips / f"vocabulary-{name}.json"
    for method in task.methods:
        run = settings.run(name, method)
        overrides = [] if method == "mov" else [f"model.method={method}", f"model.modalities=[{method[:-5]}]"]
        sets = "".join(f" --set {override}" for override in overrides)
        calibrate = " --calibrate" if method == "mov" else ""
        command = f"openmov train --recipe {task.recipe} --manifest {manifest} --vocabulary {vocabulary}"
        with clock.step(f"Train {method} on {task.title}", f"{command} --out {run}{sets}{calibrate}"):
            run_training(
                load_recipe(task.recipe, [*settings.overrides, *overrides]),
                manifest,
                vocabulary,
                run,
                cache_folder=settings.cache,
                resume=True,
                with_calibration=method == "mov",
                workers=settings.workers,
                shown=settings.shown,
            )
    runs = [settings.run(name, method) for method in task.methods]
    command = f"openmov evaluate {' '.join(map(str, runs))} --manifest {manifest} --vocabulary {vocabulary}"
    with clock.step(f"Evaluate {task.title}", command):
        result = evaluate_task(
            runs,
            manifest,
            vocabulary,
            cache_folder=settings.cache,
            workers=settings.workers,
            shown=settings.shown,
        )
        write_answers(result, settings.out / name)
    return result


def _predict_novel(
    settings: _Settings, motion: EvaluatedTask
) -> tuple[tuple[Prediction, ...], tuple[Example, ...], str]:
    """The answers to one file each of three novel classes, among all novel names."""
    novel = motion.clips.vocabulary.novel
    labels = settings.clips / "novel-motion.txt"
    write_text(labels, "\n".join(novel) + "\n")
    first = {record.label: record for record in reversed(motion.clips.records)}
    records = [first[name] for name in (novel[0], novel[len(novel) // 2], novel[-1])]
    run = settings.run("motion", "mov")
    predictor = Predictor.from_run(run)
    answers = list(predictor.predict([record.path for record in records], predictor.vocabulary(novel)))
    predictions = tuple(answer for answer in answers if isinstance(answer, Prediction))
    reader = motion.mov[0].wiring.reader()
    examples = tuple(
        example_of(prediction, record.label, example_inputs(reader, record))
        for prediction, record in zip(predictions, records, strict=True)
    )
    files = " ".join(str(record.path) for record in records)
    return predictions, examples, f"openmov predict {files} --run {run} --labels {labels}"


def _write_page(
    settings: _Settings,
    clock: "StepClock",
    evaluated: Sequence[EvaluatedTask],
    reports: Sequence[TaskReport],
    examples: tuple[Example, ...],
    num_clips: int,
) -> Path:
    titles = [task.title for task in TASKS.values()]
    content = ReportContent(
        title="openmov on ShapesAV",
        summary="MOV, trained on the base classes of a small synthetic world written as real media files, "
        "and measured on base and on novel classes.",
        date=time.strftime("%Y-%m-%d"),
        facts=fact_groups(
            {title: task.mov[0].wiring for title, task in zip(titles, evaluated, strict=True)},
            {title: task.data_facts for title, task in zip(titles, evaluated, strict=True)},
        ),
        steps=tuple(clock.steps),
        tasks=tuple(reports),
        predictions=examples,
        num_files=num_clips,
        failures=tuple(failure for task in evaluated for failure in failures_of(task)),
        notes=HONEST_NOTES,
    )
    return write_report(settings.out, content)


class StepClock:
    """Times the steps of a long job and says which one is running."""

    def __init__(self, *, shown: bool) -> None:
        self.steps: list[Step] = []
        self._console = Console(stderr=True, quiet=not shown, highlight=False)

    @contextmanager
    def step(self, name: str, command: str = "") -> Iterator[None]:
        """Times the block; `command` is what repeats it."""
        self._console.print(f"[bold]{name}[/bold]", soft_wrap=True)
        started = time.monotonic()
        yield
        self.steps.append(Step(name, time.monotonic() - started, command))
