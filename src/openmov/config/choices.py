"""Named ways to look at a video when answering: sets of recipe fields, from thorough to quick.

    paper      4 clips x 3 crops, the paper's test views
    standard   4 clips, the middle crop: what answers without a trained run
    fast       2 clips, the middle crop: a sixth of the pictures of `paper`

What each costs in accuracy was measured: docs/decisions/0015.
"""

from collections.abc import Sequence
from typing import Literal

from openmov.config.load import change_recipe
from openmov.config.schema import Recipe
from openmov.errors import RecipeError

PRESETS = {
    "paper": ("views.num_clips=4", "views.num_crops=3"),
    "standard": ("views.num_clips=4", "views.num_crops=1"),
    "fast": ("views.num_clips=2", "views.num_crops=1"),
}
"""Overrides by name, as of `--set`."""


def preset_overrides(name: str) -> tuple[str, ...]:
    """Raises RecipeError for a name that is none."""
    if name not in PRESETS:
        raise RecipeError("--preset", f"{name!r} is not known", f"write {', '.join(PRESETS)}")
    return PRESETS[name]


def preset_of(recipe: Recipe) -> str | None:
    """The preset whose fields a recipe has; None for one that looks in a way of its own."""
    return next((name for name, fields in PRESETS.items() if change_recipe(recipe, fields) == recipe), None)


Protocol = Literal["paper", "own"]

OWN = {
    "coop": (
        "training.optimizer=sgd",
        "training.learning_rate=0.002",
        "training.weight_decay=0.0005",
        "training.epochs=50",
        "training.batch_size=32",
        "training.warmup_epochs=1",
        "training.warmup_rate=1e-5",
        "baselines.context_tokens=16",
    ),
    "clip_adapter": (
        "training.learning_rate=1e-5",
        "training.epochs=200",
        "training.batch_size=32",
        "baselines.adapter_ratio=0.2",
    ),
    "actionclip": (
        "training.learning_rate=5e-5",
        "training.pretrained_rate=0.1",
        "training.adam_beta2=0.98",
        "training.weight_decay=0.2",
        "training.epochs=50",
        "training.batch_size=256",
        "training.warmup_epochs=5",
        "video.num_frames=8",
        "baselines.prompts=actionclip",
    ),
    "xclip": (
        "training.learning_rate=8e-5",
        "training.pretrained_rate=0.1",
        "training.adam_beta2=0.98",
        "training.weight_decay=0.001",
        "training.epochs=30",
        "training.batch_size=256",
        "training.warmup_epochs=5",
        "baselines.integration_layers=1",
        "baselines.prompt_layers=2",
        "baselines.prompt_alpha=0.1",
        "baselines.prompts=none",
        "video.num_frames=32",
    ),
    "vificlip": (
        "training.learning_rate=8e-6",
        "training.epochs=10",
        "training.batch_size=256",
        "video.num_frames=32",
    ),
}
"""Overrides by method, as of `--set`."""


def with_protocol(recipe: Recipe, protocol: Protocol, overrides: Sequence[str] = ()) -> Recipe:
    """The recipe under a protocol; `overrides` (those of `--set`, whoever applied them before) have the last word.

    Raises RecipeError where the method has no authors but MOV's.
    """
    if protocol == "paper":
        return recipe
    method = recipe.model.method
    if method not in OWN:
        hint = f"leave it out; methods with values of their own are {', '.join(OWN)}"
        raise RecipeError("--protocol own", f"the method {method} has no values but the recipe's", hint)
    batch_size = recipe.training.batch_size
    cleared = () if recipe.training.micro_batch_size in (None, batch_size) else ("training.micro_batch_size=null",)
    return change_recipe(recipe, (*cleared, *OWN[method], *overrides))
