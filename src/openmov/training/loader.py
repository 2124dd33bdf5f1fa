"""Reads batches ahead of the training that uses them.

Knows nothing of files: a ClipSource may decode videos, look into a cache, or make numbers up.
"""

import queue
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol, runtime_checkable

import torch

from openmov.errors import OpenMovError
from openmov.training.sampler import Step
from openmov.types import ClipBatch

_AHEAD = 2
_GOODBYE_SECONDS = 5.0


@runtime_checkable
class ClipSource(Protocol):
    """The training clips, one view each."""

    def __len__(self) -> int:
        """Number of clips."""
        ...

    def batch(self, indices: Sequence[int], epoch: int) -> ClipBatch:
        """The clips at these positions, in this order, as augmented in `epoch`.

        Called on a thread of its own, one call at a time. Everything random must follow from (video id, epoch, seed)
        and leave torch's global generator alone: then a resumed training sees what a straight one would have seen.
        """
        ...


@runtime_checkable
class NamesFiles(Protocol):
    """A ClipSource that knows which files its clips come from, for messages."""

    def file_of(self, video_id: str) -> str:
        """Where a clip is read from."""
        ...

    def files_in_hand(self) -> tuple[str, ...]:
        """What is being read at this moment, the longest first. Called on any thread."""
        ...


@runtime_checkable
class StreamedSource(ClipSource, Protocol):
    """Clips that are quicker had in one order than in another, and sooner if it is known which come next."""

    def order(self, epoch: int) -> Sequence[int]:
        """Positions of all clips, in the order to train on them: the same whenever, and in whichever process, asked."""
        ...

    def batches(self, steps: Iterable[Step]) -> Iterator[ClipBatch]:
        """What `batch` gives for every micro-batch of the steps, in order; later steps may be looked at early."""
        ...


@contextmanager
def read_ahead(
    source: ClipSource, steps: Iterable[Step], stall_seconds: float | None = None
) -> Iterator[Iterator[ClipBatch]]:
    """Yields the micro-batches of `steps` in order, reading at most two ahead on a background thread.

    What goes wrong there is raised here, when the batch it happened to is asked for. Raises OpenMovError, naming the
    files in hand, where that batch does not come within `stall_seconds`; None waits for ever.
    """
    ready: queue.Queue[ClipBatch | BaseException] = queue.Queue(maxsize=_AHEAD)
    stop = threading.Event()

    def fill() -> None:
        try:
            for batch in _batches(source, steps):
                if not _put(ready, batch, stop):
                    return
        except BaseException as error:  # carried over to the loop's thread, which raises it
            _put(ready, error, stop)

    thread = threading.Thread(target=fill, name="openmov-read-ahead", daemon=True)
    thread.start()
    try:
        yield _received(ready, source, stall_seconds)
    finally:
        stop.set()
        thread.join(_GOODBYE_SECONDS)  # a source that hangs must not keep an interrupted training from ending


def _batches(source: ClipSource, steps: Iterable[Step]) -> Iterator[ClipBatch]:
    if isinstance(source, StreamedSource):
        return source.batches(steps)
    return (source.batch(indices, step.epoch) for step in steps for indices in step.micro_batches)


def on_device(batch: ClipBatch, device: torch.device) -> ClipBatch:
    """The batch with its tensors on `device`."""
    return batch.to(device)


def _put(ready: queue.Queue[ClipBatch | BaseException], item: ClipBatch | BaseException, stop: threading.Event) -> bool:
    while not stop.is_set():
        try:
            ready.put(item, timeout=0.1)
            return True
        except queue.Full:
            continue
    return False


def _received(
    ready: queue.Queue[ClipBatch | BaseException], source: ClipSource, stall_seconds: float | None
) -> Iterator[ClipBatch]:
    while True:
        try:
            item = ready.get(timeout=stall_seconds)
        except queue.Empty:
            raise _stalled(source, stall_seconds or 0.0) from None
        if isinstance(item, BaseException):
            raise item
        yield item


def _stalled(source: ClipSource, seconds: float) -> OpenMovError:
    files = source.files_in_hand() if isinstance(source, NamesFiles) else ()
    what = f"no clip came for {seconds:g} s" + (f"; being read: {shown(files)}" if files else "")
    hint = "look at that file and its disk, then go on with --resume, or raise training.stall_seconds"
    return OpenMovError("training", what, hint)


def shown(names: Sequence[str]) -> str:
    """The first five, and how many more there are."""
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
