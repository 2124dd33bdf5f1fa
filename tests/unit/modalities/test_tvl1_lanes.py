"""The vector type: every operation against numpy on sixteen numbers."""

from typing import Any, no_type_check

import numpy as np
import pytest

from openmov.tvl1.lanes import (
    NUM_LANES,
    compiled,
    floor,
    left_of,
    load,
    maximum,
    minimum,
    quads,
    right_of,
    splat,
    sqrt,
    store,
    total,
)

ONE = np.random.default_rng(0).uniform(0.5, 9, 3 * NUM_LANES).astype(np.float32)
TWO = np.random.default_rng(1).uniform(0.5, 9, 3 * NUM_LANES).astype(np.float32)
HERE = slice(NUM_LANES, 2 * NUM_LANES)


@compiled
@no_type_check
def everything(one, two, out):
    a, b = load(one, NUM_LANES), load(two, NUM_LANES)
    store(out, 0, a + b)
    store(out, 16, a - b)
    store(out, 32, a * b)
    store(out, 48, a / b)
    store(out, 64, minimum(a, b))
    store(out, 80, maximum(a, b))
    store(out, 96, splat(one[3]))
    store(out, 112, splat(np.float32(1)) / sqrt(a))
    store(out, 128, floor(a - b))
    store(out, 144, left_of(load(one, 0), a))
    store(out, 160, right_of(a, load(one, 32)))
    out[176] = total(a)
    out[177], out[178], out[179], out[180] = quads(a)


@pytest.fixture(scope="module")
def out() -> np.ndarray:
    result = np.zeros(192, np.float32)
    everything(ONE, TWO, result)
    return result


@pytest.mark.parametrize(
    ("start", "wanted"),
    [
        (0, (ONE + TWO)[HERE]),
        (16, (ONE - TWO)[HERE]),
        (32, (ONE * TWO)[HERE]),
        (48, (ONE / TWO)[HERE]),
        (64, np.minimum(ONE, TWO)[HERE]),
        (80, np.maximum(ONE, TWO)[HERE]),
        (96, np.full(16, ONE[3])),
        (112, (1 / np.sqrt(ONE))[HERE]),
        (128, np.floor(ONE - TWO)[HERE]),
        (144, ONE[15:31]),
        (160, ONE[17:33]),
    ],
)
def test_lane_by_lane(out: np.ndarray, start: int, wanted: Any) -> None:
    assert out[start : start + 16] == pytest.approx(wanted, rel=1e-6, abs=1e-6)


def test_sums(out: np.ndarray) -> None:
    assert out[176] == pytest.approx(ONE[HERE].sum(), rel=1e-6)
    assert out[177:181] == pytest.approx(ONE[HERE].reshape(4, 4).sum(0), rel=1e-6)
