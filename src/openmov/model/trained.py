"""A network whose trained weights can be taken out and put back, and what it is made of: what all methods agree on.

Knows nothing of what it computes.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from openmov.config.schema import Recipe
from openmov.errors import CheckpointError
from openmov.model.backbones.base import Backbone
from openmov.text.vocabulary import Vocabulary
from openmov.types import ClassEmbeddings, ClipBatch, JointEmbeddings, Modality


@dataclass(frozen=True)
class NetworkParts:
    """What a method's network is made of."""

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


class TrainedModel(nn.Module):
    """From a ClipBatch to JointEmbeddings, by weights of which some train."""

    def forward(self, batch: ClipBatch) -> JointEmbeddings:
        """One row a view, those of one video next to each other; modalities the batch lacks are absent."""
        raise NotImplementedError

    def join(
        self, frames: Mapping[Modality, Float[Tensor, "rows _ dim"]], present: Mapping[Modality, Bool[Tensor, "rows"]]
    ) -> JointEmbeddings:
        """What becomes of the encoders' embeddings: everything after them."""
        raise NotImplementedError

    def encode_inputs(self, modality: Modality, inputs: Float[Tensor, "rows ..."]) -> Float[Tensor, "rows _ dim"]:
        """One of v, f, a for inputs that all have the modality, for callers who put them together themselves."""
        raise NotImplementedError

    pretrained_rate: ClassVar[float] = 1.0
    """Learning rate of pretrained weights relative to that of new ones, where the recipe names none."""

    def is_pretrained(self, name: str) -> bool:
        """Whether the weight of this name came with the backbone; others are the method's own."""
        return name.startswith(("encoders.", "names.encoder."))

    def trainable_parameters(self) -> dict[str, nn.Parameter]:
        """Name and tensor of everything that trains."""
        return {name: tensor for name, tensor in self.named_parameters() if tensor.requires_grad}

    def trained_state(self) -> dict[str, Tensor]:
        """What a checkpoint holds: the trained tensors alone, without gradient, sharing this model's memory."""
        return {name: tensor.detach() for name, tensor in self.trainable_parameters().items()}

    def load_trained_state(self, state: Mapping[str, Tensor]) -> None:
        """Takes over what `trained_state` gave. Raises CheckpointError unless names and shapes are exactly these."""
        mine = self.trained_state()
        wrong = sorted(mine.keys() ^ state.keys())
        wrong += sorted(name for name in mine.keys() & state.keys() if mine[name].shape != state[name].shape)
        if wrong:
            raise CheckpointError(
                "weights",
                f"belong to another model ({len(wrong)} tensors differ, {wrong[0]} among them)",
                "use the recipe and backbone they were trained with",
            )
        for name, tensor in mine.items():
            tensor.copy_(state[name])


ENCODERS = "encoders."
"""How the names of encoder weights begin."""


def interpolated(trained: Mapping[str, Tensor], pretrained: Mapping[str, Tensor], weight: float) -> dict[str, Tensor]:
    """`trained`, its encoders' weights mixed with those of the same names in `pretrained`.

    Raises ValueError for a weight outside [0, 1], KeyError where `pretrained` lacks an encoder weight.
    """
    if not 0 <= weight <= 1:
        raise ValueError(f"the weight of the fine-tuned encoders is {weight}, not from 0 to 1")
    if weight == 1:
        return dict(trained)
    return {
        name: torch.lerp(pretrained[name], tensor, weight) if name.startswith(ENCODERS) else tensor
        for name, tensor in trained.items()
    }
