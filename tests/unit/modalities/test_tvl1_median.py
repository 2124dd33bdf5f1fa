"""The vectorised medians against numpy's, in the layout of a record: rows with spare room between them."""

from collections.abc import Callable

import numba
import numpy as np
import pytest

from openmov.tvl1.lanes import NUM_LANES
from openmov.tvl1.median import RING_ROWS, median3, median5


def filtered(median: Callable[..., None], image: np.ndarray) -> np.ndarray:
    height, width = image.shape
    padded = -(-width // NUM_LANES) * NUM_LANES
    stride = padded + NUM_LANES
    data = np.full(height * stride + NUM_LANES, 1e6, np.float32)
    rows = data[: height * stride].reshape(height, stride)[:, NUM_LANES : NUM_LANES + width]
    rows[:] = image
    median(data, NUM_LANES, stride, height, width, padded, np.zeros(RING_ROWS * padded, np.float32))
    return rows


def expected(image: np.ndarray, size: int) -> np.ndarray:
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(image, size // 2, mode="edge"), (size, size))
    return np.median(windows, axis=(2, 3))


@pytest.mark.parametrize(("median", "size"), [(median3, 3), (median5, 5)])
@pytest.mark.parametrize(("height", "width"), [(16, 16), (17, 33), (40, 31), (21, 48), (16, 47)])
def test_median_is_exact(median: Callable[..., None], size: int, height: int, width: int) -> None:
    image = np.random.default_rng(height * width).standard_normal((height, width)).astype(np.float32)
    assert np.array_equal(filtered(median, image), expected(image, size))
    assert not np.array_equal(filtered(median, image), expected(image, 8 - size))


def test_equal_numbers_do_no_harm() -> None:
    image = np.random.default_rng(0).integers(-2, 3, (37, 29)).astype(np.float32)
    assert np.array_equal(filtered(median5, image), expected(image, 5))


def test_functions_are_compiled() -> None:
    assert isinstance(median5, numba.core.dispatcher.Dispatcher)
