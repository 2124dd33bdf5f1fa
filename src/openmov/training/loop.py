"""Trains a network on the clips of a source; can be stopped at any moment and resumed bit for bit.

Between two updates everything that decides what follows is the weights, the optimiser and one `TrainState`: torch's
generator is seeded anew for every step, and the order of clips, and everything random about a clip, are functions of
(seed, epoch, video id). The checkpoint `last` holds these; it is taken at intervals, after every epoch, and on Ctrl-C,
and written beside the training. With several processes each looks at its part of every step's clips and all take the
same step; the first alone writes files and talks. The steps themselves are in `train_loop.py`.
Knows no model, no files and no class names: it meets them as a network, a ClipSource and an Objective.
"""

import math
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Generic, cast

import torch
from torch import nn

from openmov.config.schema import TrainingConfig
from openmov.errors import ManifestError, OpenMovError, RunFolderError
from openmov.runtime.checkpoint import Provenance, is_checkpoint
from openmov.runtime.distributed import ALONE, World
from openmov.runtime.interrupts import interrupts_deferred
from openmov.runtime.run_folder import RunFolder
from openmov.training.checkpoints import BackgroundWriter, RunCheckpoints
from openmov.training.distributed import ParallelStrategy, hold
from openmov.training.loader import ClipSource, StreamedSource, read_ahead
from openmov.training.objective import Objective
from openmov.training.optimizer import build_optimizer, learning_rate, set_learning_rate, trained_parameters
from openmov.training.progress import Throughput, TrainingProgress
from openmov.training.sampler import BatchSampler, Step
from openmov.training.state import HasPretrainedWeights, Network, Trainable, TrainState, random_state_kept, seed_step
from openmov.training.step import NotFiniteError, StepLoss, add_gradients
from openmov.training.tracking import Log, NoLog, open_log, wandb_curves
from openmov.types import ClipBatch

_LOOK_SECONDS = 1.0
"""So often it is seen to that the run folder is still there."""


@dataclass(frozen=True)
class TrainingSummary:
    """How a training went."""

    steps: int
    """Optimiser steps, those before a resumption included."""
    epochs: int
    """Epochs, likewise."""
    best_epoch: int | None
    """Counted from 0."""
    best_validation: float | None
    """None where nothing validates."""
    seconds: float
    """Wall time of this call."""
    clips_per_second: float
    """Clips of this call over that time, validation and checkpoints included."""
    data_wait_share: float
    """Share of that time spent waiting for clips."""


