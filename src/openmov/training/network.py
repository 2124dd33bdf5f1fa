"""What a training asks of a network. Knows no model."""

from collections.abc import Mapping
from typing import Protocol, TypeVar, runtime_checkable

from torch import Tensor

from openmov.types import ClipBatch, JointEmbeddings


@runtime_checkable
class TrainedWeights(Protocol):
    """Something whose trained weights can be taken out and put back."""

    def trained_state(self) -> dict[str, Tensor]:
        """The weights that require gradient, by name."""
        ...

    def load_trained_state(self, state: Mapping[str, Tensor]) -> None:
        """Takes exactly those weights back. Raises CheckpointError for others."""
        ...


@runtime_checkable
class Trainable(TrainedWeights, Protocol):
    """An `nn.Module` that embeds clips and knows which of its weights train."""

    def __call__(self, batch: ClipBatch) -> JointEmbeddings:
        """One row a clip: training has one view each."""
        ...

    def train(self, mode: bool = True) -> object:
        """As nn.Module's."""
        ...


@runtime_checkable
class HasPretrainedWeights(Protocol):
    """A network that knows which of its weights came with the backbone, and how much slower they should train."""

    @property
    def pretrained_rate(self) -> float:
        """Their learning rate relative to that of new weights, where the recipe names none."""
        ...

    def is_pretrained(self, name: str) -> bool:
        """Whether the weight of this name is one of them."""
        ...


Network = TypeVar("Network", bound=Trainable)
