"""RGB: which pixels a crop means, and what happens to them."""

import numpy as np
import pytest
import torch

from openmov.media.sampling import Crop
from openmov.modalities.rgb import crop_box, normalise, resize_crop

WHOLE = Crop(0.0, 0.0, 1.0, 1.0, False)


def frames(height: int, width: int, time: int = 2) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (time, height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    ("crop", "box"),
    [
        (WHOLE, (0, 0, 20, 10)),
        (Crop(0.25, 0.5, 0.5, 0.5, False), (5, 5, 15, 10)),
        (Crop(0.99, 0.99, 0.01, 0.01, False), (19, 9, 20, 10)),  # less than a pixel is a pixel
        (Crop(0.53, 0.0, 0.47, 1.0, False), (11, 0, 20, 10)),  # 10.6 -> 11 and 9.4 -> 9: rounding stays inside
    ],
)
def test_crop_box(crop: Crop, box: tuple[int, int, int, int]) -> None:
    assert crop_box(crop, height=10, width=20) == box


def test_a_crop_of_the_output_size_moves_pixels_and_changes_none() -> None:
    images = frames(64, 96)
    resized = resize_crop(images, Crop(0.25, 0.5, 32 / 96, 0.5, False), 32)
    assert torch.equal(resized, torch.from_numpy(images[:, 32:64, 24:56]).permute(0, 3, 1, 2).float().div(255))


def test_values_are_in_0_1_and_a_flat_picture_stays_flat() -> None:
    sharp = np.zeros((1, 40, 40, 3), np.uint8)
    sharp[:, :, 20:] = 255  # bicubic overshoots at an edge; 8 bits clamp it
    resized = resize_crop(sharp, WHOLE, 64)
    assert resized.min() == 0
    assert resized.max() == 1
    flat = resize_crop(np.full((1, 40, 30, 3), 51, np.uint8), Crop(0.1, 0.2, 0.5, 0.5, False), 17)
    assert flat.unique().tolist() == [pytest.approx(0.2)]


def test_flip_mirrors_the_crop_and_nothing_else() -> None:
    images = frames(50, 70)
    there = resize_crop(images, Crop(0.1, 0.2, 0.5, 0.6, False), 24)
    mirrored = resize_crop(images, Crop(0.1, 0.2, 0.5, 0.6, True), 24)
    assert torch.equal(mirrored, there.flip(-1))
    assert not torch.equal(mirrored, there)


def test_all_frames_get_the_same_crop() -> None:
    one = frames(50, 70, time=1)
    resized = resize_crop(np.repeat(one, 3, axis=0), Crop(0.1, 0.2, 0.5, 0.6, True), 24)
    assert torch.equal(resized[0], resized[1])
    assert torch.equal(resized[0], resized[2])


def test_no_frames_give_no_frames() -> None:
    assert resize_crop(frames(8, 8, time=0), WHOLE, 4).shape == (0, 3, 4, 4)


def test_normalise_channel_by_channel() -> None:
    grey = torch.full((1, 3, 2, 2), 0.5)
    channels = normalise(grey, (0.5, 0.25, 0.0), (1.0, 0.5, 0.25))[0, :, 0, 0]
    assert channels.tolist() == [0.0, 0.5, 2.0]


def test_wrong_shape_is_refused() -> None:
    with pytest.raises(Exception, match="resize_crop"):
        resize_crop(frames(8, 8)[..., :2], WHOLE, 4)
