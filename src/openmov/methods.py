"""What a recipe's `model` can name: methods, fusions, modalities, and what is known of each before it is built.

MOV, one modality on its own (table 5), fine-tuned encoders (figure 1), other people's methods (tables 1, 2 and 4), and
networks from scratch (table 7). Building one imports its module, and not before.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from openmov.registry import Registry, imported

MODALITIES: Registry[Callable[[Any], Any]] = Registry(
    "modality", "openmov.modalities", {"flow": "openmov.modalities.flow:FlowPictures.of"}
)
"""Streams of pictures that are computed from frames, by the names of `model.modalities`: from a recipe to a
`PictureModality`. The frames themselves (video) and the sound (audio) are there without being in it."""


def modality_names() -> tuple[str, ...]:
    """Of all modalities, in the order of sums: ours first, then others by their names."""
    return "video", "flow", "audio", *sorted(set(MODALITIES) - {"flow"})


def known_modality(name: str) -> str:
    """The name itself. Raises ValueError where no modality has it."""
    return name if name in ("video", "audio") else MODALITIES.known(name)


@dataclass(frozen=True)
class TrainableMethod:
    """One method: how its network is made, and what everybody must know of it without making one."""

    title: str
    """As results call it."""
    network: str | Callable[[Any], Any]
    """From NetworkParts to a TrainedModel: the class or function, or `module:attribute`."""
    modality: str | None = None
    """The one stream it looks at; None for one that fuses those of `model.modalities`."""
    trains_video: bool = False
    """Whether its video encoder trains: it looks at frames, and stored embeddings are of no use to it."""
    text_head: bool = False
    """Whether it sees class names in a way of its own, and not as the backbone's frozen text tower does."""

    def build(self, parts: Any) -> Any:
        """The network before training. Raises RecipeError where backbone or recipe do not suit the method."""
        make = imported(self.network) if isinstance(self.network, str) else self.network
        return make(parts)


def _ours(network: str, title: str, modality: str | None = "video", **more: bool) -> TrainableMethod:
    return TrainableMethod(title, f"openmov.{network}", modality, **more)


_FINETUNED, _SCRATCH = "baselines.finetuned:FineTuned", "baselines.scratch:ScratchAudio"

METHODS: Registry[TrainableMethod] = Registry(
    "method",
    "openmov.methods",
    {
        "mov": _ours("model:mov_network", "MOV", None),
        "video_only": _ours("model:single_network", "Video only"),
        "flow_only": _ours("model:single_network", "Flow only", "flow"),
        "audio_only": _ours("model:single_network", "Sound only", "audio"),
        "coop": _ours("baselines.coop:CoOp", "CoOp", text_head=True),
        "clip_adapter": _ours("baselines.clip_adapter:CLIPAdapter", "CLIP-Adapter", text_head=True),
        "actionclip": _ours("baselines.actionclip:ActionCLIP", "ActionCLIP", trains_video=True, text_head=True),
        "xclip": _ours("baselines.xclip:XCLIP", "X-CLIP", trains_video=True, text_head=True),
        "vificlip": _ours("baselines.vificlip:ViFiCLIP", "ViFi-CLIP", trains_video=True, text_head=True),
        "finetune_video": _ours(_FINETUNED, "Video encoder fine-tuned", trains_video=True),
        "finetune_flow": _ours(_FINETUNED, "Flow encoder fine-tuned", "flow"),
        "finetune_audio": _ours(_FINETUNED, "Sound encoder fine-tuned", "audio"),
        "resnet50_audio": _ours(_SCRATCH, "ResNet-50 (sound, from scratch)", "audio", text_head=True),
        "slowfast_audio": _ours(_SCRATCH, "SlowFast (sound, from scratch)", "audio", text_head=True),
    },
)
"""By the names that recipes use. To add one: `METHODS.register("name", TrainableMethod(...))`, or an entry point."""

FUSIONS: Registry[Any] = Registry(
    "fusion",
    "openmov.fusions",
    {
        "asymmetric": "openmov.model.fusion:AsymmetricFusion",
        "symmetric": "openmov.model.fusion:SymmetricFusion",
    },
)
"""Fusions of MOV, by the names of `model.fusion`: modules called and made as AsymmetricFusion is."""
