"""What a modality of pictures is: optical flow is one, and so is what others register (frame differences, depth ...).

    frames or pairs of frames --compute--> an array of 8 bits [stored] --decode--> --pictures--> inputs of an encoder

One class says what it reads, what decides it, how it is computed and how it becomes pictures; caches, packs, streaming,
encoders, fusion and training follow from that. Knows nothing of files and times.
"""

from collections.abc import Mapping
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, UInt8
from torch import Tensor

from openmov.media.sampling import Crop


@runtime_checkable
class PictureModality(Protocol):
    """A stream of pictures computed from the frames of a view; its encoder starts as the backbone's and trains."""

    @property
    def reads(self) -> Literal["pairs", "frames"]:
        """`pairs`: grey pictures of the whole frame at `flow.short_side`, and what follows each of them. `frames`: the
        frames of a view, in colour, cropped and resized to `video.crop_size`, not flipped.
        """
        ...

    @property
    def version(self) -> int:
        """Of the code; raised when the output of `compute` changes."""
        ...

    @property
    def channels(self) -> int:
        """Of what is stored."""
        ...

    def parameters(self) -> Mapping[str, object]:
        """What else decides the output of `compute`, in plain JSON values: part of the key of what is stored."""
        ...

    def compute(self, read: Any) -> UInt8[np.ndarray, "time height width channels"]:
        """What is stored of GreyPairs, or of frames (time, size, size, 3) of 8 bits: an array a frame, as large."""
        ...

    def decode(self, stored: UInt8[np.ndarray, "time height width channels"]) -> Any:
        """What is done once for all views of a moment, before `pictures`."""
        ...

    def pictures(
        self, decoded: Any, crop: Crop, size: int, mean: tuple[float, float, float], std: tuple[float, float, float]
    ) -> Float[Tensor, "time 3 size size"]:
        """The encoder's inputs, normalised with the backbone's mean and std: of `pairs` cropped as the frames of the
        same view are; of both flipped if `crop.flip`.
        """
        ...
