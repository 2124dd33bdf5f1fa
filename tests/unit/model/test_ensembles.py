"""Encoder weights drawn back towards where they started."""

import pytest
import torch

from openmov.model.trained import interpolated

TRAINED = {"encoders.flow.weight": torch.tensor([1.0, 0.1]), "heads.flow.weight": torch.tensor([5.0])}
PRETRAINED = {"encoders.flow.weight": torch.tensor([3.0, 0.3]), "heads.flow.weight": torch.tensor([7.0])}


def test_at_one_every_weight_is_the_trained_one_to_the_bit() -> None:
    found = interpolated(TRAINED, PRETRAINED, 1.0)
    assert all(torch.equal(found[name], TRAINED[name]) for name in TRAINED)


def test_at_zero_the_encoders_are_the_pretrained_ones_and_the_heads_stay() -> None:
    found = interpolated(TRAINED, PRETRAINED, 0.0)
    assert torch.equal(found["encoders.flow.weight"], PRETRAINED["encoders.flow.weight"])
    assert torch.equal(found["heads.flow.weight"], TRAINED["heads.flow.weight"])


def test_a_quarter_of_the_way() -> None:
    found = interpolated(TRAINED, PRETRAINED, 0.25)
    assert found["encoders.flow.weight"].tolist() == pytest.approx([2.5, 0.25])


def test_nothing_that_is_given_changes() -> None:
    interpolated(TRAINED, PRETRAINED, 0.5)
    assert TRAINED["encoders.flow.weight"].tolist() == pytest.approx([1.0, 0.1])


@pytest.mark.parametrize("weight", [-0.1, 1.1])
def test_a_weight_that_is_no_share_is_refused(weight: float) -> None:
    with pytest.raises(ValueError, match="from 0 to 1"):
        interpolated(TRAINED, PRETRAINED, weight)
