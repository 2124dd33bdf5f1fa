"""Frames, flow and spectrograms as PNG files in memory.

Small frames are enlarged by whole factors, so that their pixels stay crisp; large ones are reduced. Knows nothing
of pages.
"""

import io
import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float, Int, Num, UInt8
from PIL import Image

_TILE_PX = 192
"""Height of a frame in a strip: 96 on the page, doubled for dense screens."""
_GAP_PX = 8
_PER_ROW = 8
_STILL = 40
"""Grey of what does not move: to be seen on a light and on a dark page."""
_LEAST_FULL_PX = 0.5
"""Less movement than this is never shown in full colour: it is mostly noise."""
_MOST_TILES = 16
_WIDEST_SPECTROGRAM_PX = 1200
_SPECTROGRAM_PX = 192
"""A spectrogram is enlarged to at least this height."""

_CONFUSION_PX = 900
"""A confusion picture is enlarged by a whole factor to at most about this size, and is never reduced."""
_CONFUSION_PALE, _CONFUSION_DARK = (236, 240, 245), (20, 62, 110)

_MAGMA = (
    (0, 0, 4),
    (20, 14, 54),
    (59, 15, 112),
    (100, 26, 128),
    (140, 41, 129),
    (183, 55, 121),
    (222, 73, 104),
    (247, 112, 92),
    (254, 159, 109),
    (254, 207, 146),
    (252, 253, 191),
)
"""Eleven even stops of the perceptual colour map "magma" (matplotlib, CC0)."""


def film_strip(images: UInt8[np.ndarray, "time height width 3"]) -> bytes:
    """Frames from left to right, eight a row, on a transparent ground; of more than 16, 16 evenly spread ones.

    Raises ValueError where there is no frame.
    """
    if len(images) == 0:
        raise ValueError("no frame to show")
    chosen = np.linspace(0, len(images) - 1, min(len(images), _MOST_TILES)).round().astype(int)
    tiles = [_tile(images[i]) for i in chosen]
    width, height = tiles[0].size
    columns, rows = min(len(tiles), _PER_ROW), math.ceil(len(tiles) / _PER_ROW)
    size = (columns * (width + _GAP_PX) - _GAP_PX, rows * (height + _GAP_PX) - _GAP_PX)
    strip = Image.new("RGBA", size, (0, 0, 0, 0))
    for k, tile in enumerate(tiles):
        strip.paste(tile, (k % _PER_ROW * (width + _GAP_PX), k // _PER_ROW * (height + _GAP_PX)))
    return _png(strip)


def flow_colours(flow_px: Float[np.ndarray, "*shape 2"], max_displacement_px: float) -> UInt8[np.ndarray, "*shape 3"]:
    """Direction as hue, displacement as strength, from dark grey (none) to full colour (`max_displacement_px` or more).

    Red is to the right, then through yellow-green (down), cyan (left) and violet (up), as the legend shows.
    """
    strength = np.clip(np.linalg.norm(flow_px, axis=-1) / max_displacement_px, 0, 1)
    hue = np.arctan2(flow_px[..., 1], flow_px[..., 0]) / (2 * np.pi) % 1
    distance = np.abs((hue[..., None] * 6 - np.array([0, 2, 4]) + 3) % 6 - 3)  # of the hue from red, green, blue
    full = np.clip(2 - distance, 0, 1)
    colours: np.ndarray = np.round(_STILL + strength[..., None] * (255 * full - _STILL)).astype(np.uint8)
    return colours


def flow_picture(flow_px: Float[np.ndarray, "time height width 2"], max_displacement_px: float | None = None) -> bytes:
    """A strip of flow pictures, coloured by `flow_colours`; by default up to the `typical_largest` displacement.

    Raises ValueError where there is no frame.
    """
    return film_strip(flow_colours(flow_px, max_displacement_px or typical_largest(flow_px)))


def typical_largest(flow_px: Float[np.ndarray, "time height width 2"]) -> float:
    """The displacement in pixels that one point in a hundred exceeds, at least 0.5: outliers do not set the scale."""
    if flow_px.size == 0:
        return _LEAST_FULL_PX
    return max(_LEAST_FULL_PX, float(np.percentile(np.linalg.norm(flow_px, axis=-1), 99)))


def flow_legend(size_px: int = 128) -> bytes:
    """The colour wheel: each point has the colour of moving from the centre to it; transparent outside."""
    axis = (np.arange(size_px) + 0.5) / size_px * 2 - 1
    x, y = np.meshgrid(axis, axis)
    radius = np.hypot(x, y)
    opacity = np.round(255 * np.clip((1 - radius) * size_px / 2 + 0.5, 0, 1)).astype(np.uint8)
    return _png(Image.fromarray(np.dstack([flow_colours(np.stack([x, y], -1), 1.0), opacity]), "RGBA"))


def spectrogram_picture(spectrogram: Num[np.ndarray, "bins columns"]) -> bytes:
    """Time to the right, low pitch at the bottom, from black (quiet) to yellow (loud); ends are the 1st and 99th
    percentile. Raises ValueError where it is empty.
    """
    if spectrogram.size == 0:
        raise ValueError("no spectrogram to show")
    low, high = np.percentile(spectrogram, (1, 99))
    level = np.clip((spectrogram[::-1] - low) / ((high - low) or 1), 0, 1)
    stops = np.linspace(0, 1, len(_MAGMA))
    colours = np.stack([np.interp(level, stops, channel) for channel in np.array(_MAGMA).T], axis=-1)
    picture = Image.fromarray(np.round(colours).astype(np.uint8))
    if picture.width > _WIDEST_SPECTROGRAM_PX:
        picture = picture.resize((_WIDEST_SPECTROGRAM_PX, picture.height), Image.Resampling.LANCZOS)
    factor = max(1, math.ceil(_SPECTROGRAM_PX / picture.height))
    fits = max(1, min(factor, _WIDEST_SPECTROGRAM_PX // picture.width))
    return _png(picture.resize((picture.width * fits, picture.height * factor), Image.Resampling.NEAREST))


def confusion_picture(counts: Int[np.ndarray, "classes classes"]) -> bytes:
    """Share of a class's clips by answer: row the true class, column the answer, from pale (none) to dark (all).

    Each cell is a whole number of pixels; a class without clips is a pale row. Raises ValueError for no class.
    """
    if counts.size == 0:
        raise ValueError("no class to show")
    totals = np.maximum(counts.sum(axis=1, keepdims=True), 1)
    share = np.sqrt(counts / totals)[..., None]  # a few clips of many are still to be seen
    pale, dark = np.array(_CONFUSION_PALE), np.array(_CONFUSION_DARK)
    cell = max(1, _CONFUSION_PX // len(counts))
    picture = Image.fromarray(np.round(pale + share * (dark - pale)).astype(np.uint8))
    return _png(picture.resize((picture.width * cell, picture.height * cell), Image.Resampling.NEAREST))


def _tile(image: UInt8[np.ndarray, "height width 3"]) -> Image.Image:
    """One frame `_TILE_PX` high, or the next whole multiple of its height above that."""
    picture = Image.fromarray(image)
    if picture.height > _TILE_PX:
        width = max(1, round(picture.width * _TILE_PX / picture.height))
        return picture.resize((width, _TILE_PX), Image.Resampling.LANCZOS)
    factor = math.ceil(_TILE_PX / picture.height)
    return picture.resize((picture.width * factor, picture.height * factor), Image.Resampling.NEAREST)


def _png(picture: Image.Image) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, "PNG", optimize=True)
    return stream.getvalue()


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
