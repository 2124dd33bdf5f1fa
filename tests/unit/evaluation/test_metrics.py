"""Figures of merit against answers known by hand."""

import math

import numpy as np
import pytest

from openmov.evaluation import metrics


def test_wilson_interval_of_published_examples():
    # 81 of 263: Newcombe (1998), table I, method 3; 0 of 20 and 1 of 29: the same table
    assert metrics.wilson_interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert metrics.wilson_interval(0, 20) == pytest.approx((0.0, 0.1611), abs=5e-5)
    assert metrics.wilson_interval(1, 29) == pytest.approx((0.0061, 0.1718), abs=5e-5)


def test_wilson_interval_mirrors():
    low, high = metrics.wilson_interval(3, 17)
    assert metrics.wilson_interval(14, 17) == pytest.approx((1 - high, 1 - low))
    assert metrics.wilson_interval(5, 5)[1] == 1.0


@pytest.mark.parametrize(("correct", "count"), [(0, 0), (-1, 3), (4, 3)])
def test_no_share_no_interval(correct, count):
    with pytest.raises(ValueError, match="is not a share"):
        metrics.wilson_interval(correct, count)


def test_accuracy():
    found = metrics.accuracy(np.array([True, False, True, True]))
    assert (found.value, found.count) == (0.75, 4)
    assert found.low < 0.75 < found.high


def test_ranks_and_top_k():
    probabilities = np.array([[0.7, 0.2, 0.1], [0.7, 0.2, 0.1], [0.1, 0.2, 0.7]])
    ranks = metrics.true_ranks(probabilities, np.array([0, 1, 0]))
    assert ranks.tolist() == [1, 2, 3]
    assert [metrics.top_k_accuracy(ranks, k).value for k in (1, 2, 3)] == pytest.approx([1 / 3, 2 / 3, 1])


def test_a_scorer_that_says_nothing_is_right_by_chance():
    ranks = metrics.true_ranks(np.full((8, 4), 0.25), np.arange(8) % 4)
    assert metrics.top_k_accuracy(ranks, 1).value == 0.25


def test_per_class_and_mean_class_accuracy():
    labels, correct = np.array([0, 0, 0, 2]), np.array([True, True, False, False])
    per_class = metrics.per_class_accuracy(labels, correct, 4)
    assert per_class[[0, 2]] == pytest.approx([2 / 3, 0])
    assert np.isnan(per_class[[1, 3]]).all()
    assert metrics.mean_class_accuracy(labels, correct) == pytest.approx(1 / 3)  # plain accuracy would be 1 / 2


def test_mean_class_accuracy_of_nothing():
    with pytest.raises(ValueError, match="no sample"):
        metrics.mean_class_accuracy(np.array([], dtype=np.int64), np.array([], dtype=bool))


def test_harmonic_mean_of_the_paper():
    assert metrics.harmonic_mean(75.3, 58.1) == pytest.approx(65.6, abs=0.05)  # table 1, MOV
    assert metrics.harmonic_mean(0.0, 0.0) == 0.0
    assert metrics.harmonic_mean(0.0, 0.9) == 0.0


def test_confusion_matrix():
    found = metrics.confusion_matrix(np.array([0, 0, 1, 2]), np.array([0, 1, 1, 0]), 3)
    assert found.tolist() == [[1, 1, 0], [0, 1, 0], [1, 0, 0]]


def test_bootstrap_of_equal_answers():
    same = np.array([True, False] * 50)
    found = metrics.paired_bootstrap(same, same)
    assert (found.mean, found.low, found.high, found.p) == (0.0, 0.0, 0.0, 1.0)


def test_bootstrap_agrees_with_the_normal_theory():
    ours, theirs = np.arange(1000) < 600, np.arange(1000) >= 500
    found = metrics.paired_bootstrap(ours, theirs)  # +1 for 500, 0 for 100, -1 for 400: variance 0.9 - 0.01
    half = 1.96 * math.sqrt(0.89 / 1000)
    assert found.mean == pytest.approx(0.1)
    assert (found.low, found.high) == pytest.approx((0.1 - half, 0.1 + half), abs=0.004)
    assert found.p == pytest.approx(0.0008, abs=0.0008)


def test_bootstrap_is_seeded_and_antisymmetric():
    rng = np.random.default_rng(0)
    ours, theirs = rng.random(200) < 0.6, rng.random(200) < 0.5
    assert metrics.paired_bootstrap(ours, theirs, seed=3) == metrics.paired_bootstrap(ours, theirs, seed=3)
    there, back = metrics.paired_bootstrap(ours, theirs), metrics.paired_bootstrap(theirs, ours)
    assert back.mean == -there.mean
    assert back.p == pytest.approx(there.p, rel=0.25)


def test_bootstrap_takes_means_over_seeds():
    found = metrics.paired_bootstrap(np.array([1.0, 2 / 3, 1.0]), np.array([2 / 3, 1 / 3, 2 / 3]))
    assert (found.mean, found.low, found.high) == pytest.approx((1 / 3, 1 / 3, 1 / 3))


def test_bootstrap_of_nothing():
    with pytest.raises(ValueError, match="no sample"):
        metrics.paired_bootstrap(np.array([], dtype=bool), np.array([], dtype=bool))


def test_metrics_are_free_of_torch():
    import subprocess
    import sys

    code = "import sys, openmov.evaluation.metrics, openmov.report.report; assert 'torch' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
