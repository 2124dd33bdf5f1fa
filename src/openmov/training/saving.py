"""Writes the three kinds of checkpoint of a run, and takes `last` back.

    last            weights, optimiser, random state, position: the training can go on from it
    best, epochs/N  the weights that train, and nothing else

Knows nothing of losses or clips.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from openmov.runtime.checkpoint import (
    CheckpointHeader,
    Provenance,
    load_checkpoint,
    load_resume_state,
    require_match,
    save_checkpoint,
)
from openmov.runtime.run_folder import RunFolder
from openmov.training.optimizer import load_optimizer_tensors, optimizer_tensors
from openmov.training.state import Position, join_resume_state, split_resume_state


@runtime_checkable
class TrainedWeights(Protocol):
    """Something whose trained weights can be taken out and put back."""

    def trained_state(self) -> dict[str, Tensor]:
        """The weights that require gradient, by name."""
        ...

    def load_trained_state(self, state: Mapping[str, Tensor]) -> None:
        """Takes exactly those weights back. Raises CheckpointError for others."""
        ...


class RunCheckpoints:
    """The checkpoints of one run."""

    def __init__(
        self,
        folder: RunFolder,
        provenance: Provenance,
        model: TrainedWeights,
        optimizer: torch.optim.Optimizer,
        parameters: Mapping[str, nn.Parameter],
        *,
        writes: bool = True,
    ) -> None:
        """With `writes` False nothing is saved: the first process of a job does it for all."""
        self._writes = writes
        self._folder = folder
        self._provenance = provenance
        self._model = model
        self._optimizer = optimizer
        self._parameters = parameters

    def save_best(self, position: Position, metrics: Mapping[str, float | None]) -> None:
        """Raises StorageError."""
        header = CheckpointHeader("best", self._provenance, position.step, position.epochs_done, metrics)
        self._save(self._folder.best, self._model.trained_state(), header)

    def save_epoch(self, position: Position, metrics: Mapping[str, float | None]) -> None:
        """The weights after the epoch just done. Raises StorageError."""
        header = CheckpointHeader("epoch", self._provenance, position.step, position.epochs_done, metrics)
        self._save(self._folder.epoch(position.epochs_done - 1), self._model.trained_state(), header)

    def save_last(self, position: Position, random: Mapping[str, Tensor]) -> None:
        """Everything as it is after `position`. Raises StorageError."""
        numbers = position.as_metrics()
        header = CheckpointHeader("last", self._provenance, position.step, position.epochs_done, numbers)
        state = join_resume_state(random, optimizer_tensors(self._optimizer, self._parameters))
        self._save(self._folder.last, self._model.trained_state(), header, state)

    def _save(
        self,
        path: Path,
        weights: Mapping[str, Tensor],
        header: CheckpointHeader,
        resume: Mapping[str, Tensor] | None = None,
    ) -> None:
        if self._writes:
            save_checkpoint(path, weights, header, resume)

    def restore(self) -> tuple[Position, dict[str, Tensor]]:
        """Puts weights and optimiser back; returns position and random state. Raises CheckpointError."""
        weights, header = load_checkpoint(self._folder.last)
        require_match(
            header,
            backbone_identity=self._provenance.backbone_identity,
            vocabulary_identity=self._provenance.vocabulary_identity,
            where=self._folder.last,
        )
        position = Position.from_header(header, self._folder.last)
        random, optimizer = split_resume_state(load_resume_state(self._folder.last))
        self._model.load_trained_state(weights)
        load_optimizer_tensors(self._optimizer, self._parameters, optimizer)
        return position, random
