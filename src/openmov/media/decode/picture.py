"""One decoded picture: its time, and its RGB image when somebody looks at it."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from av.video.reformatter import VideoReformatter
from jaxtyping import UInt8


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
    size: tuple[int, int]
    """Width and height of the video's first picture before rotation: a later picture of another size is scaled."""

    @cached_property
    def image(self) -> UInt8[np.ndarray, "height width 3"]:
        """RGB, upright; the colour matrix and range are those the picture names (else BT.601, limited)."""
        width, height = self.size
        rgb = self.reformatter.reformat(self.frame, width=width, height=height, format="rgb24")
        return np.ascontiguousarray(upright(rgb.to_ndarray(), self.frame.rotation))

    def looks_like(self, other: "Picture") -> bool:
        """Whether both show the same, pixel for pixel (a repeated picture)."""
        return self is other or np.array_equal(self.image, other.image)


def upright(image: UInt8[np.ndarray, "h w 3"], counterclockwise_degrees: int) -> UInt8[np.ndarray, "h2 w2 3"]:
    """Turns an image by the file's display matrix, to the nearest quarter."""
    return np.rot90(image, k=round(counterclockwise_degrees / 90) % 4)
