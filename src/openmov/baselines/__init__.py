"""Other methods on the same data, in the same training loop, under the same protocols.

    encoders as they are       frozen_clip, score_fusion
    the encoder trained        finetuned (figure 1)
    a text side of their own   text_head: coop, clip_adapter, actionclip, vificlip, xclip
    from scratch, on sound     scratch: resnet50_audio, slowfast_audio (table 7)

Each is a module of its own, imported when its name in `openmov.methods` is asked for: some bring heavy libraries.
"""

from openmov.errors import RecipeError
from openmov.model.trained import NetworkParts

_WHOLE = {"trainable_layers": "all", "patch_dropout": 0.0}


def refuse_parts_of_encoders(parts: NetworkParts, why: str) -> None:
    """For a method that trains its network whole. Raises RecipeError for a setting that would have no effect."""
    for name, whole in _WHOLE.items():
        asked = getattr(parts.recipe.model, name)
        if asked != whole:
            what = f"is {asked}, and {parts.recipe.model.method} {why}"
            raise RecipeError(f"model.{name}", what, f"leave it at {whole}")
