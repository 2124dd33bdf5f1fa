"""The two tasks asked of the synthetic world, and how each is trained and measured: what demo and results share."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from openmov.config.load import load_recipe
from openmov.experiments.steps import StepClock
from openmov.runs.evaluate import EvaluatedTask, evaluate_task
from openmov.training.train import run_training


@dataclass(frozen=True)
class WorldTask:
    """One question asked of the world."""

    title: str
    """As shown."""
    recipe: str
    """Bundled recipe of the whole model."""
    methods: tuple[str, ...]
    """What is trained: the whole model, and the single modalities that score fusion needs."""
    explanation: str
    """For the report."""


TASKS = {
    "motion": WorldTask(
        "ShapesAV-Motion: video + flow",
        "shapesav-motion",
        ("mov", "flow_only", "video_only"),
        "A frame shows the shape; only time shows the motion. A novel class pairs a shape and a motion that training "
        "met apart, never together.",
    ),
    "sound": WorldTask(
        "ShapesAV-Sound: video + sound",
        "shapesav-sound",
        ("mov", "audio_only", "video_only"),
        "A frame shows the shape; only the sound track tells the rest. A novel class pairs a shape and a sound that "
        "training met apart, never together.",
    ),
}
"""By the name of the task in the pool."""


@dataclass(frozen=True)
class WorldFolders:
    """Where a demo or a set of results keeps its things."""

    work: Path
    """The folder of all of them."""

    @property
    def clips(self) -> Path:
        """The pool."""
        return self.work / "clips"

    @property
    def cache(self) -> Path:
        """Flow, spectrograms, embeddings."""
        return self.work / "cache"

    def manifest(self, task: str) -> Path:
        """The list of clips with the labels of a task."""
        return self.clips / f"manifest-{task}.csv"

    def vocabulary(self, task: str) -> Path:
        """The base and novel names of a task."""
        return self.clips / f"vocabulary-{task}.json"


@dataclass(frozen=True)
class TrainingOptions:
    """How to work, whatever on."""

    overrides: tuple[str, ...] = ()
    """Change every recipe."""
    workers: int = 2
    """Processes and threads."""
    shown: bool = True
    """Progress on stderr."""


def train_and_evaluate(
    name: str, folders: WorldFolders, run_of: Callable[[str], Path], effort: TrainingOptions, clock: StepClock
) -> EvaluatedTask:
    """Trains every method of a task into `run_of(method)`, resuming what was begun, and measures them together."""
    task, manifest, vocabulary = TASKS[name], folders.manifest(name), folders.vocabulary(name)
    listed = f"--manifest {manifest} --vocabulary {vocabulary} --cache {folders.cache}"
    for method in task.methods:
        overrides = [*effort.overrides, *_single(method)]
        command = _train_command(task.recipe, method, run_of(method), listed, overrides)
        with clock.step(f"{task.title}: train {method}", command):
            run_training(
                load_recipe(task.recipe, overrides),
                manifest,
                vocabulary,
                run_of(method),
                cache_folder=folders.cache,
                resume=True,
                with_calibration=method == "mov",
                workers=effort.workers,
                shown=effort.shown,
            )
    runs = [run_of(method) for method in task.methods]
    with clock.step(f"{task.title}: evaluate", f"openmov evaluate {' '.join(map(str, runs))} {listed}"):
        return evaluate_task(
            runs, manifest, vocabulary, cache_folder=folders.cache, workers=effort.workers, shown=effort.shown
        )


def _single(method: str) -> Sequence[str]:
    """What turns the recipe of the whole model into that of one modality."""
    return [] if method == "mov" else [f"model.method={method}", f"model.modalities=[{method.removesuffix('_only')}]"]


def _train_command(recipe: str, method: str, run: Path, listed: str, overrides: Sequence[str]) -> str:
    sets = "".join(f" --set {override}" for override in overrides)
    calibrate = " --calibrate" if method == "mov" else ""
    return f"openmov train --recipe {recipe} {listed} --out {run}{sets}{calibrate}"
