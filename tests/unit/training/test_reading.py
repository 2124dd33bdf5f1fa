"""Reading ahead keeps the order, bounds itself, and passes on what goes wrong."""

import threading
import time
from collections.abc import Sequence

import pytest

from openmov.errors import OpenMovError
from openmov.training import loader as reading
from openmov.training.loader import read_ahead, shown
from openmov.training.sampler import BatchSampler
from openmov.types import ClipBatch
from tiny_training import StopAt, TinyClips

PLAN = BatchSampler(num_clips=20, epochs=2, batch_size=4, micro_batch_size=2, seed=0)


def ids(batch: ClipBatch) -> list[int]:
    return [int(name.removeprefix("clip")) for name in batch.video_ids]


def test_batches_come_in_the_order_of_the_plan() -> None:
    wanted = [list(part) for step in PLAN.steps_from(3) for part in step.micro_batches]
    with read_ahead(TinyClips(20), PLAN.steps_from(3)) as batches:
        assert [ids(next(batches)) for _ in wanted] == wanted


def test_it_reads_a_little_ahead_and_no_further() -> None:
    source = TinyClips(20)
    with read_ahead(source, PLAN.steps_from(0)) as batches:
        next(batches)
        deadline = time.monotonic() + 5
        while len(source.seen) < 8 and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.1)
        assert len(source.seen) == 8  # the one taken, two waiting, one in hand; two clips each


def test_an_error_comes_when_its_batch_is_asked_for() -> None:
    with read_ahead(StopAt(TinyClips(20), 2, RuntimeError("no such file")), PLAN.steps_from(0)) as batches:
        next(batches)
        next(batches)
        with pytest.raises(RuntimeError, match="no such file"):
            next(batches)


def test_the_thread_ends_with_the_block() -> None:
    before = threading.active_count()
    with read_ahead(TinyClips(20), PLAN.steps_from(0)) as batches:
        next(batches)
        assert threading.active_count() == before + 1
    assert threading.active_count() == before


class Stuck(TinyClips):
    """The third batch never comes."""

    def batch(self, indices: Sequence[int], epoch: int) -> ClipBatch:
        if len(self.seen) >= 4:
            threading.Event().wait(5)
        return super().batch(indices, epoch)

    def file_of(self, video_id: str) -> str:
        return f"/videos/{video_id}.mp4"

    def files_in_hand(self) -> tuple[str, ...]:
        return (self.file_of("clip007"),)


def test_a_batch_that_does_not_come_is_an_error_that_names_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "_GOODBYE_SECONDS", 0.1)
    said = r"no clip came for 0.2 s; being read: /videos/clip007\.mp4; .*--resume"
    with read_ahead(Stuck(20), PLAN.steps_from(0), stall_seconds=0.2) as batches:
        next(batches)
        next(batches)
        with pytest.raises(OpenMovError, match=said):
            next(batches)


def test_many_names_are_counted() -> None:
    assert shown(["a", "b"]) == "a, b"
    assert shown(list("abcdefg")) == "a, b, c, d, e and 2 more"
