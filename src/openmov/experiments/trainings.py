"""From studies and data to what has to be trained and measured, each thing once.

    studies --measurements_of--> (method, track, seed, target) --trainings_of--> recipes, one a distinct training

Pure but for reading recipes: whether something is there already is asked later, by its key.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache

from openmov.config.choices import OWN, with_protocol
from openmov.config.load import load_recipe
from openmov.config.schema import Recipe
from openmov.errors import RecipeError
from openmov.experiments.catalogue import STUDIES
from openmov.experiments.data import StudyData, Track
from openmov.experiments.study import Changes, Column, Curves, Finding, MethodSpec, Study, Table

UNTRAINED = "untrained"
ENCODER_WEIGHT = "prediction.encoder_weight="
"""A change that asks for a pass of its own over the clips."""


@dataclass(frozen=True)
class Measurement:
    """One method to be measured."""

    method: MethodSpec
    """What answers."""
    track: str
    """On which side of the paper."""
    seed: int
    """Of its training."""
    target: str | None = None
    """Other clips to ask, by their place; None for the track's own test clips."""


@dataclass(frozen=True)
class TrainingTask:
    """One network to be trained."""

    track: str
    """On which side's clips."""
    recipe: Recipe
    """How."""
    classes: str
    """base or all."""
    larger: bool = False
    """Whether it is on the larger backbone."""
    calibrated: bool = False
    """Whether some method needs its calibration."""
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
        fused = "" if recipe.model.method != "mov" or self._as_its_track else f"-{'-'.join(recipe.model.modalities)}"
        own = "-own" if self.own else ""
        return f"{self.track}-{recipe.model.method}{fused}{fusion}{last}{size}{every}{own}-seed{recipe.training.seed}"

    @property
    def _as_its_track(self) -> bool:
        """Whether the track's name says what is fused."""
        return self.recipe.model.modalities == ("video", self.track.removeprefix("scenes_"))


def possible(studies: Sequence[Study], data: StudyData) -> tuple[tuple[Study, ...], tuple[Study, ...]]:
    """Those to do and those left out: of all there are, those that need what this data has not.

    Asked for by its name such a study stays, to be refused.
    """
    if {study.name for study in studies} != set(STUDIES):
        return tuple(studies), ()
    left_out = tuple(study for study in studies if study.needs and not list(measurements_by(study, data)))
    return tuple(study for study in studies if study not in left_out), left_out


def measurements_of(studies: Sequence[Study], data: StudyData) -> tuple[Measurement, ...]:
    """Everything that can be measured on this data, each once, those that share a training beside each other.

    Raises RecipeError for a study of which nothing can be.
    """
    found: dict[Measurement, None] = {}
    for study in studies:
        found_here = list(measurements_by(study, data))
        if not found_here:
            if study.needs:
                what = f"is about {study.needs}, and {data.title} has none"
                raise RecipeError(study.name, what, "run it on --data shapesav")
            tracks = sorted({track for track, _, _ in _asked(study)} - data.tracks.keys())
            raise RecipeError(study.name, f"is about {_needs(tracks)}, and {data.title} has none", _mend(tracks))
        found |= dict.fromkeys(found_here)
    return tuple(sorted(found, key=_order))


def _order(measurement: Measurement) -> tuple[int, bool, str, tuple[str, ...], tuple[str, ...], str, list[str]]:
    """Seeds one after the other, the larger backbone last, what shares a training, then encoder weights, together."""
    method = measurement.method
    weights = [change for change in method.answering if change.startswith(ENCODER_WEIGHT)]
    larger, trained = method.backbone == "larger", (method.methods, method.changes, method.classes)
    return measurement.seed, larger, measurement.track, *trained, weights


def measurements_by(study: Study, data: StudyData) -> Iterator[Measurement]:
    """What one study measures on this data."""
    for track, target, method in _asked(study):
        if why_not(data, track, method, target) == "":
            for seed in seeds_of(study, data):
                for one in each_epoch(method, data, track):
                    yield Measurement(one, track, seed, target)


def seeds_of(study: Study, data: StudyData) -> range:
    """Training seeds."""
    return range(min(data.seeds, study.max_seeds or data.seeds))


def why_not(data: StudyData, track: str, method: MethodSpec | None, target: str | None = None) -> str:
    """Why something is not measured on this data; empty where it is."""
    if method is None:
        return "as published"
    if track not in data.tracks:
        return f"no data for {_needs([track])} was given"
    if target is not None and target not in data.targets and target not in data.tracks[track].tests:
        return "this data set was not given"
    try:
        recipes_of(method, data, track, 0)
    except KeyError:
        return "no counterpart on this backbone"
    return ""


