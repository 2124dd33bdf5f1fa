"""From studies and data to what has to be trained and measured, each thing once.

    studies --measurements_of--> (entrant, arm, seed, target) --trainings_of--> recipes, one a distinct training

Pure but for reading recipes: whether something is there already is asked later, by its key.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache

from openmov.api.study.stage import Arm, Stage
from openmov.config.load import load_recipe
from openmov.config.protocols import OWN, with_protocol
from openmov.config.schema import Recipe
from openmov.errors import RecipeError
from openmov.studies.catalogue import STUDIES
from openmov.studies.study import Changes, Column, Curves, Entrant, Finding, Study, Table

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
    """Other clips to ask, by their place; None for the arm's own test clips."""


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
    own: bool = False
    """Whether its authors' hyper-parameters are in it."""

    @property
    def title(self) -> str:
        """As shown, and in the folder's name."""
        recipe = self.recipe
        size = "-larger" if self.larger else ""
        every = "-all-classes" if self.classes == "all" else ""
        layers = recipe.model.trainable_layers
        last = "" if layers == "all" else f"-last{layers}"
        fusion = "" if recipe.model.fusion == "asymmetric" else f"-{recipe.model.fusion}"
        fused = "" if recipe.model.method != "mov" or self._as_its_arm else f"-{'-'.join(recipe.model.modalities)}"
        own = "-own" if self.own else ""
        return f"{self.arm}-{recipe.model.method}{fused}{fusion}{last}{size}{every}{own}-seed{recipe.training.seed}"

    @property
    def _as_its_arm(self) -> bool:
        """Whether the arm's name says what is fused."""
        return self.recipe.model.modalities == ("video", self.arm.removeprefix("scenes_"))


def possible(studies: Sequence[Study], stage: Stage) -> tuple[tuple[Study, ...], tuple[Study, ...]]:
    """Those to do and those left out: of all there are, those that need what this data has not.

    Asked for by its name such a study stays, to be refused.
    """
    if {study.name for study in studies} != set(STUDIES):
        return tuple(studies), ()
    left_out = tuple(study for study in studies if study.needs and not list(wanted_by(study, stage)))
    return tuple(study for study in studies if study not in left_out), left_out


def measurements_of(studies: Sequence[Study], stage: Stage) -> tuple[Wanted, ...]:
    """Everything that can be measured on this data, each once, those that share a training beside each other.

    Raises RecipeError for a study of which nothing can be.
    """
    found: dict[Wanted, None] = {}
    for study in studies:
        wanted = list(wanted_by(study, stage))
        if not wanted:
            if study.needs:
                what = f"is about {study.needs}, and {stage.title} has none"
                raise RecipeError(study.name, what, "run it on --data shapesav")
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
    if target is not None and target not in stage.targets and target not in stage.arms[arm].tests:
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
    recipes = (
        _recipe(arm.recipe, (*stage.overrides, f"training.seed={seed}", *backbone, *_method(method, arm), *changes))
        for method in entrant.methods
    )
    last_word = (*stage.last_word, *changes)
    return tuple(with_protocol(one, "own", last_word) if _by_its_authors(one, stage) else one for one in recipes)


def _by_its_authors(recipe: Recipe, stage: Stage) -> bool:
    return stage.protocol == "own" and recipe.model.method in OWN


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
    return tuple(
        TrainingTask(wanted.arm, one, wanted.entrant.classes, larger, own=_by_its_authors(one, stage))
        for one in recipes
    )


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
                    for column in part.columns:
                        yield from ((column.arm, one, row.entrant) for one in targets_of(column))
        elif isinstance(part, Curves):
            yield from ((one.arm, None, replace(one.entrant, weights="every epoch")) for one in part.panels)
        elif isinstance(part, Changes):
            yield from ((part.arm, None, part.ours), (part.arm, None, part.theirs))
    for finding in study.findings:
        for one in targets_of(finding):
            yield from ((finding.arm, one, finding.ours), (finding.arm, one, finding.theirs))


def targets_of(asked: Column | Finding) -> tuple[str | None, ...]:
    """The clips behind a number: its own alone, or where something is lost on them the arm's own test clips too."""
    return (None, asked.target) if asked.lost else (asked.target,)


def _needs(arms: Sequence[str]) -> str:
    said = {"flow": "video and flow", "audio": "video and sound"}
    return " or ".join(said.get(arm, arm) for arm in arms) or "other data sets"


def _mend(arms: Sequence[str]) -> str:
    named = {"flow": "--data kinetics700 --manifest FOLDER", "audio": "--data vggsound --manifest FOLDER"}
    return "add " + " or ".join(named.get(arm, arm) for arm in arms) if arms else "add --data ucf101 --manifest FOLDER"
