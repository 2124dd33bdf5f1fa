"""Video frames as network inputs: crop, resize, flip, normalise (design section "RGB").

Resizing is PIL's, antialiased, on 8 bits: bicubic, what CLIP's own preprocessing does, or the backbone's own filter.
PIL weighs in the pixels just outside the crop, so cropping and resizing are one step that equals "resize the whole
frame, then crop" to within rounding: a test-time view (224 x 224 out of short side 256), a whole frame squashed to a
square and a random resized crop are the same call with another `Crop`. (torch's 8-bit bicubic is about nine times
faster, but sees only the crop itself and so differs by up to 20/255 along its border.)

Knows nothing of files, times or of how crops are drawn.
"""

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from openmov.media.sampling import Crop
from openmov.media.scaling import Interpolation, cut_out
from openmov.media.scaling import crop_box as crop_box

RGB_VERSION = 2
"""Part of the key of everything stored that was made from these images; raised when an output changes."""


def resize_crop(
    images: UInt8[np.ndarray, "time height width 3"], crop: Crop, size: int, interpolation: Interpolation = "bicubic"
) -> Float[Tensor, "time 3 size size"]:
    """The region `crop` of every frame, resized to size x size and mirrored if `crop.flip`; values in [0, 1].

    Equal to PIL's `Image.resize((size, size), ..., box=crop_box(...))`: the aspect is that of the crop, not kept.
    """
    resized = np.empty((len(images), size, size, 3), np.uint8)
    for target, image in zip(resized, images, strict=True):
        target[:] = cut_out(image, crop, size, interpolation)
    return as_floats(resized, flip=crop.flip)


def as_floats(images: UInt8[np.ndarray, "time height width 3"], *, flip: bool) -> Float[Tensor, "time 3 height width"]:
    """In [0, 1], mirrored if `flip`."""
    channels_first = torch.from_numpy(images).permute(0, 3, 1, 2).to(torch.float32, copy=True)
    scaled = channels_first.contiguous().div_(255)
    return scaled.flip(-1) if flip else scaled


def normalise(
    images: Float[Tensor, "time 3 height width"], mean: tuple[float, float, float], std: tuple[float, float, float]
) -> Float[Tensor, "time 3 height width"]:
    """`(images - mean) / std` per channel: images in [0, 1] as the backbone was trained to see them."""
    channels = (1, 3, 1, 1)
    return (images - images.new_tensor(mean).view(channels)) / images.new_tensor(std).view(channels)
