import numpy as np
import pytest
from jaxtyping import UInt8
from PIL import Image

from openmov.media.sampling import Crop, evaluation_crops
from openmov.media.scaling import Interpolation, cut_out


def picture(height: int, width: int) -> UInt8[np.ndarray, "height width 3"]:
    return np.random.default_rng(0).integers(30, 226, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
def test_a_squashed_picture_is_pils(interpolation: Interpolation) -> None:
    image = picture(48, 90)
    (crop,) = evaluation_crops(1, 90, 48, 0.875, "squash")
    expected = Image.fromarray(image).resize((32, 32), Image.Resampling[interpolation.upper()])
    assert np.array_equal(cut_out(image, crop, 32, interpolation), np.asarray(expected))


@pytest.mark.parametrize(("height", "width"), [(30, 60), (60, 30)])
def test_a_padded_picture_is_pils_with_black_around_it(height: int, width: int) -> None:
    """As open_clip's `longest`: the long side to 20, the short one to 10, and 5 rows or columns of black around."""
    image = picture(height, width)
    (crop,) = evaluation_crops(1, width, height, 0.875, "longest")
    found = cut_out(image, crop, 20)
    inner = Image.fromarray(image).resize((20 * width // 60, 20 * height // 60), Image.Resampling.BICUBIC)
    expected = np.zeros((20, 20, 3), np.uint8)
    if width > height:
        expected[5:15] = inner
    else:
        expected[:, 5:15] = inner
    assert np.array_equal(found, expected)


def test_another_filter_is_another_picture() -> None:
    whole = Crop(0.0, 0.0, 1.0, 1.0)
    assert not np.array_equal(cut_out(picture(40, 40), whole, 16, "bilinear"), cut_out(picture(40, 40), whole, 16))
