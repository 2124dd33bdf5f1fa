"""What holds for every span, picture and seed."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from openmov.media.sampling import (
    Crop,
    ViewSettings,
    clip_times,
    evaluation_crops,
    evaluation_positions,
    random_resized_crop,
    seeded_generator,
    training_view,
)

sizes = st.integers(1, 4000)
starts = st.floats(-10, 1000)
durations = st.floats(0, 5000)
positions = st.floats(0, 1)
calm = settings(derandomize=True, deadline=None)


@calm
@given(starts, durations, st.integers(1, 64), st.floats(0.01, 5), positions)
def test_times_ascend_within_the_video(
    start: float, duration: float, num_frames: int, stride: float, position: float
) -> None:
    times = clip_times(start, start + duration, num_frames, stride, position)
    assert times.shape == (num_frames,)
    assert times[0] >= start
    assert times[-1] <= start + duration
    steps = np.diff(times)
    assert (steps >= 0).all()
    assert (steps <= stride + 1e-9).all()
    if (num_frames - 1) * stride <= duration:
        np.testing.assert_allclose(steps, stride, rtol=1e-6, atol=1e-9)


@calm
@given(starts, durations, st.integers(1, 16), st.floats(0.01, 1), positions, positions)
def test_a_later_position_is_no_earlier_clip(
    start: float, duration: float, num_frames: int, stride: float, one: float, other: float
) -> None:
    earlier = clip_times(start, start + duration, num_frames, stride, min(one, other))
    later = clip_times(start, start + duration, num_frames, stride, max(one, other))
    assert (earlier <= later).all()


@calm
@given(st.integers(1, 100))
def test_evaluation_positions_are_symmetric(num_clips: int) -> None:
    spots = np.array(evaluation_positions(num_clips))
    assert len(spots) == num_clips
    np.testing.assert_allclose(spots + spots[::-1], 1.0)


@calm
@given(st.text(), st.integers(), sizes, sizes)
def test_random_crops_lie_inside_the_picture(name: str, seed: int, width: int, height: int) -> None:
    crop = random_resized_crop(seeded_generator(name, seed), width, height)
    assert_inside(crop, width, height)
    aspect = crop.width * width / (crop.height * height)
    assert 3 / 4 - 1e-9 <= aspect <= 4 / 3 + 1e-9


@calm
@given(sizes, sizes, st.sampled_from([1, 3]), st.floats(0.05, 1))
def test_evaluation_crops_are_squares_inside_the_picture(
    width: int, height: int, num_crops: int, crop_fraction: float
) -> None:
    crops = evaluation_crops(num_crops, width, height, crop_fraction)
    assert len(crops) == num_crops
    for crop in crops:
        assert_inside(crop, width, height)
        np.testing.assert_allclose(crop.width * width, crop.height * height)
        np.testing.assert_allclose(crop.width * width, crop_fraction * min(width, height))


@calm
@given(st.text(), st.integers(0, 1000), durations, sizes, sizes)
def test_a_training_view_repeats_itself_and_fits(
    video_id: str, seed: int, duration: float, width: int, height: int
) -> None:
    view = training_view(video_id, seed, (0.0, duration), (width, height), ViewSettings())
    assert view == training_view(video_id, seed, (0.0, duration), (width, height), ViewSettings())
    assert 0 <= view.times_seconds[0] <= view.times_seconds[-1] <= duration
    assert_inside(view.crop, width, height)


def assert_inside(crop: Crop, width: int, height: int) -> None:
    assert crop.left >= 0
    assert crop.top >= 0
    assert crop.left + crop.width <= 1 + 1e-9
    assert crop.top + crop.height <= 1 + 1e-9
    left, top, box_width, box_height = crop.box(width, height)
    assert left >= 0
    assert top >= 0
    assert 1 <= box_width <= width - left
    assert 1 <= box_height <= height - top
