"""Pictures at the sizes networks and flow want: the crop of a view, and the grey picture flow is computed on.

Both are PIL's resizing, antialiased, on 8 bits. They are applied to each picture as soon as it is decoded, so that what
is held of a video does not grow with its resolution. Knows nothing of files and of what the pictures are for.
"""

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from openmov.media.sampling import Crop

_LUMA = (9798, 19235, 3735)
"""Rec. 601 luma in units of 2^-15, as OpenCV's RGB2GRAY has it."""


def crop_box(crop: Crop, height: int, width: int) -> tuple[int, int, int, int]:
    """`crop` in whole pixels of a height x width picture, as PIL wants it: (left, top, right, bottom)."""
    left, top, box_width, box_height = crop.box(width, height)
    return left, top, left + box_width, top + box_height


def cut_out(image: UInt8[np.ndarray, "height width 3"], crop: Crop, size: int) -> UInt8[np.ndarray, "size size 3"]:
    """The region `crop`, resized to size x size (bicubic) and not mirrored.

    Equal to PIL's `Image.resize((size, size), BICUBIC, box=crop_box(...))`: the aspect is that of the crop, not kept.
    """
    box = crop_box(crop, image.shape[0], image.shape[1])
    return np.asarray(Image.fromarray(image).resize((size, size), Image.Resampling.BICUBIC, box=box))


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
