"""Named ways to look at a video when answering: sets of recipe fields, from thorough to quick.

    paper      4 clips x 3 crops, the paper's test views
    standard   4 clips, the middle crop: what answers without a trained run
    fast       2 clips, the middle crop: a sixth of the pictures of `paper`

What each costs in accuracy was measured: docs/decisions/0015.
"""

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
