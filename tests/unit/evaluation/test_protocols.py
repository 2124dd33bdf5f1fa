"""Random halves are the published ones, and drawing them touches nothing."""

import numpy as np
import pytest

from openmov.errors import VocabularyError
from openmov.evaluation.metrics import HALF_SEEDS, half_vocabulary, random_half, spread
from openmov.text.label_sets import load_label_set
from openmov.text.vocabulary import Vocabulary


@pytest.mark.parametrize("num_classes", [51, 101])
@pytest.mark.parametrize("seed", HALF_SEEDS)
def test_a_half_is_what_the_legacy_call_draws(num_classes: int, seed: int) -> None:
    kept = np.random.get_state()  # noqa: NPY002
    try:
        np.random.seed(seed)  # noqa: NPY002
        expected = np.random.permutation(num_classes)[: num_classes // 2]  # noqa: NPY002
    finally:
        np.random.set_state(kept)  # noqa: NPY002
    np.testing.assert_array_equal(random_half(num_classes, seed), expected)


def test_numpys_own_generator_is_left_as_it_was() -> None:
    before = np.random.get_state()  # noqa: NPY002
    random_half(101, 3)
    after = np.random.get_state()  # noqa: NPY002
    assert before[0] == after[0]
    np.testing.assert_array_equal(before[1], after[1])
    assert before[2:] == after[2:]


def test_first_classes_of_a_known_half() -> None:
    assert random_half(10, 0).tolist() == [2, 8, 4, 9, 1]  # RandomState(0).permutation(10)


def test_halves_keep_the_order_of_the_names_and_their_prompts() -> None:
    whole = Vocabulary((), tuple("abcdefghij"), "ucf101")
    half = half_vocabulary(whole, 0)
    assert half == Vocabulary((), ("b", "c", "e", "i", "j"), "ucf101")
    assert {len(half_vocabulary(Vocabulary((), load_label_set(name).readable), 4).names) for name in ("ucf101",)} == {
        50
    }


def test_a_single_class_has_no_half() -> None:
    with pytest.raises(VocabularyError, match="holds no class name"):
        half_vocabulary(Vocabulary((), ("a",)), 0)


def test_spread_divides_by_n() -> None:
    found = spread([0.1, 0.3])
    assert found.mean == pytest.approx(0.2)
    assert found.deviation == pytest.approx(0.1)  # by n - 1 it would be 0.1414
    assert found.values == (0.1, 0.3)
    with pytest.raises(ValueError, match="no measurement"):
        spread([])
