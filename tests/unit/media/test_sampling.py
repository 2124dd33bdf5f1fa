"""Times and crops worked out by hand."""

import subprocess
import sys
from dataclasses import astuple, replace

import numpy as np
import pytest

from openmov.media.sampling import (
    Crop,
    ViewSettings,
    audio_window_positions,
    clip_times,
    evaluation_crops,
    evaluation_positions,
    evaluation_views,
    random_resized_crop,
    seeded_generator,
    spread_times,
    training_view,
)


def test_a_clip_lies_at_its_position() -> None:
    # a clip of 4 frames 0.5 s apart spans 1.5 s of the 4 s from 1 to 5: it starts between 1 and 3.5
    np.testing.assert_allclose(clip_times(1.0, 5.0, 4, 0.5, 0.0), [1.0, 1.5, 2.0, 2.5])
    np.testing.assert_allclose(clip_times(1.0, 5.0, 4, 0.5, 0.5), [2.25, 2.75, 3.25, 3.75])
    np.testing.assert_allclose(clip_times(1.0, 5.0, 4, 0.5, 1.0), [3.5, 4.0, 4.5, 5.0])


def test_a_short_video_repeats_its_last_frame() -> None:
    for position in (0.0, 0.5, 1.0):
        np.testing.assert_allclose(clip_times(0.0, 1.0, 5, 0.4, position), [0.0, 0.4, 0.8, 1.0, 1.0])
    np.testing.assert_allclose(clip_times(2.0, 2.0, 3, 0.4, 0.3), [2.0, 2.0, 2.0])


@pytest.mark.parametrize(
    "arguments",
    [(0.0, 1.0, 0, 0.1, 0.5), (0.0, 1.0, 4, 0.0, 0.5), (0.0, 1.0, 4, 0.1, 1.1), (1.0, 0.0, 4, 0.1, 0.5)],
)
def test_impossible_clips_are_refused(arguments: tuple[float, float, int, float, float]) -> None:
    with pytest.raises(ValueError, match="no clip"):
        clip_times(*arguments)


def test_frames_spread_over_the_whole_video_stand_in_the_middle_of_equal_parts() -> None:
    # four frames of the 4 s from 1 to 5: one in each second
    np.testing.assert_allclose(spread_times(1.0, 5.0, 4, 0.5), [1.5, 2.5, 3.5, 4.5])
    np.testing.assert_allclose(spread_times(1.0, 5.0, 4, 0.0), [1, 2, 3, 4])
    np.testing.assert_allclose(spread_times(2.0, 2.0, 3, 0.5), [2, 2, 2])
    for start, end, frames, position in ((0.0, 1.0, 0, 0.5), (0.0, 1.0, 4, 1.1), (1.0, 0.0, 4, 0.5)):
        with pytest.raises(ValueError, match="frames at position"):
            spread_times(start, end, frames, position)


def test_clips_over_the_whole_video_look_between_each_other() -> None:
    settings = ViewSettings(num_frames=4, whole=True)
    (single,) = evaluation_views((0.0, 8.0), (64, 48), 1, 1, settings)
    assert single.times_seconds == (1, 3, 5, 7)
    views = evaluation_views((0.0, 8.0), (64, 48), 2, 1, settings)
    assert [view.times_seconds for view in views] == [(0.5, 2.5, 4.5, 6.5), (1.5, 3.5, 5.5, 7.5)]
    moments = [t for view in evaluation_views((0.0, 8.0), (64, 48), 4, 1, settings) for t in view.times_seconds]
    np.testing.assert_allclose(sorted(moments), np.arange(16) / 2 + 0.25)


def test_positions_are_evenly_spaced() -> None:
    assert evaluation_positions(1) == (0.5,)
    assert evaluation_positions(4) == pytest.approx((0, 1 / 3, 2 / 3, 1))
    assert audio_window_positions(12) == pytest.approx(tuple(index / 11 for index in range(12)))
    with pytest.raises(ValueError, match="num_clips"):
        evaluation_positions(0)


