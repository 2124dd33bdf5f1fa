"""The schedule at known points, the decay groups, and the state's way to tensors and back."""

from itertools import pairwise
from typing import Literal

import pytest
import torch
from torch import nn

from openmov.config.schema import TrainingConfig
from openmov.training.optimizer import (
    build_optimizer,
    decays,
    learning_rate,
    load_optimizer_tensors,
    optimizer_tensors,
    set_learning_rate,
    trained_parameters,
)


@pytest.mark.parametrize(
    ("step", "expected"),
    [(0, 1.0), (25, 0.8535533905932737), (50, 0.5), (75, 0.14644660940672624), (100, 0.0)],
)
def test_half_cosine(step: int, expected: float) -> None:
    assert learning_rate(step, 100, 0, 1.0) == pytest.approx(expected, abs=1e-12)


def test_linear_warm_up_then_half_cosine() -> None:
    rates = [learning_rate(step, 110, 10, 2.0) for step in range(111)]
    assert rates[:10] == pytest.approx([0.2 * (i + 1) for i in range(10)])
    assert rates[10] == 2.0
    assert rates[60] == pytest.approx(1.0)
    assert rates[110] == pytest.approx(0.0, abs=1e-12)
    assert all(a > b for a, b in pairwise(rates[10:]))


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.class_embedding = nn.Parameter(torch.zeros(1, 4))
        self.position_embedding = nn.Embedding(3, 4)
        self.positions = nn.Parameter(torch.zeros(2, 4))
        self.linear = nn.Linear(4, 4)
        self.norm = nn.LayerNorm(4)
        self.frozen = nn.Linear(4, 4).requires_grad_(False)


def test_biases_norms_and_embeddings_do_not_decay() -> None:
    parameters = trained_parameters(Net())
    assert "frozen.weight" not in parameters
    assert {name for name, parameter in parameters.items() if decays(name, parameter)} == {"linear.weight"}


def test_decay_reaches_one_group_only() -> None:
    net = Net()
    optimizer = build_optimizer(trained_parameters(net), TrainingConfig(learning_rate=0.1, weight_decay=0.5))
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.fill_(1.0)
            parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    assert torch.allclose(net.linear.weight, torch.full((4, 4), 1 - 0.1 * 0.5))
    for name, parameter in net.named_parameters():
        if name != "linear.weight":
            assert torch.equal(parameter, torch.ones_like(parameter)), name


def test_a_constant_warm_up_stands_in_place_of_the_linear_one() -> None:
    rates = [learning_rate(step, 110, 10, 2.0, 0.25) for step in range(110)]
    assert rates[:10] == [0.25] * 10
    assert rates[10:] == [learning_rate(step, 110, 10, 2.0) for step in range(10, 110)]


@pytest.mark.parametrize("kind", ["adamw", "sgd"])
def test_the_state_survives_the_way_to_tensors_and_back(kind: Literal["adamw", "sgd"]) -> None:
    config = TrainingConfig(learning_rate=0.1, optimizer=kind)

    def step(net: Net, optimizer: torch.optim.Optimizer, scale: float) -> None:
        for index, parameter in enumerate(trained_parameters(net).values()):
            parameter.grad = torch.full_like(parameter, scale * (index + 1))
        optimizer.step()

    straight, other = Net(), Net()
    first = build_optimizer(trained_parameters(straight), config)
    step(straight, first, 1.0)
    other.load_state_dict(straight.state_dict())
    second = build_optimizer(trained_parameters(other), config)
    fresh_state = optimizer_tensors(second, trained_parameters(other))
    assert fresh_state == {}
    load_optimizer_tensors(second, trained_parameters(other), optimizer_tensors(first, trained_parameters(straight)))
    step(straight, first, -0.3)
    step(other, second, -0.3)
    for mine, theirs in zip(straight.parameters(), other.parameters(), strict=True):
        assert torch.equal(mine, theirs)


def test_sgd_keeps_nine_tenths_of_its_last_step() -> None:
    net = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(net.weight)
    optimizer = build_optimizer(trained_parameters(net), TrainingConfig(learning_rate=0.1, optimizer="sgd"))
    for _ in range(2):
        net.weight.grad = torch.ones(1, 1)
        optimizer.step()
    assert float(net.weight.detach()) == pytest.approx(-0.1 - 0.1 * 1.9, abs=2e-3)  # and a little weight decay


def test_a_parameter_without_gradient_keeps_no_state() -> None:
    net = Net()
    parameters = trained_parameters(net)
    optimizer = build_optimizer(parameters, TrainingConfig())
    net.linear.weight.grad = torch.ones(4, 4)
    optimizer.step()
    tensors = optimizer_tensors(optimizer, parameters)
    assert set(tensors) == {"step/linear.weight", "exp_avg/linear.weight", "exp_avg_sq/linear.weight"}
    again = build_optimizer(parameters, TrainingConfig())
    load_optimizer_tensors(again, parameters, tensors)
    assert optimizer_tensors(again, parameters).keys() == tensors.keys()


def test_pretrained_weights_take_smaller_steps() -> None:
    """At a tenth of the rate, AdamW's first step is a tenth as long, whatever the gradient."""
    fast, slow = nn.Parameter(torch.ones(2, 2)), nn.Parameter(torch.ones(2, 2))
    parameters = {"temporal.weight": fast, "encoders.video.weight": slow}
    config = TrainingConfig(learning_rate=0.1, weight_decay=0.0)
    optimizer = build_optimizer(parameters, config, {"encoders.video.weight"}, 0.1)
    set_learning_rate(optimizer, 0.01)
    for parameter in parameters.values():
        parameter.grad = torch.full((2, 2), 3.0)
    optimizer.step()
    assert (1 - fast).detach().tolist() == [pytest.approx([0.01, 0.01])] * 2
    assert (1 - slow).detach().tolist() == [pytest.approx([0.001, 0.001], rel=1e-3)] * 2


def test_one_rate_is_the_two_groups_there_always_were() -> None:
    parameters = trained_parameters(Net())
    groups = build_optimizer(parameters, TrainingConfig(), {"linear.weight"}, 1.0).param_groups
    assert [len(group["params"]) for group in groups] == [1, 6]
