"""Other methods on the same data, in the same training loop, under the same protocols.

    encoders as they are       frozen_clip, score_fusion
    the encoder trained        finetuned (figure 1)
    a text side of their own   own_text: coop, clip_adapter, actionclip, vificlip, xclip
    from scratch, on sound     scratch: resnet50_audio, slowfast_audio (table 7)

Each is a module of its own, imported when it is asked for: some bring heavy libraries.
"""

from collections.abc import Callable
from dataclasses import dataclass

from openmov.config.schema import Recipe
from openmov.errors import RecipeError
from openmov.model.backbones import Backbone
from openmov.model.trained import TrainedModel
from openmov.text.vocabulary import Vocabulary
from openmov.types import ClassEmbeddings

TRAINS_VIDEO = frozenset({"finetune_video", "actionclip", "vificlip", "xclip"})
"""Methods whose video encoder trains: they look at frames, and stored embeddings are of no use to them."""

OWN_TEXT = frozenset({"coop", "clip_adapter", "actionclip", "vificlip", "xclip", "resnet50_audio", "slowfast_audio"})
"""Methods that see class names in a way of their own; the last two know none but those they were trained on."""


def has_own_text(method: str) -> bool:
    """Whether a method's class names are other than the backbone's frozen ones."""
    return method in OWN_TEXT


@dataclass(frozen=True)
class Parts:
    """What a network is built from."""

    backbone: Backbone
    """Loaded."""
    recipe: Recipe
    """What was asked."""
    embed_classes: Callable[[Vocabulary], ClassEmbeddings]
    """The backbone's own text side, frozen."""
    classes: tuple[str, ...] = ()
    """Names that are trained on, for methods whose last layer has a row for each."""
    with_video_encoder: bool = True
    """False where every batch brings stored embeddings of a frozen video encoder."""
    encoder_chunk: int = 32
    """Frames that are encoded at a time where no gradient is needed."""


_WHOLE = {"trainable_layers": "all", "patch_dropout": 0.0}


def refuse_parts_of_encoders(parts: Parts, why: str) -> None:
    """For a method that trains its network whole. Raises RecipeError for a setting that would have no effect."""
    for name, whole in _WHOLE.items():
        asked = getattr(parts.recipe.model, name)
        if asked != whole:
            what = f"is {asked}, and {parts.recipe.model.method} {why}"
            raise RecipeError(f"model.{name}", what, f"leave it at {whole}")


def build_baseline(parts: Parts) -> TrainedModel:
    """The network of a recipe's method. Raises RecipeError where it is not built, or the backbone does not suit it."""
    method = parts.recipe.model.method
    if method in ("finetune_video", "finetune_flow", "finetune_audio"):
        from openmov.baselines.finetuned import FineTuned

        return FineTuned(parts)
    if method == "vificlip":
        from openmov.baselines.vificlip import ViFiCLIP

        return ViFiCLIP(parts)
    if method == "coop":
        from openmov.baselines.coop import CoOp

        return CoOp(parts)
    if method == "clip_adapter":
        from openmov.baselines.clip_adapter import CLIPAdapter

        return CLIPAdapter(parts)
    if method == "actionclip":
        from openmov.baselines.actionclip import ActionCLIP

        return ActionCLIP(parts)
    if method == "xclip":
        from openmov.baselines.xclip import XCLIP

        return XCLIP(parts)
    if method in ("resnet50_audio", "slowfast_audio"):
        from openmov.baselines.scratch import ScratchAudio

        return ScratchAudio(parts)
    raise RecipeError("model.method", f"{method} is none of the baselines", "choose another")
