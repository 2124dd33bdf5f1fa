"""From studies and data to what has to be trained and measured, each thing once.

    studies --measurements_of--> (entrant, arm, seed, target) --trainings_of--> recipes, one a distinct training

Pure but for reading recipes: whether something is there already is asked later, by its key.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache

from openmov.api.study.stage import Arm, Stage
from openmov.config.load import load_recipe
from openmov.config.schema import Recipe
from openmov.errors import RecipeError
from openmov.studies.study import Changes, Curves, Entrant, Study, Table

UNTRAINED = "untrained"
ENCODER_WEIGHT = "prediction.encoder_weight="
"""A change that asks for a pass of its own over the clips."""


@dataclass(frozen=True)
class Wanted:
    """One entrant to be measured."""

    entrant: Entrant
    """What answers."""
    arm: str
    """On which side of the paper."""
    seed: int
    """Of its training."""
    target: str | None = None
    """Another data set to ask; None for the arm's own test clips."""


@dataclass(frozen=True)
class TrainingTask:
    """One network to be trained."""

    arm: str
    """On which side's clips."""
    recipe: Recipe
    """How."""
    classes: str
    """base or all."""
    larger: bool = False
    """Whether it is on the larger backbone."""
    calibrated: bool = False
    """Whether some entrant needs its calibration."""

    @property
    def title(self) -> str:
        """As shown, and in the folder's name."""
        recipe = self.recipe
        size = "-larger" if self.larger else ""
        every = "-all-classes" if self.classes == "all" else ""
        layers = recipe.model.trainable_layers
        last = "" if layers == "all" else f"-last{layers}"
        fusion = "" if recipe.model.fusion == "asymmetric" else f"-{recipe.model.fusion}"
        return f"{self.arm}-{recipe.model.method}{fusion}{last}{size}{every}-seed{recipe.training.seed}"


def measurements_of(studies: Sequence[Study], stage: Stage) -> tuple[Wanted, ...]:
    """Everything that can be measured on this data, each once, those that share a training beside each other.

    Raises RecipeError for a study of which nothing can be.
    """
    found: dict[Wanted, None] = {}
    for study in studies:
        wanted = list(wanted_by(study, stage))
        if not wanted:
            arms = sorted({arm for arm, _, _ in _asked(study)} - stage.arms.keys())
            raise RecipeError(study.name, f"is about {_needs(arms)}, and {stage.title} has none", _mend(arms))
        found |= dict.fromkeys(wanted)
    return tuple(sorted(found, key=_order))


def _order(wanted: Wanted) -> tuple[int, bool, str, tuple[str, ...], tuple[str, ...], str, list[str]]:
    """Seeds one after the other, the larger backbone last, what shares a training, then encoder weights, together."""
    entrant = wanted.entrant
    drawn_back = [change for change in entrant.answering if change.startswith(ENCODER_WEIGHT)]
    larger, trained = entrant.backbone == "larger", (entrant.methods, entrant.changes, entrant.classes)
    return wanted.seed, larger, wanted.arm, *trained, drawn_back


def wanted_by(study: Study, stage: Stage) -> Iterator[Wanted]:
    """What one study measures on this data."""
    for arm, target, entrant in _asked(study):
        if why_not(stage, arm, entrant, target) == "":
            for seed in seeds_of(study, stage):
                for one in each_epoch(entrant, stage, arm):
                    yield Wanted(one, arm, seed, target)


def seeds_of(study: Study, stage: Stage) -> range:
    """Training seeds."""
    return range(min(stage.seeds, study.max_seeds or stage.seeds))


def why_not(stage: Stage, arm: str, entrant: Entrant | None, target: str | None = None) -> str:
    """Why something is not measured on this data; empty where it is."""
    if entrant is None:
        return "as published"
    if arm not in stage.arms:
        return f"no data for {_needs([arm])} was given"
    if target is not None and target not in stage.targets:
        return "this data set was not given"
    try:
        recipes_of(entrant, stage, arm, 0)
    except KeyError:
        return "no counterpart on this backbone"
    return ""


