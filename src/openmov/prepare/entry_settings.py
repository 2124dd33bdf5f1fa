"""What stored entries were made with, noted in a pack; and which of it a recipe wants otherwise.

The entries' keys decide whether a pack serves a recipe: this is how to say why it does not.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from openmov.build import Components

_SECTIONS = ("video", "flow", "audio", "views")
_WITHOUT_EFFECT = (
    *("flow.engine", "flow.flip", "audio.crop_columns", "audio.time_mask", "audio.frequency_mask"),
    *("views.num_clips", "views.num_crops"),
)
"""Fields that training entries do not depend on."""


def shard_settings(components: Components) -> dict[str, Any]:
    """Plain values: the backbone, the modalities, and the recipe's sections about what is looked at."""
    recipe = components.recipe.model_dump(mode="json")
    backbone = {"name": components.backbone.name, "identity": components.backbone.identity}
    modalities = [modality.value for modality in sorted(components.modalities)]
    return {"backbone": backbone, "modalities": modalities, **{section: recipe[section] for section in _SECTIONS}}


def differing(packed: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    """What a pack was made with otherwise than a recipe wants: `backbone (packed with 1a2b, the recipe has 3c4d)`."""
    ours, theirs = dict(_flat("", wanted)), dict(_flat("", packed))
    said = []
    for name in sorted(ours.keys() | theirs.keys()):
        one, other = theirs.get(name), ours.get(name)
        if name in (*_WITHOUT_EFFECT, "backbone.name") or one == other:
            continue
        if name == "modalities" and set(other or ()) <= set(one or ()):
            continue
        if name == "views.train_seeds" and isinstance(one, int) and isinstance(other, int) and other <= one:
            continue
        said.append(f"{name.removesuffix('.identity')} (packed with {str(one)[:80]}, the recipe has {other})")
    return said


def _flat(prefix: str, values: Mapping[str, Any], depth: int = 4) -> Iterator[tuple[str, Any]]:
    """Fields by their dotted names; a recipe is not nested more deeply."""
    for name, value in values.items():
        if isinstance(value, Mapping) and depth:
            yield from _flat(f"{prefix}{name}.", value, depth - 1)
        else:
            yield f"{prefix}{name}", value
