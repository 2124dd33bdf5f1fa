"""ECE with answers known by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openmov.evaluation.metrics import confidence_bins, expected_calibration_error


def error_of(confidences: list[float], correct: list[bool], num_bins: int = 10) -> float:
    return expected_calibration_error(confidence_bins(np.array(confidences), np.array(correct), num_bins))


def test_as_right_as_sure_is_no_error():
    assert error_of([0.75] * 4, [True, True, True, False]) == 0
    assert error_of([1.0, 1.0], [True, True]) == 0


def test_known_error():
    # (0.8, 0.9]: two answers, one right, mean 0.85 -> 0.35; (0.4, 0.5]: two answers, both right, mean 0.45 -> 0.55
    assert error_of([0.82, 0.88, 0.42, 0.48], [True, False, True, True]) == pytest.approx((2 * 0.35 + 2 * 0.55) / 4)


def test_always_sure_and_always_wrong_is_the_worst():
    assert error_of([1.0] * 5, [False] * 5) == 1


def test_bins_hold_their_upper_end():
    low, high = confidence_bins(np.array([0.1, 0.1000001]), np.array([True, False]), 10)
    assert (low.low, low.high, low.count, low.accuracy) == (0.0, 0.1, 1, 1.0)
    assert (high.low, high.high, high.count, high.accuracy) == (0.1, 0.2, 1, 0.0)
    assert confidence_bins(np.array([0.0]), np.array([True]), 10)[0].low == 0.0


def test_what_is_no_probability():
    with pytest.raises(ValueError, match="not a probability"):
        confidence_bins(np.array([0.5, 1.2]), np.array([True, True]))
    with pytest.raises(ValueError, match="no sample"):
        expected_calibration_error(())


@settings(derandomize=True, deadline=None, max_examples=50)
@given(pairs=st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=40), seed=st.integers(0, 99))
def test_order_does_not_matter_and_no_sample_is_lost(pairs, seed):
    shuffled = [pairs[i] for i in np.random.default_rng(seed).permutation(len(pairs))]
    straight, turned = (
        confidence_bins(np.array([a for a, _ in each]), np.array([b for _, b in each])) for each in (pairs, shuffled)
    )
    assert sum(one.count for one in straight) == len(pairs)
    assert [one.count for one in straight] == [one.count for one in turned]
    assert expected_calibration_error(straight) == pytest.approx(expected_calibration_error(turned))
    assert 0 <= expected_calibration_error(straight) <= 1