def each_epoch(entrant: Entrant, stage: Stage, arm: str) -> tuple[Entrant, ...]:
    """The entrant; or, where its weights are those of `every epoch`, one for each, untrained first."""
    if entrant.weights != "every epoch":
        return (entrant,)
    epochs = recipes_of(entrant, stage, arm, 0)[0].training.epochs
    weights = (UNTRAINED, *(f"epoch {number}" for number in range(1, epochs + 1)))
    return tuple(replace(entrant, weights=one) for one in weights)


def recipes_of(entrant: Entrant, stage: Stage, arm_name: str, seed: int) -> tuple[Recipe, ...]:
    """One recipe a trained network. Raises KeyError where a change has no counterpart on this data, RecipeError."""
    arm = stage.arms[arm_name]
    backbone = (f"backbone.name={stage.larger}",) if entrant.backbone == "larger" else ()
    changes = tuple(change.format(extra=arm.extra, layers=stage.layers) for change in entrant.changes)
    return tuple(
        _recipe(arm.recipe, (*stage.overrides, f"training.seed={seed}", *backbone, *_method(method, arm), *changes))
        for method in entrant.methods
    )


@cache
def _recipe(named: str, changes: tuple[str, ...]) -> Recipe:
    """Every cell of every table asks for one, and reading YAML takes its time."""
    return load_recipe(named, changes)


def trainings_of(wanted: Iterable[Wanted], stage: Stage) -> dict[Wanted, tuple[TrainingTask, ...]]:
    """The trainings behind each measurement. One network serves all that share its recipe, arm and classes."""
    wanted = tuple(wanted)
    needed = {one: _tasks(one, stage) for one in wanted}
    calibrated = {task for one, tasks in needed.items() if one.entrant.answer == "calibrated" for task in tasks}
    return {one: tuple(replace(task, calibrated=task in calibrated) for task in tasks) for one, tasks in needed.items()}


def _tasks(wanted: Wanted, stage: Stage) -> tuple[TrainingTask, ...]:
    recipes = recipes_of(wanted.entrant, stage, wanted.arm, wanted.seed)
    larger = wanted.entrant.backbone == "larger"
    return tuple(TrainingTask(wanted.arm, recipe, wanted.entrant.classes, larger) for recipe in recipes)


def _method(method: str, arm: Arm) -> tuple[str, ...]:
    """The whole model fuses what its arm has; any other method looks at the one modality in its name, or at frames."""
    if method == "mov":
        return ()
    named = method.format(extra=arm.extra)
    words = named.split("_")
    modality = next((one for one in ("flow", "audio") if one in words), "video")
    return f"model.method={named}", f"model.modalities=[{modality}]"


def _asked(study: Study) -> Iterator[tuple[str, str | None, Entrant]]:
    """Arm, target and entrant of everything a study shows or tests, on whatever data."""
    for part in study.parts:
        if isinstance(part, Table):
            for row in part.rows:
                if row.entrant is not None:
                    yield from ((column.arm, column.target, row.entrant) for column in part.columns)
        elif isinstance(part, Curves):
            yield from ((one.arm, None, replace(one.entrant, weights="every epoch")) for one in part.panels)
        elif isinstance(part, Changes):
            yield from ((part.arm, None, part.ours), (part.arm, None, part.theirs))
    for finding in study.findings:
        yield from ((finding.arm, None, finding.ours), (finding.arm, None, finding.theirs))


def _needs(arms: Sequence[str]) -> str:
    said = {"flow": "video and flow", "audio": "video and sound"}
    return " or ".join(said.get(arm, arm) for arm in arms) or "other data sets"


def _mend(arms: Sequence[str]) -> str:
    named = {"flow": "--data kinetics700 --manifest FOLDER", "audio": "--data vggsound --manifest FOLDER"}
    return "add " + " or ".join(named.get(arm, arm) for arm in arms) if arms else "add --data ucf101 --manifest FOLDER"