class TrainLoop(Generic[Network]):
    """The moving parts of one call of `train`."""

    def __init__(
        self,
        model: Network,
        source: ClipSource,
        objective: Objective,
        config: TrainingConfig,
        strategy: ParallelStrategy,
        optimizer: torch.optim.Optimizer,
        checkpoints: RunCheckpoints,
        writer: BackgroundWriter,
        validate: Callable[[Network], float] | None,
        checkpoint_seconds: float,
        world: World,
    ) -> None:
        self.model, self.source, self.objective, self.config = model, source, objective, config
        self.strategy, self.optimizer, self.checkpoints, self.writer = strategy, optimizer, checkpoints, writer
        self.validate, self.checkpoint_seconds, self.world = validate, checkpoint_seconds, world
        micro_batch_size = config.micro_batch_size or config.batch_size
        order = source.order if isinstance(source, StreamedSource) else None
        self.plan = BatchSampler(
            len(source), config.epochs, config.batch_size, micro_batch_size, config.seed, world, order
        )
        self.warmup_steps = round(config.warmup_epochs * self.plan.steps_per_epoch)
        self.weights = [weight for group in optimizer.param_groups for weight in group["params"]]
        self.device = self.weights[0].device
        self.position = TrainState()
        self.saved_step, self.saved_at = 0, time.monotonic()
        self.looked_at = self.saved_at
        self.pace = Throughput(self.device)

    def begin(self, folder: RunFolder, *, restored: bool) -> None:
        """At the first step or at the checkpoint `last`: all processes at the same, or not at all."""
        if restored:
            self.position = self.checkpoints.restore()
            self.saved_step = self.position.step
        if self.world.sum_numbers([self.position.step]) != [self.position.step * self.world.size]:
            what = "the processes of the job see different checkpoints"
            raise RunFolderError(folder.path, what, "put it on a file system that all of them share")

    def to_the_end(self, folder: RunFolder, progress: bool) -> TrainingSummary:
        before, started = self.position, time.monotonic()
        if before.epochs_done < self.config.epochs:
            with (
                self._open_log(folder) as log,
                TrainingProgress(self.config.epochs, self.plan.steps_per_epoch, progress) as display,
            ):
                self._epochs_saved_on_interrupt(log, display)
        return self._summary(before, time.monotonic() - started)

    def _open_log(self, folder: RunFolder) -> AbstractContextManager[Log]:
        if not self.world.first:
            return nullcontext(NoLog())
        elsewhere = wandb_curves(self.config.wandb, folder, self.checkpoints.provenance.recipe)
        return open_log(folder, self.position.metrics_bytes, self.position.step, elsewhere)

    def _epochs_saved_on_interrupt(self, log: Log, display: TrainingProgress) -> None:
        steps = self.plan.steps_from(self.position.step)
        try:
            with read_ahead(self.source, steps, self.config.stall_seconds) as batches:
                while self.position.epochs_done < self.config.epochs:
                    self._epoch(batches, log, display)
            self.writer.wait()
        except (KeyboardInterrupt, OpenMovError):
            # shares cannot be brought together any more: the others may have stopped, or be a step further
            if self.position.step > self.saved_step and not self.strategy.saves_together:
                self._save_last()
            self.writer.wait()
            raise

    def _epoch(self, batches: Iterator[ClipBatch], log: Log, display: TrainingProgress) -> None:
        self.model.train()
        self.pace.restart()
        for step in self.plan.epoch_steps(self.position.epochs_done, self.position.step):
            self.writer.look()
            self._step(step, batches, log, display)
            if self._save_is_due():
                self._save_last()
        self._finish_epoch(log, display)

    def _save_is_due(self) -> bool:
        now = time.monotonic()
        if now - self.looked_at >= _LOOK_SECONDS:
            self.checkpoints.require_folder()
            self.looked_at = now
        due = now - self.saved_at >= self.checkpoint_seconds
        if not self.strategy.saves_together:
            return due
        return self.world.sum_numbers([due and self.world.first])[0] > 0  # the first one's clock decides for all

    def _step(self, step: Step, batches: Iterator[ClipBatch], log: Log, display: TrainingProgress) -> None:
        result, norm = self._gradients(step, batches)
        rate = self._rate(step)
        set_learning_rate(self.optimizer, rate)
        pace = self.pace.step(step.size, result.wait_seconds)
        loss, done = result.loss_sum / step.size, step.index + 1
        record = {"step": done, "epoch": step.epoch, "loss": loss, **result.by_modality}
        metrics_bytes = log.write(record | {"learning_rate": rate, "gradient_norm": norm} | pace.figures, done)
        loss_sum = self.position.loss_sum + result.loss_sum
        with interrupts_deferred():  # weights and position change together, or not at all
            self.optimizer.step()
            self.position = replace(self.position, step=done, metrics_bytes=metrics_bytes, loss_sum=loss_sum)
        display.step(done, loss, pace)

    def _rate(self, step: Step) -> float:
        peak, warmup_rate = self.config.learning_rate, self.config.warmup_rate
        return learning_rate(step.index, self.plan.total_steps, self.warmup_steps, peak, warmup_rate)

    def _gradients(self, step: Step, batches: Iterator[ClipBatch]) -> tuple[StepLoss, float]:
        """The gradients of the step's mean loss, in all processes; the losses, and the gradients' norm."""
        self.optimizer.zero_grad(set_to_none=True)
        seed_step(self.config.seed, step.index, self.world.rank)
        try:
            ours = add_gradients(self.strategy.embed, self.objective, step, batches, self.config, self.device)
            result = self.strategy.add_up(step, self.weights, ours)
            return result, self._clipped_norm(result.video_ids)
        except NotFiniteError as error:
            raise error.naming_files(self.source) from None

    def _clipped_norm(self, video_ids: tuple[str, ...]) -> float:
        gradients = [weight.grad for weight in self.weights if weight.grad is not None]
        norm = self.strategy.norm(nn.utils.get_total_norm(gradients))
        if not math.isfinite(float(norm)):
            raise NotFiniteError("gradient", video_ids)
        if self.config.gradient_clip is not None:
            nn.utils.clip_grads_with_norm_(self.weights, self.config.gradient_clip, norm)
        return float(norm)

    def _finish_epoch(self, log: Log, display: TrainingProgress) -> None:
        epoch, step = self.position.epochs_done, self.position.step
        loss, value = self.position.loss_sum / self.plan.num_clips, self._validation()
        line = {"step": step, "epoch": epoch, "epoch_loss": loss, "validation": value}
        done = replace(self.position, epochs_done=epoch + 1, metrics_bytes=log.write(line, step), loss_sum=0.0)
        best = value is None or done.best_value is None or value > done.best_value
        if best:
            done = replace(done, best_epoch=epoch, best_value=value)
        metrics = {"epoch_loss": loss, "validation": value}
        self.checkpoints.save_epoch(done, metrics, best=best, epoch=self.config.keep_epochs)
        self.position = done
        self.saved_step, self.saved_at = step, time.monotonic()
        display.epoch(epoch, loss, value, best)

    def _validation(self) -> float | None:
        if self.validate is None:
            return None
        with random_state_kept(self.device), torch.no_grad(), self.strategy.whole():
            self.model.train(False)
            value = float(self.validate(self.model))
        if not math.isfinite(value):
            raise OpenMovError("training", f"validation gave {value}", "lower training.learning_rate")
        return value

    def _save_last(self) -> None:
        self.checkpoints.save_last(self.position)
        self.saved_step, self.saved_at = self.position.step, time.monotonic()

    def _summary(self, before: TrainState, seconds: float) -> TrainingSummary:
        epochs, steps = divmod(before.step, self.plan.steps_per_epoch)
        clips = (self.config.epochs - epochs) * self.plan.num_clips - steps * self.config.batch_size
        return TrainingSummary(
            steps=self.position.step,
            epochs=self.position.epochs_done,
            best_epoch=self.position.best_epoch,
            best_validation=self.position.best_value,
            seconds=seconds,
            clips_per_second=clips / max(seconds, 1e-9),
            data_wait_share=self.pace.wait_seconds / max(seconds, 1e-9),
        )


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
        strategy = hold(model, config.parallel, world)
        parameters = trained_parameters(cast(nn.Module, model))
        optimizer = build_optimizer(parameters, config, *_slower(model, parameters, config))
        parts = (folder, provenance, model, optimizer, parameters, writer)
        checkpoints = RunCheckpoints(*parts, strategy=strategy, keep_last=config.keep_last, lock=lock)
        how = (strategy, optimizer, checkpoints, writer)
        train_loop = TrainLoop(model, source, objective, config, *how, validate, checkpoint_seconds, world)
        train_loop.begin(folder, restored=begun)
        return train_loop.to_the_end(folder, progress and world.first)


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
