"""AdamW or SGD with half-cosine decay: which weights decay, the rate of every step, and the state as plain tensors.

Knows nothing of losses, clips or files.
"""

import math
from collections.abc import Collection, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from openmov.config.schema import TrainingConfig


def learning_rate(
    step: int, total_steps: int, warmup_steps: int, peak: float, warmup_rate: float | None = None
) -> float:
    """Learning rate of optimiser step `step`, counted from 0: linear up to `peak`, then half a cosine down to 0.

    A `warmup_rate` stands constant in place of the linear part. Without warm-up step 0 has `peak`; step `total_steps`
    (the first one not taken) would have 0.
    """
    if step < warmup_steps and warmup_rate is not None:
        return warmup_rate
    if step < warmup_steps:
        return peak * (step + 1) / warmup_steps
    done = (step - warmup_steps) / max(1, total_steps - warmup_steps)
    return peak * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))


def trained_parameters(model: nn.Module) -> dict[str, nn.Parameter]:
    """The parameters that train, by name."""
    return {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}


def decays(name: str, parameter: Tensor) -> bool:
    """Whether weight decay applies: not to biases and norms (one axis or none), nor to embeddings."""
    return parameter.ndim > 1 and "embedding" not in name and "position" not in name


def build_optimizer(
    parameters: Mapping[str, nn.Parameter], config: TrainingConfig, slow: Collection[str] = (), slow_rate: float = 1.0
) -> torch.optim.Optimizer:
    """AdamW (beta_1 0.9) or SGD (momentum 0.9), fused where torch has it, in groups: with and without weight decay.

    `slow` are names of parameters that train at `slow_rate` times the learning rate, in two groups more.
    """
    slow = slow if slow_rate != 1 else ()
    groups: list[dict[str, Any]] = [
        {
            "params": [p for name, p in parameters.items() if (name in slow, decays(name, p)) == (is_slow, decay)],
            "weight_decay": config.weight_decay if decay else 0.0,
            "rate": slow_rate if is_slow else 1.0,
        }
        for is_slow in ((False, True) if slow else (False,))
        for decay in (True, False)
    ]
    if slow:
        groups = [group for group in groups if group["params"]]
    fused = all(parameter.device.type in ("cpu", "cuda") for parameter in parameters.values())
    if config.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=config.learning_rate, momentum=0.9, fused=fused)
    return torch.optim.AdamW(groups, lr=config.learning_rate, betas=(0.9, config.adam_beta2), fused=fused)


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """For every group, those that are slower by as much as they are."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group.get("rate", 1.0)


def optimizer_tensors(optimizer: torch.optim.Optimizer, parameters: Mapping[str, nn.Parameter]) -> dict[str, Tensor]:
    """The optimiser's state as `moment/parameter name`; empty before the first step."""
    return {
        f"{moment}/{name}": value
        for name, parameter in parameters.items()
        for moment, value in optimizer.state.get(parameter, {}).items()
    }


def load_optimizer_tensors(
    optimizer: torch.optim.Optimizer, parameters: Mapping[str, nn.Parameter], tensors: Mapping[str, Tensor]
) -> None:
    """Undoes `optimizer_tensors`."""
    states: dict[str, dict[str, Any]] = {}
    for key, value in tensors.items():
        moment, name = key.split("/", 1)
        states.setdefault(name, {})[moment] = value.clone()  # torch would keep the caller's tensor, and step into it
    name_of = {id(parameter): name for name, parameter in parameters.items()}
    in_order = [name_of[id(parameter)] for group in optimizer.param_groups for parameter in group["params"]]
    saved = optimizer.state_dict()
    saved["state"] = {index: states[name] for index, name in enumerate(in_order) if name in states}
    optimizer.load_state_dict(saved)