def test_evaluation_crops_of_a_wide_and_a_tall_picture() -> None:
    # 400 x 200, side 0.875 * 200 = 175: 225 free pixels across, 25 down
    left, centre, right = evaluation_crops(3, 400, 200)
    assert (left.left, centre.left, right.left) == pytest.approx((0.0, 112.5 / 400, 225 / 400))
    for crop in (left, centre, right):
        assert (crop.width * 400, crop.height * 200, crop.top * 200) == pytest.approx((175, 175, 12.5))
        assert not crop.flip
    top, middle, bottom = evaluation_crops(3, 200, 400)
    assert (top.top, middle.top, bottom.top) == pytest.approx((0.0, 112.5 / 400, 225 / 400))
    assert evaluation_crops(1, 400, 200) == (centre,)
    with pytest.raises(ValueError, match="num_crops"):
        evaluation_crops(2, 400, 200)


def test_a_box_is_inside_the_picture_and_never_empty() -> None:
    assert Crop(0.25, 0.5, 0.5, 0.25).box(340, 256) == (85, 128, 170, 64)
    assert Crop(0.999, 0.999, 0.001, 0.001).box(64, 48) == (63, 47, 1, 1)
    assert Crop(0.0, 0.0, 1.0, 1.0).box(341, 255) == (0, 0, 341, 255)


def test_one_crop_fits_every_working_size() -> None:
    crop = random_resized_crop(seeded_generator("a"), 340, 256)
    assert astuple(crop) == pytest.approx(astuple(random_resized_crop(seeded_generator("a"), 3400, 2560)))
    small, large = crop.box(340, 256), crop.box(3400, 2560)
    np.testing.assert_allclose(np.array(large) / 10, small, atol=1)


def test_a_crop_that_cannot_fit_becomes_the_largest_centred_one() -> None:
    crop = random_resized_crop(seeded_generator("a"), 1000, 10, area=(0.9, 1.0), flip_probability=0.0)
    assert (crop.width * 1000, crop.height * 10) == pytest.approx((40 / 3, 10))
    assert crop.left + crop.width / 2 == pytest.approx(0.5)
    assert not crop.flip


def test_random_crops_fill_their_range() -> None:
    generator = seeded_generator("many")
    # up to half the picture every aspect fits, so that none is drawn anew
    crops = [random_resized_crop(generator, 400, 300, area=(0.08, 0.5)) for _ in range(2000)]
    areas = np.array([crop.width * crop.height for crop in crops])
    aspects = np.array([crop.width * 400 / (crop.height * 300) for crop in crops])
    assert areas.min() == pytest.approx(0.08, abs=0.01)
    assert areas.max() == pytest.approx(0.5, abs=0.01)
    assert areas.mean() == pytest.approx(0.29, abs=0.01)
    assert aspects.min() == pytest.approx(3 / 4, abs=0.01)
    assert aspects.max() == pytest.approx(4 / 3, abs=0.01)
    assert np.mean([crop.flip for crop in crops]) == pytest.approx(0.5, abs=0.05)
    assert np.mean([crop.left + crop.width / 2 for crop in crops]) == pytest.approx(0.5, abs=0.01)


def test_seeds_are_the_same_in_every_process() -> None:
    # the numbers themselves are the contract: stored features are found again by them
    assert seeded_generator("video", 7).integers(0, 1000, 5).tolist() == [544, 791, 295, 394, 24]
    code = "from openmov.media.sampling import *; print(training_view('v', 3, (0., 9.), (340, 256), ViewSettings()))"
    environment = {"PYTHONHASHSEED": "12345", "PYTHONPATH": ":".join(sys.path)}
    printed = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert printed.stdout.strip() == repr(training_view("v", 3, (0.0, 9.0), (340, 256), ViewSettings()))


def test_the_parts_of_a_seed_do_not_run_into_each_other() -> None:
    seeds = [("a", "bc"), ("ab", "c"), ("abc",), ("a", 1), ("a", "1"), ("a", 1, ""), (1,), ("1",), ()]
    numbers = {seeded_generator(*parts).integers(0, 2**63) for parts in seeds}
    assert len(numbers) == len(seeds)