def each_epoch(method: MethodSpec, data: StudyData, track: str) -> tuple[MethodSpec, ...]:
    """The method; or, where its weights are those of `every epoch`, one for each, untrained first."""
    if method.weights != "every epoch":
        return (method,)
    epochs = recipes_of(method, data, track, 0)[0].training.epochs
    weights = (UNTRAINED, *(f"epoch {number}" for number in range(1, epochs + 1)))
    return tuple(replace(method, weights=one) for one in weights)


def recipes_of(method: MethodSpec, data: StudyData, track_name: str, seed: int) -> tuple[Recipe, ...]:
    """One recipe a trained network. Raises KeyError where a change has no counterpart on this data, RecipeError."""
    track = data.tracks[track_name]
    backbone = (f"backbone.name={data.larger}",) if method.backbone == "larger" else ()
    changes = tuple(change.format(extra=track.extra, layers=data.layers) for change in method.changes)
    recipes = (
        _recipe(track.recipe, (*data.overrides, f"training.seed={seed}", *backbone, *_method(method, track), *changes))
        for method in method.methods
    )
    last_word = (*data.last_word, *changes)
    return tuple(with_protocol(one, "own", last_word) if _by_its_authors(one, data) else one for one in recipes)


def _by_its_authors(recipe: Recipe, data: StudyData) -> bool:
    return data.protocol == "own" and recipe.model.method in OWN


@cache
def _recipe(named: str, changes: tuple[str, ...]) -> Recipe:
    """Every cell of every table asks for one, and reading YAML takes its time."""
    return load_recipe(named, changes)


def trainings_of(measurements: Iterable[Measurement], data: StudyData) -> dict[Measurement, tuple[TrainingTask, ...]]:
    """The trainings behind each measurement. One network serves all that share its recipe, track and classes."""
    measurements = tuple(measurements)
    needed = {one: _tasks(one, data) for one in measurements}
    calibrated = {task for one, tasks in needed.items() if one.method.answer == "calibrated" for task in tasks}
    return {one: tuple(replace(task, calibrated=task in calibrated) for task in tasks) for one, tasks in needed.items()}


def _tasks(measurement: Measurement, data: StudyData) -> tuple[TrainingTask, ...]:
    recipes = recipes_of(measurement.method, data, measurement.track, measurement.seed)
    larger = measurement.method.backbone == "larger"
    return tuple(
        TrainingTask(measurement.track, one, measurement.method.classes, larger, own=_by_its_authors(one, data))
        for one in recipes
    )


def _method(method: str, track: Track) -> tuple[str, ...]:
    """The whole model fuses what its track has; others look at the one modality in their name, or at frames."""
    if method == "mov":
        return ()
    named = method.format(extra=track.extra)
    words = named.split("_")
    modality = next((one for one in ("flow", "audio") if one in words), "video")
    return f"model.method={named}", f"model.modalities=[{modality}]"


def _asked(study: Study) -> Iterator[tuple[str, str | None, MethodSpec]]:
    """Track, target and method of everything a study shows or tests, on whatever data."""
    for part in study.parts:
        if isinstance(part, Table):
            for row in part.rows:
                if row.method is not None:
                    for column in part.columns:
                        yield from ((column.track, one, row.method) for one in targets_of(column))
        elif isinstance(part, Curves):
            yield from ((one.track, None, replace(one.method, weights="every epoch")) for one in part.panels)
        elif isinstance(part, Changes):
            yield from ((part.track, None, part.ours), (part.track, None, part.theirs))
    for finding in study.findings:
        for one in targets_of(finding):
            yield from ((finding.track, one, finding.ours), (finding.track, one, finding.theirs))


def targets_of(asked: Column | Finding) -> tuple[str | None, ...]:
    """The clips behind a number: its own alone, or where something is lost on them the track's own test clips too."""
    return (None, asked.target) if asked.lost else (asked.target,)


def _needs(tracks: Sequence[str]) -> str:
    said = {"flow": "video and flow", "audio": "video and sound"}
    return " or ".join(said.get(track, track) for track in tracks) or "other data sets"


def _mend(tracks: Sequence[str]) -> str:
    named = {"flow": "--data kinetics700 --manifest FOLDER", "audio": "--data vggsound --manifest FOLDER"}
    return (
        "add " + " or ".join(named.get(track, track) for track in tracks)
        if tracks
        else "add --data ucf101 --manifest FOLDER"
    )
