"""The order in which clips come out of shards: every clip once, mixed, and never far from where it was read."""

import numpy as np
import pytest

from openmov.data.shards import stream_order

SHARDS = [list(range(start, start + 7)) for start in range(0, 70, 7)]


@pytest.mark.parametrize("buffer", [1, 5, 20, 70, 1000])
def test_every_clip_comes_once_and_is_read_by_then(buffer: int) -> None:
    order = stream_order(SHARDS, buffer, seed=3, epoch=1)
    assert sorted(order.given) == sorted(order.read) == list(range(70))
    place = {clip: number for number, clip in enumerate(order.read)}
    assert all(place[clip] < number + buffer for number, clip in enumerate(order.given))


def test_shards_are_read_whole_one_after_the_other() -> None:
    read = stream_order(SHARDS, 20, seed=3, epoch=1).read
    assert [list(read[start : start + 7]) for start in range(0, 70, 7)] != SHARDS
    assert all(list(read[start : start + 7]) in SHARDS for start in range(0, 70, 7))


def test_the_order_follows_from_seed_and_epoch_alone() -> None:
    one = stream_order(SHARDS, 20, seed=3, epoch=1)
    assert one == stream_order(SHARDS, 20, seed=3, epoch=1)
    others = {stream_order(SHARDS, 20, seed, epoch).given for seed, epoch in ((3, 2), (4, 1), (4, 2))}
    assert len(others | {one.given}) == 4


def test_a_buffer_of_one_gives_what_is_read_and_one_of_all_mixes_all() -> None:
    assert stream_order(SHARDS, 1, 0, 0).given == stream_order(SHARDS, 1, 0, 0).read
    firsts = [stream_order(SHARDS, 70, 0, epoch).given[0] for epoch in range(2000)]
    counts = np.bincount(firsts, minlength=70)
    assert counts.min() > 5  # uniform: 29 on average, deviation 5.3
    assert counts.max() < 60


def test_shards_without_clips_and_no_clips_at_all() -> None:
    assert stream_order([], 5, 0, 0).given == ()
    assert sorted(stream_order([[], [1, 0], []], 5, 0, 0).given) == [0, 1]
