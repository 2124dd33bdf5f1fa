"""Trains a network on the clips of a source; can be stopped at any moment and resumed bit for bit.

Between two updates everything that decides what follows is the weights, the optimiser and one `Position`: torch's
generator is seeded anew for every step, and the order of clips, and everything random about a clip, are functions of
(seed, epoch, video id). The checkpoint `last` holds these; it is taken at intervals, after every epoch, and on Ctrl-C,
and written beside the training. With several processes each looks at its part of every step's clips and all take the
same step; the first alone writes files and talks. The steps themselves are in `course.py`.
Knows no model, no files and no class names: it meets them as a network, a ClipSource and an Objective.
"""

from collections.abc import Callable, Iterable
from contextlib import nullcontext
from typing import cast

import torch
from torch import nn

from openmov.config.schema import TrainingConfig
from openmov.errors import ManifestError, OpenMovError, RunFolderError
from openmov.runtime.checkpoint import Provenance, is_checkpoint
from openmov.runtime.distributed import ALONE, World
from openmov.runtime.run_folder import RunFolder
from openmov.training.background import BackgroundWriter
from openmov.training.course import Course, TrainingSummary
from openmov.training.network import HasPretrainedWeights, Network, Trainable
from openmov.training.objective import Objective
from openmov.training.optimizer import build_optimizer, trained_parameters
from openmov.training.parallel import hold
from openmov.training.reading import ClipSource
from openmov.training.saving import RunCheckpoints
from openmov.training.state import random_state_kept

__all__ = ["Trainable", "TrainingSummary", "train"]


def train(
    model: Network,
    source: ClipSource,
    objective: Objective,
    config: TrainingConfig,
    folder: RunFolder,
    provenance: Provenance,
    *,
    validate: Callable[[Network], float] | None = None,
    progress: bool = True,
    resume: bool = False,
    checkpoint_seconds: float = 60.0,
    world: World = ALONE,
) -> TrainingSummary:
    """Trains `model` (an nn.Module on its device) in place, and leaves metrics and checkpoints in `folder`.

    `validate` gets the network in eval mode, without gradients, after every epoch; more is better, and without it the
    newest epoch is the best. With `resume` the training goes on from the checkpoint `last`, from the start if a run
    was stopped before its first one; a finished one returns at once. `last` is taken every `checkpoint_seconds`,
    after every epoch, and on Ctrl-C, which is raised again when it is written. Every process of `world` calls this with
    the same arguments and a `folder` all of them see; `validate` must give all of them the same value.

    Raises ManifestError for clips without label or without any modality that is trained, VocabularyError for labels
    that are not base, OpenMovError naming the files for a loss that is not finite or a clip that does not come,
    CheckpointError and RunFolderError where the folder does not fit, and StorageError.
    """
    device = _device(model, source)
    begun = is_checkpoint(folder.last)
    if begun and not resume:
        raise RunFolderError(folder.path, "a training has begun there", "give --resume, or choose another --out")
    with (
        folder.locked() if world.first else nullcontext() as lock,
        random_state_kept(device),
        BackgroundWriter() as writer,
    ):
        holding = hold(model, config.parallel, world)
        parameters = trained_parameters(cast(nn.Module, model))
        optimizer = build_optimizer(parameters, config, *_slower(model, parameters, config))
        parts = (folder, provenance, model, optimizer, parameters, writer)
        checkpoints = RunCheckpoints(*parts, holding=holding, keep_last=config.keep_last, lock=lock)
        how = (holding, optimizer, checkpoints, writer)
        course = Course(model, source, objective, config, *how, validate, checkpoint_seconds, world)
        course.begin(folder, restored=begun)
        return course.to_the_end(folder, progress and world.first)


def _slower(model: Trainable, names: Iterable[str], config: TrainingConfig) -> tuple[frozenset[str], float]:
    """Which weights train at another rate than the method's new ones, and at how much of it."""
    if not isinstance(model, HasPretrainedWeights):
        return frozenset(), 1.0
    rate = config.pretrained_rate or model.pretrained_rate
    return frozenset(name for name in names if rate != 1 and model.is_pretrained(name)), rate


def _device(model: Trainable, source: ClipSource) -> torch.device:
    """Where the network trains. Raises ManifestError without a clip, OpenMovError without a weight to train."""
    if not len(source):
        raise ManifestError("training", "there is no clip to train on", "check the manifest's split and labels")
    parameters = trained_parameters(cast(nn.Module, model))
    if not parameters:
        raise OpenMovError("training", "the network has no weight that trains", "raise model.trainable_layers")
    return next(iter(parameters.values())).device
