"""The three kinds of checkpoint of a run: `last` to go on from, `best` by validation, `epochs/000` ... where asked for.

Weights, optimiser and position are copied to the processor's memory between two steps and written beside the training.
At an epoch's end `best` and `epochs/000` are written before `last`: a kill in between validates that epoch again. Of
the ones that `last` replaces, `previous/` keeps as many as the recipe asks for, as links: no byte is written twice.
Knows nothing of losses or clips.
"""

import shutil
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Literal

import torch
from torch import Tensor, nn

from openmov.runtime.atomic import linked_copy
from openmov.runtime.checkpoint import (
    CheckpointHeader,
    Provenance,
    is_checkpoint,
    load_checkpoint,
    load_header,
    load_resume_state,
    require_match,
    save_checkpoint,
)
from openmov.runtime.run_folder import RunFolder, RunLock
from openmov.training.distributed import ParallelStrategy
from openmov.training.optimizer import load_optimizer_tensors, optimizer_tensors
from openmov.training.state import TrainedWeights, TrainState


class BackgroundWriter:
    """A context manager; its end waits for what is in flight, and so does the end of the program."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="openmov-checkpoint")
        self._in_flight: Future[None] | None = None

    def __enter__(self) -> "BackgroundWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self.wait()
        finally:
            self._pool.shutdown(wait=True)

    def submit(self, work: Callable[[], None]) -> None:
        """Waits for the work before, raising what happened to it, and starts this one."""
        self.wait()
        self._in_flight = self._pool.submit(work)

    def look(self) -> None:
        """Raises what happened to the work in flight, if that is known already; never waits."""
        if self._in_flight is not None and self._in_flight.done():
            self.wait()

    def wait(self) -> None:
        """Until nothing is in flight. Raises what happened to it, once; a Ctrl-C meanwhile leaves it in flight."""
        if self._in_flight is None:
            return
        done = self._in_flight
        error = done.exception()
        self._in_flight = None
        if error is not None:
            raise error


_OPTIMIZER = "optimizer/"


@dataclass(frozen=True)
class _Snapshot:
    """A training between two steps, in memory that no step changes."""

    position: TrainState
    weights: Mapping[str, Tensor]
    optimizer: Mapping[str, Tensor]


class RunCheckpoints:
    """The checkpoints of one run."""

    def __init__(
        self,
        folder: RunFolder,
        provenance: Provenance,
        model: TrainedWeights,
        optimizer: torch.optim.Optimizer,
        parameters: Mapping[str, nn.Parameter],
        writer: BackgroundWriter,
        *,
        strategy: ParallelStrategy,
        keep_last: int = 1,
        lock: RunLock | None,
    ) -> None:
        """Without the lock nothing is written: the first process of a job does it for all."""
        self._folder, self._writer = folder, writer
        self.provenance = provenance
        """What is trained, on what."""
        self._model, self._optimizer, self._parameters = model, optimizer, parameters
        self._holding, self._keep_last, self._lock = strategy, keep_last, lock

    def save_last(self, position: TrainState) -> None:
        """Everything as it is after `position`. Raises what happened to the checkpoint before, such as StorageError."""
        snapshot = self._snapshot(position)
        if snapshot is not None:
            self._writer.submit(lambda: self._write_last(snapshot))

    def save_epoch(self, position: TrainState, metrics: Mapping[str, float | None], *, best: bool, epoch: bool) -> None:
        """The same at an epoch's end, and before it the weights as the best so far, and as those of the epoch.

        Raises what happened to the checkpoint before.
        """
        snapshot = self._snapshot(position)
        if snapshot is None:
            return

        def write() -> None:
            if best:
                self._write("best", snapshot, metrics)
            if epoch:
                self._write("epoch", snapshot, metrics)
            self._write_last(snapshot)

        self._writer.submit(write)

    def restore(self) -> TrainState:
        """Puts weights and optimiser back; returns the position. Raises CheckpointError."""
        weights, header = load_checkpoint(self._folder.last)
        require_match(
            header,
            backbone_identity=self.provenance.backbone_identity,
            vocabulary_identity=self.provenance.vocabulary_identity,
            where=self._folder.last,
        )
        position = TrainState.from_header(header, self._folder.last)
        state = load_resume_state(self._folder.last)
        moments = {key.removeprefix(_OPTIMIZER): one for key, one in state.items() if key.startswith(_OPTIMIZER)}
        self._model.load_trained_state(self._holding.placed(weights, self._model.trained_state()))
        held_like = {name: self._parameters.get(name.partition("/")[2]) for name in moments}
        like = {name: parameter for name, parameter in held_like.items() if parameter is not None}
        load_optimizer_tensors(self._optimizer, self._parameters, self._holding.placed(moments, like))
        return position

    def require_folder(self) -> None:
        """Raises RunFolderError where the run folder has gone: what is trained then could never be read."""
        if self._lock is not None:
            self._lock.require_folder()

    def _snapshot(self, position: TrainState) -> _Snapshot | None:
        """None in a process that does not write."""
        self._writer.wait()  # before the copy, so that there is one at a time
        if not (self._lock or self._holding.saves_together):
            return None
        weights = self._holding.copied(self._model.trained_state())
        moments = self._holding.copied(optimizer_tensors(self._optimizer, self._parameters))
        return _Snapshot(position, weights, moments) if self._lock else None

    def _write(
        self, kind: Literal["best", "epoch"], snapshot: _Snapshot, metrics: Mapping[str, float | int | None]
    ) -> None:
        self.require_folder()
        position = snapshot.position
        path = self._folder.best if kind == "best" else self._folder.epoch(position.epochs_done - 1)
        header = CheckpointHeader(kind, self.provenance, position.step, position.epochs_done, metrics)
        save_checkpoint(path, snapshot.weights, header)

    def _write_last(self, snapshot: _Snapshot) -> None:
        self.require_folder()
        position = snapshot.position
        self._keep_previous(position.step)
        header = CheckpointHeader("last", self.provenance, position.step, position.epochs_done, position.as_metrics())
        state = {_OPTIMIZER + name: tensor for name, tensor in snapshot.optimizer.items()}
        save_checkpoint(self._folder.last, snapshot.weights, header, state)

    def _keep_previous(self, step: int) -> None:
        """Before `last` is replaced by that of `step`: it joins the previous ones, of which the oldest go."""
        if self._keep_last > 1 and is_checkpoint(self._folder.last):
            replaced = load_header(self._folder.last).step
            if replaced != step:
                linked_copy(self._folder.last, self._folder.previous / f"{replaced:08d}")
        kept = sorted(self._folder.previous.glob("[0-9]*")) if self._folder.previous.is_dir() else []
        older = [path for path in kept if int(path.name) < step]  # later ones are of a train_loop that was left
        keep = older[-(self._keep_last - 1) :] if self._keep_last > 1 else []
        for path in kept:
            if path not in keep:
                shutil.rmtree(path, ignore_errors=True)
