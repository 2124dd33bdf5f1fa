"""Rows of small pictures for pages, encoded: frames, flow, a spectrogram.

WebP, for a page of many videos: a tenth of the bytes of PNG for pictures of a camera.
"""

import io
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image

from openmov.evaluation.pictures import film_strip, flow_colours, spectrogram_picture, typical_largest

_FRAMES = 8
"""Pictures of a strip: one row of the page."""
_WEBP_QUALITY = 80


@dataclass(frozen=True)
class Strip:
    """A row of small pictures, encoded."""

    webp: bytes = field(repr=False)
    """The file."""
    size: tuple[int, int]
    """Width and height in pixels; shown at half of it."""


def frames_strip(images: UInt8[np.ndarray, "time height width 3"]) -> Strip:
    """At most eight frames, evenly spread, from left to right. Raises ValueError where there is none."""
    return _strip(film_strip(images[_spread(len(images))]))


def flow_strip(flow_px: Float[np.ndarray, "time height width 2"]) -> tuple[Strip, float]:
    """The same for flow, and the displacement shown in full colour."""
    full = typical_largest(flow_px)
    return _strip(film_strip(flow_colours(flow_px[_spread(len(flow_px))], full))), full


def sound_strip(spectrogram: Float[np.ndarray, "bins columns"]) -> Strip:
    """A spectrogram. Raises ValueError where it is empty."""
    return _strip(spectrogram_picture(spectrogram))


def _spread(count: int) -> Any:
    return np.linspace(0, count - 1, min(count, _FRAMES)).round().astype(int)


def _strip(png: bytes) -> Strip:
    """Ten times smaller than PNG for pictures of a camera, and as transparent."""
    picture, stream = Image.open(io.BytesIO(png)), io.BytesIO()
    picture.save(stream, "WEBP", quality=_WEBP_QUALITY, method=4)
    return Strip(stream.getvalue(), picture.size)
