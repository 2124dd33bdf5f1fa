"""What produced a result: versions, machine, seeds, prompts, hashes."""

import os
import platform
from collections.abc import Mapping
from importlib.metadata import version

import torch

from openmov.api.wiring import Wiring
from openmov.evaluation.content import FactGroup

_PACKAGES = ("openmov", "torch", "transformers", "av", "numba", "numpy")


def software_facts() -> Mapping[str, str]:
    """Versions of what computes."""
    return {"python": platform.python_version()} | {name: version(name) for name in _PACKAGES}


def machine_facts() -> Mapping[str, str]:
    """What it ran on."""
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "cores": str(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()),
        "torch threads": str(torch.get_num_threads()),
    }


def recipe_facts(wiring: Wiring) -> Mapping[str, str]:
    """The lines of a recipe a reader asks for first."""
    recipe, training = wiring.recipe, wiring.recipe.training
    video = recipe.video
    return {
        "recipe": recipe.name,
        "backbone": f"{wiring.backbone.name} ({wiring.backbone.identity[:12]})",
        "modalities": " + ".join(recipe.model.modalities),
        "frames": f"{video.num_frames}, {video.stride_seconds:g} s apart, {video.crop_size} px",
        "training": f"{training.epochs} epochs, batch {training.batch_size}, learning rate {training.learning_rate:g}",
        "views": f"{recipe.views.num_clips} x {recipe.views.num_crops} at test, {recipe.views.train_seeds} in training",
        "seed": str(training.seed),
        "temperature": f"{wiring.tau:.4g}",
    }


def fact_groups(wirings: Mapping[str, Wiring], data: Mapping[str, Mapping[str, str]]) -> tuple[FactGroup, ...]:
    """All of it, for the report: one group a recipe, one a data set, then software and machine."""
    groups = [FactGroup(f"Recipe: {title}", tuple(recipe_facts(wiring).items())) for title, wiring in wirings.items()]
    groups += [FactGroup(f"Data: {title}", tuple(facts.items())) for title, facts in data.items()]
    groups.append(FactGroup("Software", tuple(software_facts().items())))
    groups.append(FactGroup("Machine", tuple(machine_facts().items())))
    return tuple(groups)
