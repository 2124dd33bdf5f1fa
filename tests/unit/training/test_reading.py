"""Reading ahead keeps the order, bounds itself, and passes on what goes wrong."""

import threading
import time

import pytest

from openmov.training.order import Plan
from openmov.training.reading import read_ahead
from openmov.types import ClipBatch
from tiny_training import StopAt, TinyClips

PLAN = Plan(num_clips=20, epochs=2, batch_size=4, micro_batch_size=2, seed=0)


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