def test_a_view_is_fixed_by_video_and_seed() -> None:
    settings = ViewSettings()
    view = training_view("v", 3, (0.0, 9.0), (340, 256), settings)
    assert view == training_view("v", 3, (0.0, 9.0), (340, 256), settings)
    others = [
        training_view("v", 4, (0.0, 9.0), (340, 256), settings),
        training_view("w", 3, (0.0, 9.0), (340, 256), settings),
    ]
    for other in others:
        assert other.times_seconds != view.times_seconds
        assert other.crop != view.crop
    assert len(view.times_seconds) == 16
    np.testing.assert_allclose(np.diff(view.times_seconds), 0.16)


def test_a_view_is_not_mirrored_where_left_and_right_matter() -> None:
    settings = ViewSettings(flip_probability=0.0)
    assert not any(training_view("v", seed, (0.0, 9.0), (64, 64), settings).crop.flip for seed in range(50))
    settings = ViewSettings(flip_probability=1.0)
    assert all(training_view("v", seed, (0.0, 9.0), (64, 64), settings).crop.flip for seed in range(50))


def test_evaluation_views_go_clip_by_clip() -> None:
    views = evaluation_views((0.0, 10.0), (400, 200), 4, 3, ViewSettings(num_frames=2, stride_seconds=1.0))
    assert [view.index for view in views] == list(range(12))
    assert [view.times_seconds[0] for view in views[::3]] == pytest.approx([0.0, 3.0, 6.0, 9.0])
    assert views[0].times_seconds == views[2].times_seconds
    assert [view.crop.left for view in views[:3]] == pytest.approx([0.0, 112.5 / 400, 225 / 400])


@pytest.mark.parametrize("size", [(400, 200), (90, 160), (64, 64)])
def test_a_backbone_of_squashed_pictures_sees_the_whole_one(size: tuple[int, int]) -> None:
    (crop,) = evaluation_crops(1, *size, 224 / 256, "squash")
    assert crop == Crop(0.0, 0.0, 1.0, 1.0)
    assert crop.box(*size) == (0, 0, *size)


def test_three_crops_of_a_squashed_picture_go_along_its_long_side() -> None:
    """Of 256 x 256 squashed pixels each is 224 x 224."""
    crops = evaluation_crops(3, 400, 200, 224 / 256, "squash")
    assert [(crop.left, crop.top, crop.width, crop.height) for crop in crops] == [
        (0.0, 0.0625, 0.875, 0.875),
        (0.0625, 0.0625, 0.875, 0.875),
        (0.125, 0.0625, 0.875, 0.875),
    ]


def test_a_padded_picture_is_a_square_that_holds_it_in_its_middle() -> None:
    (crop,) = evaluation_crops(1, 400, 200, 224 / 256, "longest")
    assert crop == Crop(0.0, -0.5, 1.0, 2.0)
    assert crop.box(400, 200) == (0, -100, 400, 400)
    first, middle, last = evaluation_crops(3, 200, 400, 0.5, "longest")
    assert [crop.box(200, 400) for crop in (first, middle, last)] == [
        (0, 0, 200, 200), (0, 100, 200, 200), (0, 200, 200, 200)
    ]  # fmt: skip


def test_training_crops_of_squashed_pictures_have_their_shape_there() -> None:
    """An allowed aspect is one in the square that a 4:1 picture was squashed to; otherwise one in its own pixels."""
    squashed = ViewSettings(resize="squash", crop_aspect=(1.0, 1.0), crop_area=(0.2, 0.3))
    for seed in range(20):
        crop = training_view("v", seed, (0.0, 9.0), (400, 100), squashed).crop
        assert crop.width == pytest.approx(crop.height)
        assert 0.2 <= crop.width * crop.height <= 0.3
        plain = training_view("v", seed, (0.0, 9.0), (400, 100), replace(squashed, resize="shortest")).crop
        assert 4 * plain.width == pytest.approx(plain.height)
