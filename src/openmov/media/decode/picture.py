"""One decoded picture: its time, and its RGB image when somebody looks at it."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from av.video.reformatter import VideoReformatter
from jaxtyping import UInt8

from openmov.media.decode.geometry import Geometry


@dataclass(frozen=True, eq=False)
class Picture:
    """One decoded picture, turned into RGB when it is first looked at."""

    time_seconds: float
    """When it comes on screen."""
    duration_seconds: float
    """How long it stays, by its packet or else by the nominal frame rate."""
    frame: Any
    """PyAV's frame."""
    reformatter: VideoReformatter
    """Shared between the pictures of a video, so that swscale is set up once."""
    geometry: Geometry
    """That of the video's first picture: a later one of another size is scaled to the first."""

    @cached_property
    def image(self) -> UInt8[np.ndarray, "height width 3"]:
        """RGB, upright, pixels square; colour matrix and range are those the picture names (else BT.601, limited)."""
        shape = self.geometry
        rgb = self.reformatter.reformat(self.frame, width=shape.width, height=shape.height, format="rgb24")
        return np.ascontiguousarray(shape.upright(rgb.to_ndarray()))

    def forget_image(self) -> None:
        """Gives back the memory of the RGB image, which is made again if it is looked at again."""
        self.__dict__.pop("image", None)

    def looks_like(self, other: "Picture") -> bool:
        """Whether both show the same, pixel for pixel (a repeated picture)."""
        return self is other or np.array_equal(self.image, other.image)
