"""Pictures at the sizes networks and flow want: the crop of a view, and the grey picture flow is computed on.

Both are PIL's resizing, antialiased, on 8 bits. They are applied to each picture as soon as it is decoded, so that what
is held of a video does not grow with its resolution. Knows nothing of files and of what the pictures are for.
"""

from typing import Literal

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from openmov.media.sampling import Crop

Interpolation = Literal["bicubic", "bilinear", "lanczos", "nearest"]
"""How pixels of RGB pictures are resampled: PIL's filter of that name, antialiased."""

_LUMA = (9798, 19235, 3735)
"""Rec. 601 luma in units of 2^-15, as OpenCV's RGB2GRAY has it."""


def crop_box(crop: Crop, height: int, width: int) -> tuple[int, int, int, int]:
    """`crop` in whole pixels of a height x width picture, as PIL wants it: (left, top, right, bottom)."""
    left, top, box_width, box_height = crop.box(width, height)
    return left, top, left + box_width, top + box_height


def cut_out(
    image: UInt8[np.ndarray, "height width 3"], crop: Crop, size: int, interpolation: Interpolation = "bicubic"
) -> UInt8[np.ndarray, "size size 3"]:
    """The region `crop`, resized to size x size and not mirrored; black beyond the picture.

    Equal to PIL's `Image.resize((size, size), ..., box=crop_box(...))`: the aspect is that of the crop, not kept.
    """
    box, chosen = crop_box(crop, image.shape[0], image.shape[1]), Image.Resampling[interpolation.upper()]
    return np.asarray(resize_box(Image.fromarray(image), box, size, chosen))


def resize_box(
    image: Image.Image, box: tuple[int, int, int, int], size: int, resampling: Image.Resampling
) -> Image.Image:
    """A box (left, top, right, bottom) of the picture, resized to size x size; 0 where it reaches beyond the picture.

    What is inside is resized by itself, and nothing of the 0 around it gets into its border.
    """
    left, top, right, bottom = box
    inside = (max(left, 0), max(top, 0), min(right, image.width), min(bottom, image.height))
    if inside == box:
        return image.resize((size, size), resampling, box=box)
    across, down = size / (right - left), size / (bottom - top)
    first = round((inside[0] - left) * across), round((inside[1] - top) * down)
    last = round((inside[2] - left) * across), round((inside[3] - top) * down)
    part = image.resize((max(last[0] - first[0], 1), max(last[1] - first[1], 1)), resampling, box=inside)
    canvas = Image.new(image.mode, (size, size))
    canvas.paste(part, first)
    return canvas


def grey(images: UInt8[np.ndarray, "*time height width 3"]) -> UInt8[np.ndarray, "*time height width"]:
    """Luma of RGB pictures, 0 to 255, to the bit as OpenCV's RGB2GRAY."""
    red, green, blue = (images[..., channel].astype(np.uint32) * np.uint32(_LUMA[channel]) for channel in range(3))
    luma: UInt8[np.ndarray, "..."] = ((red + green + blue + np.uint32(1 << 14)) >> np.uint32(15)).astype(np.uint8)
    return luma


def working_size(height: int, width: int, short_side: int) -> tuple[int, int]:
    """(height, width) with the short side brought to `short_side`, up or down, and the aspect kept."""
    scale = short_side / min(height, width)
    return max(1, round(height * scale)), max(1, round(width * scale))


def working_grey(image: UInt8[np.ndarray, "h w 3"], short_side: int) -> UInt8[np.ndarray, "height width"]:
    """Grey, with the short side brought to `short_side` (bilinear)."""
    height, width = working_size(image.shape[0], image.shape[1], short_side)
    return np.array(Image.fromarray(grey(image)).resize((width, height), Image.Resampling.BILINEAR))
