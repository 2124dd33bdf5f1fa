"""Laws of motion: how far, which way, and what a still may not tell."""

import numpy as np
import pytest

from openmov.shapesav.scene import (
    ANGLE_RANGE_RAD,
    CENTRE_RANGE_PX,
    RADIUS_RANGE_PX,
    RATE_FPS,
    Scene,
    frame_times,
    poses,
)
from openmov.shapesav.vocabulary import MOTIONS

SEEDS = range(60)
RANGES = (CENTRE_RANGE_PX, CENTRE_RANGE_PX, RADIUS_RANGE_PX, ANGLE_RANGE_RAD)
_WHERE = {"moving left": (0, -1), "moving right": (0, 1), "moving up": (1, -1), "moving down": (1, 1)}
_WHERE |= {"growing": (2, 1), "shrinking": (2, -1)}


def scene(motion: str, seed: int) -> Scene:
    return Scene("star", "red", motion, "noise", seed)


def steps(motion: str, seed: int) -> np.ndarray:
    """Change of (x, y, radius, angle) between successive frames."""
    return np.diff(poses(scene(motion, seed), frame_times()), axis=0)


@pytest.mark.parametrize("motion", _WHERE)
def test_steady_motions_go_1_to_4_px_a_frame_their_own_way(motion: str) -> None:
    axis, sign = _WHERE[motion]
    for seed in SEEDS:
        moved = steps(motion, seed)
        restarts = moved[:, axis] * sign < 0
        assert restarts.mean() < 0.2
        assert np.all((moved[~restarts, axis] * sign >= 1) & (moved[~restarts, axis] * sign <= 4))
        assert np.all(np.delete(moved, axis, axis=1) == 0)


def test_spinning_moves_the_rim_1_to_4_px_a_frame_either_way() -> None:
    turns = set()
    for seed in SEEDS:
        moved = steps("spinning", seed)
        rim_px = moved[:, 3] * poses(scene("spinning", seed), frame_times())[0, 2]
        turn = np.sign(np.median(rim_px))
        restarts = rim_px * turn < 0
        assert restarts.mean() < 0.2
        assert np.all((rim_px[~restarts] * turn >= 1) & (rim_px[~restarts] * turn * 1.15 <= 4))
        assert np.all(moved[:, :3] == 0)
        turns.add(float(turn))
    assert turns == {-1.0, 1.0}


def test_shaking_goes_to_and_fro_by_up_to_4_px_a_frame() -> None:
    for seed in SEEDS:
        moved = steps("shaking", seed)[:, 0]
        assert 1 <= np.abs(moved).mean() <= np.abs(moved).max() <= 4
        assert 12 <= np.count_nonzero(np.diff(np.sign(moved))) <= 20  # 3.6-4.5 Hz for two seconds


def test_shaking_is_not_frozen_by_the_sampling_stride() -> None:
    stride = np.arange(8) * 0.16
    for seed in SEEDS:
        sampled = poses(scene("shaking", seed), stride)[:, 0]
        assert np.ptp(sampled) > 2.5
        frozen = poses(scene("shaking", seed), np.zeros(8))[:, 0]
        assert np.ptp(frozen) == 0


@pytest.mark.parametrize(
    ("one", "other"), [("moving left", "moving right"), ("moving up", "moving down"), ("growing", "shrinking")]
)
def test_opposite_motions_are_time_reversals(one: str, other: str) -> None:
    for seed in SEEDS:
        forth, back = (poses(scene(motion, seed), frame_times()) for motion in (one, other))
        np.testing.assert_allclose(forth, back[::-1], atol=1e-9)
        assert not np.allclose(forth, back)


def test_a_still_does_not_tell_the_motion() -> None:
    """Mean and spread of place, size and angle at a random instant are the same for all motions, within noise."""
    rng = np.random.default_rng(0)
    count = 400
    for axis, (low, high) in enumerate(RANGES):
        for motion in MOTIONS:
            seen = np.array([poses(scene(motion, seed), rng.uniform(0, 2, 1))[0, axis] for seed in range(count)])
            spread = (high - low) / np.sqrt(12)
            assert abs(seen.mean() - (low + high) / 2) < 4 * spread / np.sqrt(count)
            assert seen.std() == pytest.approx(spread, rel=0.09)


def test_two_frames_tell_the_motion() -> None:
    """The counterpart of the law above: what no still tells, the step to the next frame does."""
    rng = np.random.default_rng(1)
    for seed in SEEDS:
        first = rng.uniform(0, 1.9)
        times = np.array([first, first + 1 / RATE_FPS])
        told = [np.diff(poses(scene(motion, seed), times), axis=0)[0] for motion in MOTIONS]
        assert len({tuple(step) for step in told}) == len(MOTIONS)
