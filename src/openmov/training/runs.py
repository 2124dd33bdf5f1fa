"""A finished run, opened for use: its recipe's parts, its best weights, its calibration.

Everything is checked against what the checkpoint says of itself, so that weights never meet another backbone.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from pydantic import ValidationError

from openmov.build import Components, answering, base_novel_rule, build_components
from openmov.config.load import change_recipe, describe
from openmov.config.schema import PredictionConfig, Recipe
from openmov.documents import read_json
from openmov.errors import CheckpointError, RunFolderError
from openmov.methods import METHODS
from openmov.model import TrainedModel
from openmov.model.trained import interpolated
from openmov.runtime.checkpoint import CheckpointHeader, load_checkpoint, load_header, require_match
from openmov.runtime.run_folder import RunFolder
from openmov.scoring.embeddings import AnswerRule, BaseNovelRule, EmbedClasses
from openmov.scoring.paths import NovelPath
from openmov.scoring.unknown import Thresholds

CALIBRATION_FILE = "calibration.json"
"""beside a run's other files: what `openmov train --calibrate` chose, and from what."""


@dataclass(frozen=True)
class LoadedRun:
    """A run whose weights fit what is there."""

    folder: RunFolder
    """Where it is."""
    components: Components = field(repr=False)
    """Its recipe's parts."""
    header: CheckpointHeader = field(repr=False)
    """Of its best checkpoint."""

    @property
    def method(self) -> str:
        """mov, video_only, flow_only, audio_only, or a baseline's."""
        return self.components.recipe.model.method

    def with_views(self, num_clips: int, num_crops: int) -> "LoadedRun":
        """The same run, looking at a video in other views at test, of which it has no stored features.

        Raises RecipeError for views that are none.
        """
        changes = (f"views.num_clips={num_clips}", f"views.num_crops={num_crops}")
        recipe = change_recipe(self.components.recipe, changes)
        stored = self.components.features if recipe == self.components.recipe else None
        return replace(self, components=replace(self.components, recipe=recipe, features=stored))

    def changed(self, changes: Sequence[str]) -> "LoadedRun":
        """The same run, answering in another way. Raises RecipeError for changes that are none."""
        return replace(self, components=replace(self.components, recipe=change_recipe(self.components.recipe, changes)))

    @property
    def rule(self) -> BaseNovelRule:
        """Base and novel path with the recipe's beta and temperatures: how methods on the backbone's names answer."""
        return base_novel_rule(self.components)

    def answering(self, checkpoint: Path | None = None) -> tuple[EmbedClasses, AnswerRule]:
        """Class names and rule by which its embeddings answer, with the recipe's beta and temperatures.

        `checkpoint` (default: the best) says whose text side, where the method trains one.
        """
        if not METHODS.get(self.method).text_head:
            return self.components.class_embedder(), self.rule
        return answering(self.components, load_trained(self.components, checkpoint or self.folder.best))


def load_run(
    path: Path,
    cache_folder: Path | None,
    *,
    backbone: str | None = None,
    revision: str | None = None,
    safetensors_only: bool = False,
    features: Path | None = None,
) -> LoadedRun:
    """Opens a finished run; `backbone` says where its backbone lies now, if not where it lay in training, and
    `revision` which of a hub model's to take; with `safetensors_only` one that is published as a pickle is refused.
    `features` is a folder of stored video embeddings.

    Raises RunFolderError where there is no run, CheckpointError where it is unfinished, of another format version or
    of another backbone, BackboneError where the backbone cannot be had, FeaturesError for features of another recipe.
    """
    folder = RunFolder.open(path)
    header = load_header(folder.best)
    recipe = _recipe_of(header, folder.best)
    elsewhere = recipe.backbone.moved(backbone, revision, safetensors_only=safetensors_only)
    recipe = recipe.model_copy(update={"backbone": elsewhere})
    components = build_components(recipe, cache_folder, features)
    require_match(header, backbone_identity=components.backbone.identity, where=folder.best)
    return LoadedRun(folder, replace(components, classes=header.provenance.base_classes), header)


def load_trained(components: Components, checkpoint: Path) -> TrainedModel:
    """The network with the weights of a checkpoint, its encoders drawn back where the recipe's prediction says so.

    Raises CheckpointError where they belong to something else.
    """
    network = components.network()
    weights, _ = load_checkpoint(checkpoint)
    share = components.recipe.prediction.encoder_weight
    pretrained = {name: tensor.clone() for name, tensor in network.trained_state().items()} if share < 1 else {}
    network.load_trained_state(weights)  # refuses those of another model
    if share < 1:
        network.load_trained_state(interpolated(weights, pretrained, share))
    return network.eval()


def load_calibration(run: Path) -> NovelPath | None:
    """beta, tau_x and tau_v as calibrated for a run; None if it was not. Raises RunFolderError for a damaged file."""
    path = run / CALIBRATION_FILE
    if not path.is_file():
        return None
    try:
        chosen = PredictionConfig.model_validate(read_json(path)["chosen"])
        return NovelPath(chosen.beta, float(chosen.tau_x), float(chosen.tau_v))  # type: ignore[arg-type]  # null is one
    except (ValueError, KeyError, TypeError) as error:
        hint = "delete it, and calibrate anew with openmov train --resume --calibrate"
        raise RunFolderError(path, f"is damaged ({type(error).__name__})", hint) from error


def load_thresholds(run: Path) -> Thresholds:
    """Where "none of these" begins, as calibrated for a run; at 0 if it was not. Raises RunFolderError."""
    path = run / CALIBRATION_FILE
    if not path.is_file():
        return Thresholds()
    try:
        found = read_json(path).get("unknown")
        return Thresholds() if found is None else Thresholds(float(found["base"]), float(found["novel"]), True)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        hint = "delete it, and calibrate anew with openmov train --resume --calibrate"
        raise RunFolderError(path, f"is damaged ({type(error).__name__})", hint) from error


def _recipe_of(header: CheckpointHeader, where: Path) -> Recipe:
    try:
        return Recipe.model_validate(dict(header.provenance.recipe))
    except ValidationError as error:
        what = f"its recipe is none of this release ({describe(error)[0]})"
        raise CheckpointError(where, what, "use the release of openmov that wrote it, or train anew") from error
