"""RGB against PIL's own resize, and against torch's antialiased bicubic where the two mean the same."""

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter

from openmov.media.sampling import Crop
from openmov.modalities.rgb import resize_crop

LEVEL = 1 / 255
WHOLE = Crop(0.0, 0.0, 1.0, 1.0, False)


def picture(height: int, width: int) -> Image.Image:
    noise = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(noise).filter(ImageFilter.GaussianBlur(1.5))


def as_tensor(image: Image.Image) -> torch.Tensor:
    return torch.from_numpy(np.array(image)).permute(2, 0, 1).float() / 255


def worst(first: torch.Tensor, second: torch.Tensor) -> float:
    return (first - second).abs().max().item()


@pytest.mark.parametrize(("height", "width", "size"), [(256, 341, 224), (120, 90, 64), (40, 60, 64), (64, 64, 64)])
def test_a_crop_equals_pil(height: int, width: int, size: int) -> None:
    image = picture(height, width)
    left, top, right, bottom = width // 10, height // 5, width // 10 + width // 2, height
    crop = Crop(left / width, top / height, (right - left) / width, (bottom - top) / height, False)
    expected = image.resize((size, size), Image.Resampling.BICUBIC, box=(left, top, right, bottom))
    assert worst(resize_crop(np.array(image)[None], crop, size)[0], as_tensor(expected)) <= LEVEL


def test_one_resize_equals_short_side_then_centre_crop() -> None:
    image = picture(360, 480)
    small = image.resize((341, 256), Image.Resampling.BICUBIC)
    left, top = 58, 16
    expected = small.crop((left, top, left + 224, top + 224))
    crop = Crop(82 / 480, 22.5 / 360, 315 / 480, 315 / 360, False)  # 224 of 256 of 360 pixels are 315
    ours = resize_crop(np.array(image)[None], crop, 224)[0]
    # 341 is not 4/3 of 256 and half a pixel is rounded: a fraction of a pixel apart, on a picture blurred over 1.5
    assert (ours - as_tensor(expected)).abs().mean().item() < 0.02
    shifted = resize_crop(np.array(image)[None], Crop(90 / 480, 22 / 360, 315 / 480, 315 / 360, False), 224)[0]
    assert (shifted - as_tensor(expected)).abs().mean().item() > 0.05


def test_one_resize_equals_short_side_then_crop_where_no_pixel_is_rounded() -> None:
    image = picture(512, 768)
    expected = image.resize((384, 256), Image.Resampling.BICUBIC).crop((80, 16, 80 + 224, 16 + 224))
    crop = Crop(160 / 768, 32 / 512, 448 / 768, 448 / 512, False)
    assert worst(resize_crop(np.array(image)[None], crop, 224)[0], as_tensor(expected)) <= LEVEL


@pytest.mark.parametrize(("height", "width", "size"), [(256, 341, 224), (40, 60, 64)])
def test_a_whole_frame_equals_torch(height: int, width: int, size: int) -> None:
    image = np.array(picture(height, width))
    channels = torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255
    expected = torch.nn.functional.interpolate(channels, size=(size, size), mode="bicubic", antialias=True)
    assert worst(resize_crop(image[None], WHOLE, size), expected.clamp(0, 1)) <= 1.5 * LEVEL
