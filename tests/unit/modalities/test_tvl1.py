"""Flow against displacements known by hand."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from openmov.errors import RecipeError
from openmov.tvl1.flow import TVL1Parameters, grey, tvl1


def waves(height: int, width: int, move: tuple[float, float] = (0.0, 0.0), seed: int = 0) -> np.ndarray:
    """A smooth random texture, moved by (x, y) pixels: exact at any displacement."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    image = np.zeros((height, width))
    for _ in range(40):
        angle, phase = rng.uniform(0, 2 * np.pi, 2)
        frequency = 2 * np.pi / rng.uniform(7, 40)
        along = np.cos(angle) * (x - move[0]) + np.sin(angle) * (y - move[1])
        image += np.sin(frequency * along + phase)
    return np.clip(128 + 14 * image, 0, 255).round().astype(np.uint8)


def error_px(flow: np.ndarray, move: tuple[float, float]) -> float:
    """Mean end-point error away from the edges."""
    return float(np.linalg.norm(flow - np.float32(move), axis=-1)[8:-8, 8:-8].mean())


@pytest.mark.parametrize("move", [(2.0, 0.0), (0.0, 2.0), (-1.5, 0.5), (-4.0, -3.0)])
def test_shift_is_found_x_before_y(move: tuple[float, float]) -> None:
    flow = tvl1(waves(64, 80), waves(64, 80, move))
    assert flow.shape == (64, 80, 2)
    assert error_px(flow, move) < 0.1
    assert error_px(flow, (move[1], move[0])) > 0.5


def test_equal_pictures_do_not_move_at_all() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (61, 83), dtype=np.uint8)
    assert np.all(tvl1(noise, noise) == 0)
    assert np.any(tvl1(noise, np.roll(noise, 1, axis=1)) != 0)


@pytest.mark.parametrize(("first", "second"), [(0, 0), (0, 255), (255, 0), (7, 8)])
def test_flat_pictures_do_not_move(first: int, second: int) -> None:
    one, two = np.full((40, 50), first, np.uint8), np.full((40, 50), second, np.uint8)
    assert np.all(tvl1(one, two) == 0)


@pytest.mark.parametrize(("height", "width"), [(16, 16), (17, 23), (16, 97), (97, 16), (33, 31), (49, 48)])
def test_any_size_from_sixteen(height: int, width: int) -> None:
    flow = tvl1(waves(height, width), waves(height, width, (1.0, 0.5)))
    assert flow.shape == (height, width, 2)
    assert np.linalg.norm(flow - np.float32([1.0, 0.5]), axis=-1).mean() < 0.35


def test_noise_gives_finite_flow() -> None:
    one, two = np.random.default_rng(1).integers(0, 256, (2, 50, 70), dtype=np.uint8)
    assert np.isfinite(tvl1(one, two)).all()


@pytest.mark.parametrize("shape", [(15, 64), (64, 15)])
def test_smaller_pictures_are_refused(shape: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="at least 16"):
        tvl1(np.zeros(shape, np.uint8), np.zeros(shape, np.uint8))


def test_pictures_of_two_sizes_are_refused() -> None:
    with pytest.raises((ValueError, TypeError)):
        tvl1(np.zeros((32, 32), np.uint8), np.zeros((32, 33), np.uint8))


def test_pictures_are_left_alone_and_may_be_views() -> None:
    wide = waves(64, 160)
    first, second = wide[:, ::2], waves(64, 160, (2.0, 0.0))[:, ::2]
    before = wide.copy()
    assert np.array_equal(tvl1(first, second), tvl1(first.copy(), second.copy()))
    assert np.array_equal(wide, before)


def test_threads_change_nothing() -> None:
    pairs = [(waves(48, 64, seed=k), waves(48, 64, (1.0, k), seed=k)) for k in range(4)]
    alone = [tvl1(*pair) for pair in pairs]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda pair: tvl1(*pair), pairs * 3))
    assert all(np.array_equal(together[k], alone[k % 4]) for k in range(12))


class TestParameters:
    def test_each_matters(self) -> None:
        first, second = waves(48, 64), waves(48, 64, (2.0, 1.0))
        plain = tvl1(first, second)
        changed: list[dict[str, float]] = [
            {"tau": 0.1},
            {"lambda_": 0.05},
            {"theta": 0.2},
            {"num_scales": 2},
            {"scale_step": 0.6},
            {"num_warps": 2},
            {"epsilon": 0.1},
            {"inner_iterations": 3, "outer_iterations": 1},
            {"outer_iterations": 1, "epsilon": 0.0},
            {"median_size": 3},
            {"median_size": 1},
        ]
        for change in changed:
            assert not np.array_equal(plain, tvl1(first, second, TVL1Parameters(**change))), change  # type: ignore[arg-type]

    @pytest.mark.parametrize(
        ("name", "value"),
        [("tau", 0.0), ("theta", -1.0), ("num_warps", 0), ("scale_step", 1.0), ("epsilon", -0.1), ("median_size", 7)],
    )
    def test_nonsense_is_refused_by_name(self, name: str, value: float) -> None:
        with pytest.raises(RecipeError, match=name):
            TVL1Parameters(**{name: value})  # type: ignore[arg-type]


class TestGrey:
    def test_known_colours(self) -> None:
        colours = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255], [0, 0, 0]]], np.uint8)
        assert grey(colours).tolist() == [[76, 150, 29, 255, 0]]

    def test_any_number_of_pictures(self) -> None:
        pictures = np.random.default_rng(0).integers(0, 256, (2, 3, 8, 9, 3), dtype=np.uint8)
        assert grey(pictures).shape == (2, 3, 8, 9)
        assert np.array_equal(grey(pictures)[1, 2], grey(pictures[1, 2]))
