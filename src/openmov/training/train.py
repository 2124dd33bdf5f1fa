"""Trains the network of a recipe on the base classes of a manifest.

    manifest, vocabulary --base only--> records --prepare--> caches --train--> run folder
                                              [--calibrate: the same on four fifths of the base classes first]

Started by torchrun, all processes do this together: each prepares and looks at its part of the clips, the first writes.
What can be wrong with the recipe, the lists and the videos is found before the run folder is written, so that the
corrected command can use the same folder.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from openmov.baselines.text_head import TextHead
from openmov.build import Components, answering, build_components
from openmov.config.schema import Recipe
from openmov.data.loader import Unreadable
from openmov.data.shards import DEFAULT_BUFFER
from openmov.errors import RecipeError
from openmov.model import TrainedModel
from openmov.model.backbones import ModelSource
from openmov.model.execution import compile_encoders, recompute_activations
from openmov.runtime.atomic import require_writable
from openmov.runtime.checkpoint import Provenance
from openmov.runtime.compute import choose_compute
from openmov.runtime.distributed import World, joined_world
from openmov.runtime.progress import note
from openmov.runtime.run_folder import RunFolder
from openmov.scoring.calibration import Calibration, CalibrationRule
from openmov.scoring.embeddings import EmbeddingsScorer, record
from openmov.training.calibrate import calibrate_run, match_run, refuse_other_methods, rehearsal_split
from openmov.training.clips import DataSource, FileSource, ShardSource, find_clips
from openmov.training.data import TrainingData, load_base, write_data_facts
from openmov.training.loop import TrainingSummary, train
from openmov.training.objective import BaseObjective, Objective, TextHeadObjective
from openmov.training.tracking import require_wandb

_WITHOUT_EFFECT = {
    "training": {"parallel", "keep_last", "stall_seconds", "wandb"},
    "backbone": {"safetensors_only"},
}
"""Fields that no weight depends on, so that a run may go on with others."""


@dataclass(frozen=True)
class TrainingResult:
    """A finished run."""

    folder: Path
    """Where it is."""
    summary: TrainingSummary
    """How it went."""
    calibration: Calibration | None = field(repr=False)
    """beta and tau_v chosen on held-out base classes, if that was asked for."""
    unreadable: tuple[Unreadable, ...]
    """Videos of base classes that could not be read, and were left out."""
    backbone: str
    """What the user called it."""
    source: ModelSource
    """Licence and revision of the backbone."""


@dataclass(frozen=True)
class _Trainer:
    """One call's choices, whichever part of the classes is trained on."""

    components: Components
    supply: DataSource
    resume: bool
    workers: int
    shown: bool
    world: World

    def fingerprint(self, data: TrainingData) -> str:
        """Equal for two runs if and only if one may go on where the other stopped."""
        recipe = self.components.recipe.model_dump(mode="json", exclude=_WITHOUT_EFFECT)
        facts = [recipe, self.components.backbone.identity, data.vocabulary.identity, data.identity]
        facts += [self.supply.identity] if self.supply.identity else []
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]

    def create(self, path: Path, data: TrainingData, name: str) -> RunFolder:
        """The run folder, made by the first process or opened by all."""
        recipe = self.components.recipe.model_dump(mode="json") | {"name": name}
        self.world.wait()  # for those that have yet to look whether the folder is free
        if self.world.first:
            RunFolder.create(path, recipe, self.fingerprint(data), resume=self.resume)
        self.world.wait()
        return RunFolder.open(path, self.fingerprint(data))

    def network(self) -> TrainedModel:
        """The recipe's, before training, computed as the recipe says."""
        network, asked = self.components.network(), self.components.recipe.training
        if asked.activation_checkpointing:
            recompute_activations(network)
        if asked.compile:
            compile_encoders(network)
        return network.to(training_device(network, self.world))

    def objective(self, data: TrainingData, network: TrainedModel) -> Objective:
        """Equation 9 over the base names, or what a method with a text side of its own minimises over them."""
        components, names = self.components, data.vocabulary
        if not isinstance(network, TextHead):
            return BaseObjective(components.class_embedder()(names), components.recipe.training.alpha, components.tau)
        network.classes(names)  # words that are refused are found before anything is written
        return TextHeadObjective(
            names.names,
            lambda embeddings, targets, clips: network.losses(
                embeddings, network.classes(names, clips), targets, components.tau
            ),
        )

    def train(self, folder: RunFolder, data: TrainingData) -> TrainingSummary:
        """From the first step, or from where it stopped, to the last; then all processes see the checkpoints."""
        components, recipe = self.components, self.components.recipe
        network = self.network()
        summary = train(
            network,
            self.supply.training(data.train, recipe.training.seed),
            self.objective(data, network),
            recipe.training,
            folder,
            _provenance(components, data),
            validate=_validator(components, data, self.supply, self.world),
            progress=self.shown,
            resume=self.resume,
            world=self.world,
        )
        self.world.wait()
        return summary

    def rehearse(self, path: Path, data: TrainingData) -> Path:
        """The run that calibration looks at; its best checkpoint."""
        folder = self.create(path, data, f"{self.components.recipe.name} (calibration)")
        self.train(folder, data)
        return folder.best


