"""Every clip exactly once an epoch, whatever the sizes."""

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from openmov.runtime.distributed import World
from openmov.training.sampler import BatchSampler, clip_order

sizes = st.integers(1, 40)


@settings(derandomize=True, deadline=None)
@given(num_clips=sizes, epochs=st.integers(1, 4), batch=sizes, micro=sizes, seed=st.integers(0, 5))
def test_each_clip_comes_exactly_once_an_epoch(num_clips: int, epochs: int, batch: int, micro: int, seed: int) -> None:
    plan = BatchSampler(num_clips, epochs, batch, micro, seed)
    steps = list(plan.steps_from(0))
    assert [step.index for step in steps] == list(range(plan.total_steps))
    for epoch in range(epochs):
        clips = Counter(i for step in steps if step.epoch == epoch for part in step.micro_batches for i in part)
        assert clips == Counter(range(num_clips))
    assert all(1 <= len(part) <= micro for step in steps for part in step.micro_batches)
    assert all(step.size == batch for step in steps if (step.index + 1) % plan.steps_per_epoch)


@settings(derandomize=True, deadline=None)
@given(num_clips=sizes, batch=sizes, first=st.integers(0, 60))
def test_going_on_from_a_step_gives_the_steps_that_were_left(num_clips: int, batch: int, first: int) -> None:
    plan = BatchSampler(num_clips, 3, batch, 4, seed=1)
    assert list(plan.steps_from(first)) == list(plan.steps_from(0))[first:]


def test_the_last_batch_is_what_is_left() -> None:
    plan = BatchSampler(num_clips=10, epochs=1, batch_size=4, micro_batch_size=3, seed=0)
    assert [[len(part) for part in step.micro_batches] for step in plan.steps_from(0)] == [[3, 1], [3, 1], [2]]


def test_the_order_depends_on_seed_and_epoch_alone() -> None:
    assert clip_order(50, 3, 7) == clip_order(50, 3, 7)
    orders = {clip_order(50, seed, epoch) for seed in range(3) for epoch in range(3)}
    assert len(orders) == 9


@settings(derandomize=True, deadline=None)
@given(num_clips=sizes, batch=sizes, micro=sizes, size=st.integers(1, 5))
def test_processes_share_every_step_and_agree_on_its_size(num_clips: int, batch: int, micro: int, size: int) -> None:
    alone = list(BatchSampler(num_clips, 2, batch, micro, seed=3).steps_from(0))
    plans = [BatchSampler(num_clips, 2, batch, micro, 3, World(rank, size)) for rank in range(size)]
    for step, *parts in zip(alone, *(plan.steps_from(0) for plan in plans), strict=True):
        clips = [clip for part in parts for micro_batch in part.micro_batches for clip in micro_batch]
        assert clips == [clip for micro_batch in step.micro_batches for clip in micro_batch]
        assert {part.size for part in parts} == {step.size}
        assert max(part.here for part in parts) - min(part.here for part in parts) <= 1


def test_a_process_without_clips_still_takes_the_step() -> None:
    first, second = (next(BatchSampler(1, 1, 8, 8, 0, World(rank, 2)).steps_from(0)) for rank in (0, 1))
    assert (first.micro_batches, first.size, second.micro_batches, second.size) == ((), 1, ((0,),), 1)
