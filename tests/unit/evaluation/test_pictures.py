"""Pictures show what they are given."""

import io

import numpy as np
import pytest
from PIL import Image

from openmov.report import pictures


def opened(png: bytes) -> Image.Image:
    return Image.open(io.BytesIO(png))


def test_small_frames_keep_their_pixels():
    frames = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), dtype=np.uint8)
    strip = np.asarray(opened(pictures.film_strip(frames)))
    assert strip.shape == (192, 3 * 192 + 2 * 8, 4)
    assert (strip[1::3, 200 + 1 : 392 : 3, :3] == frames[1]).all()
    assert (strip[:, 192:200, 3] == 0).all()


def test_large_frames_are_reduced_and_wrapped():
    frames = np.full((40, 256, 340, 3), 90, np.uint8)
    strip = opened(pictures.film_strip(frames))
    assert strip.size == (8 * (255 + 8) - 8, 2 * (192 + 8) - 8)
    assert strip.getpixel((5, 5)) == (90, 90, 90, 255)


def test_no_frame():
    with pytest.raises(ValueError, match="no frame"):
        pictures.film_strip(np.zeros((0, 4, 4, 3), np.uint8))


def test_flow_colours_by_direction():
    right, left, still = [4.0, 0.0], [-4.0, 0.0], [0.0, 0.0]
    found = pictures.flow_colours(np.array([right, left, still, [9.0, 0.0]]), 4.0)
    assert found.tolist() == [[255, 0, 0], [0, 255, 255], [40, 40, 40], [255, 0, 0]]
    down, up = pictures.flow_colours(np.array([[0.0, 1.0], [0.0, -1.0]]), 1.0).tolist()
    assert down == [128, 255, 0]
    assert up == [128, 0, 255]


def test_flow_scale_ignores_outliers_and_noise():
    flow = np.full((2, 50, 50, 2), 0.0)
    flow[..., 0] = 3.0
    flow[0, 0, 0] = 500.0
    assert pictures.typical_largest(flow) == pytest.approx(3.0)
    assert pictures.typical_largest(flow * 1e-6) == 0.5
    assert pictures.typical_largest(flow[:0]) == 0.5
    middle = opened(pictures.flow_picture(flow)).getpixel((100, 100))
    assert middle == (255, 0, 0, 255)


def test_legend_agrees_with_flow():
    wheel = opened(pictures.flow_legend(101))
    red, green, blue, opaque = wheel.getpixel((97, 50))
    assert red > 230
    assert green < 20
    assert blue < 20
    assert opaque == 255
    assert wheel.getpixel((0, 0))[3] == 0


def test_spectrogram_has_low_pitch_at_the_bottom():
    sound = np.zeros((64, 192))
    sound[:8] = 1.0
    picture = opened(pictures.spectrogram_picture(sound)).convert("RGB")
    assert picture.size == (192 * 3, 64 * 3)
    assert picture.getpixel((10, 191)) == (252, 253, 191)
    assert picture.getpixel((10, 0)) == (0, 0, 4)


def test_wide_and_constant_spectrograms():
    assert opened(pictures.spectrogram_picture(np.zeros((128, 3000)))).size == (1200, 256)
    with pytest.raises(ValueError, match="no spectrogram"):
        pictures.spectrogram_picture(np.zeros((0, 5)))