def run_training(
    recipe: Recipe,
    manifest: Path,
    vocabulary: Path,
    out: Path,
    *,
    cache_folder: Path,
    features: Path | None = None,
    resume: bool = False,
    with_calibration: bool | CalibrationRule = False,
    shards: str | Path | None = None,
    buffer: int = DEFAULT_BUFFER,
    workers: int = 2,
    shown: bool = True,
    root: Path | None = None,
) -> TrainingResult:
    """Trains into the run folder `out`; with `resume`, goes on where this run stopped, to the same weights.

    With calibration (True, or "classes"), a second network of the same recipe is trained first, in `out/calibration`,
    on four fifths of the base classes; its answers for the rest decide beta and tau_v. With "entropy", the validation
    clips decide tau_v, after the training and without their labels. `workers` threads read videos; `shown` draws
    progress on stderr; `root` holds the videos, in place of the manifest's folder. Videos that cannot be read are left
    out, and listed in the result and in `out/data.json`.
    `features` is a folder of stored video embeddings, as `openmov prepare --features` writes it; a network that looks
    at nothing else then opens no video. With `shards`, the folder or web address of a pack, no video is opened either:
    everything is streamed from there, in the order of a shuffle buffer of `buffer` clips.

    Raises ManifestError, VocabularyError, RecipeError, BackboneError, FeaturesError for what is wrong with the input,
    RunFolderError where `out` holds anything else, all before anything is written there; StorageError.
    """
    how: CalibrationRule | None = "classes" if with_calibration is True else with_calibration or None
    if shards is not None:
        _refuse_beside_shards(how, features)
    require_wandb(recipe.training.wandb)
    with joined_world() as world:
        _refuse_uneven_shares(recipe, world)
        components = build_components(recipe, cache_folder, features)
        check_files = shards is None and components.opens_files
        say, seed = note if world.first else None, recipe.training.seed
        data = load_base(manifest, vocabulary, seed, check_files=check_files, root=root, say=say)
        components = replace(components, classes=data.vocabulary.names)
        supply: DataSource = FileSource(components, workers)
        if shards is not None:
            supply = ShardSource(find_clips(components, data, shards, workers=workers), buffer)
        trainer = _Trainer(components, supply, resume, workers, shown and world.first, world)
        return _prepared_and_trained(trainer, data, out, how)


def _refuse_beside_shards(how: CalibrationRule | None, features: Path | None) -> None:
    if how == "classes":
        what = "looks at training clips as in a test, and shards hold them as in training alone"
        raise RecipeError("--calibrate", what, "leave it out, or train from the videos")
    if features is not None:
        raise RecipeError("--features", "is not needed with --shards, which hold all inputs", "leave one of them out")


def training_device(network: TrainedModel, world: World) -> torch.device:
    """The GPU of this process where it has one; the processor for methods with a text side of their own."""
    if isinstance(network, TextHead):
        return torch.device("cpu")
    return world.device if world.size > 1 else choose_compute().device


def _refuse_uneven_shares(recipe: Recipe, world: World) -> None:
    """Unequal parts would be learned from correctly, but the processes with fewer clips would wait in every step."""
    clips = recipe.training.batch_size
    if clips % world.size:
        what = f"{clips} clips cannot be divided equally among {world.size} processes"
        raise RecipeError("training.batch_size", what, f"make it a multiple of {world.size}")


def _prepared_and_trained(
    trainer: _Trainer, data: TrainingData, out: Path, how: CalibrationRule | None
) -> TrainingResult:
    components, world, shown = trainer.components, trainer.world, trainer.shown
    RunFolder.found(out, trainer.fingerprint(data), resume=trainer.resume)
    require_writable(out)
    trainer.objective(data, trainer.network())
    if how is not None:
        refuse_other_methods(components.recipe.model.method)
    prepared = trainer.supply.prepare(data, shown=shown, world=world)
    data = data.without(prepared)
    pseudo = rehearsal_split(components, data) if how == "classes" else None
    folder = trainer.create(out, data, components.recipe.name)
    contents = isinstance(trainer.supply, FileSource) and components.opens_files
    write_data_facts(folder, data, prepared, contents=contents, writes=world.first)
    chosen = None
    if pseudo is not None:
        chosen = calibrate_run(
            components, data, pseudo, out, trainer.rehearse, workers=trainer.workers, shown=shown, writes=world.first
        )
    summary = trainer.train(folder, data)
    if how == "entropy":
        chosen = match_run(components, data, folder.best, trainer.supply.evaluation(data.val), out, writes=world.first)
    used = components.backbone
    return TrainingResult(out, summary, chosen, prepared.unreadable, used.name, used.source)


def _validator(
    components: Components, data: TrainingData, supply: DataSource, world: World
) -> Callable[[TrainedModel], float] | None:
    """Base accuracy on the validation clips, by the base path; None where there are none (in a rehearsal).

    Each process answers for its part; right answers are counted, so the sum is exact.
    """
    if not data.val:
        return None
    share = world.share(len(data.val))
    ours = data.val[share.start : share.stop]
    truth = torch.tensor([data.vocabulary.index_of(str(clip.label)) for clip in ours])

    def num_right(network: TrainedModel) -> int:
        recording = record(network, supply.evaluation(ours))
        scorer = EmbeddingsScorer(recording, *answering(components, network))
        (batch,) = recording.batches()
        return int((scorer.score(batch, data.vocabulary).argmax(-1) == truth).sum())

    def validate(network: TrainedModel) -> float:
        (right,) = world.sum_numbers([num_right(network) if ours else 0])
        return right / len(data.val)

    return validate


def _provenance(components: Components, data: TrainingData) -> Provenance:
    return Provenance(
        recipe=components.recipe.model_dump(mode="json"),
        backbone_name=components.backbone.name,
        backbone_identity=components.backbone.identity,
        vocabulary_identity=data.vocabulary.identity,
        base_classes=data.vocabulary.names,
        prompts=data.vocabulary.prompts,
        backbone_revision=components.backbone.source.revision,
        backbone_licence=components.backbone.source.licence,
    )
