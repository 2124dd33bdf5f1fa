"""TV-L1 of batches in PyTorch against the compiled one, and a pair on its own."""

from itertools import pairwise

import numpy as np
import pytest
import torch

from openmov.tvl1.flow import TVL1Parameters, tvl1
from openmov.tvl1.on_device import best_device, median, tvl1_batch

MAX_MEAN_DIFFERENCE_PX = 0.05
"""With the defaults: near edges and occlusions a last digit may decide between two answers."""
MAX_DIFFERENCE_PX = 1e-3
"""Of any pixel, on smooth textures and few scales, where rounding has no room to grow."""
QUICK = TVL1Parameters(num_scales=2, num_warps=2, inner_iterations=10, outer_iterations=2)


def scene(height: int, width: int, move: tuple[float, float], seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A smooth random texture, and the same moved by (x, y) pixels."""
    rng = np.random.default_rng(seed)
    waves = [(*rng.uniform(0, 2 * np.pi, 2), 2 * np.pi / rng.uniform(7, 40)) for _ in range(40)]
    y, x = np.mgrid[:height, :width]

    def picture(right: float, down: float) -> np.ndarray:
        image = np.zeros((height, width))
        for angle, phase, frequency in waves:
            image += np.sin(frequency * (np.cos(angle) * (x - right) + np.sin(angle) * (y - down)) + phase)
        return np.clip(128 + 14 * image, 0, 255).round().astype(np.uint8)

    return picture(0, 0), picture(*move)


def batch(*moves: tuple[float, float], height: int = 40, width: int = 52) -> tuple[np.ndarray, np.ndarray]:
    pairs = [scene(height, width, move, seed) for seed, move in enumerate(moves)]
    return np.stack([first for first, _ in pairs]), np.stack([second for _, second in pairs])


def apart(one: np.ndarray, two: np.ndarray) -> np.ndarray:
    return np.linalg.norm(one - two, axis=-1)


MOVES = ((0.5, -0.3), (3.0, 1.0), (0.0, 0.0), (-2.0, 4.0))


class TestAgainstTheCompiledOne:
    def test_with_the_defaults(self) -> None:
        first, second = batch(*MOVES)
        found = tvl1_batch(first, second)
        compiled = np.stack([tvl1(*pair) for pair in zip(first, second, strict=True)])
        assert (apart(found, compiled).mean((1, 2)) < MAX_MEAN_DIFFERENCE_PX).all()
        assert apart(found, np.roll(compiled, 1, axis=0)).mean() > 1

    @pytest.mark.parametrize(
        "parameters",
        [
            TVL1Parameters(num_scales=1, num_warps=1, outer_iterations=1),
            TVL1Parameters(num_scales=1, num_warps=2, inner_iterations=20, outer_iterations=2, median_size=3),
            TVL1Parameters(num_scales=1, num_warps=2, median_size=1, tau=0.2, lambda_=0.05, theta=0.2, epsilon=0.02),
            TVL1Parameters(num_scales=3, scale_step=0.6, num_warps=1, inner_iterations=5, outer_iterations=1),
        ],
        ids=["one_scale", "median_3", "no_median", "three_scales"],
    )
    def test_to_the_last_digits_for_every_parameter(self, parameters: TVL1Parameters) -> None:
        first, second = batch((0.5, -0.3), (1.0, 0.8))
        found = tvl1_batch(first, second, parameters)
        compiled = np.stack([tvl1(*pair, parameters) for pair in zip(first, second, strict=True)])
        assert apart(found, compiled).max() < MAX_DIFFERENCE_PX
        assert apart(found, tvl1_batch(first, second, QUICK)).max() > 10 * MAX_DIFFERENCE_PX

    @pytest.mark.parametrize(("height", "width"), [(16, 16), (17, 23), (16, 97), (97, 16), (49, 48)])
    def test_at_odd_sizes(self, height: int, width: int) -> None:
        first, second = batch((1.0, 0.5), height=height, width=width)
        assert apart(tvl1_batch(first, second, QUICK)[0], tvl1(first[0], second[0], QUICK)).mean() < 0.01


class TestAPairOfABatch:
    def test_is_what_it_is_alone(self) -> None:
        first, second = batch(*MOVES)
        together = tvl1_batch(first, second)
        for k in range(len(MOVES)):
            assert np.array_equal(tvl1_batch(first[k : k + 1], second[k : k + 1])[0], together[k])
        assert not any(np.array_equal(one, two) for one, two in pairwise(together))

    def test_more_than_go_at_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        first, second = batch(*MOVES)
        together = tvl1_batch(first, second, QUICK)
        monkeypatch.setattr("openmov.tvl1.on_device.MOST_PAIRS", 3)
        assert np.array_equal(tvl1_batch(first, second, QUICK), together)
        assert tvl1_batch(first[:0], second[:0], QUICK).shape == (0, 40, 52, 2)

    def test_equal_pictures_do_not_move_at_all(self) -> None:
        noise = np.random.default_rng(0).integers(0, 256, (2, 33, 41), dtype=np.uint8)
        found = tvl1_batch(noise, np.stack([noise[0], np.roll(noise[1], 1, axis=1)]), QUICK)
        assert (found[0] == 0).all()
        assert (found[1] != 0).any()

    @pytest.mark.parametrize(("first", "second"), [(0, 0), (0, 255), (255, 0), (7, 8)])
    def test_flat_pictures_do_not_move(self, first: int, second: int) -> None:
        one, two = np.full((1, 24, 30), first, np.uint8), np.full((1, 24, 30), second, np.uint8)
        assert (tvl1_batch(one, two, QUICK) == 0).all()


class TestRefused:
    def test_too_small(self) -> None:
        with pytest.raises(ValueError, match="at least 16"):
            tvl1_batch(np.zeros((1, 15, 64), np.uint8), np.zeros((1, 15, 64), np.uint8))

    def test_two_sizes(self) -> None:
        with pytest.raises((ValueError, TypeError)):
            tvl1_batch(np.zeros((1, 32, 32), np.uint8), np.zeros((1, 32, 33), np.uint8))


@pytest.mark.parametrize(("there", "wanted"), [(True, "cuda"), (False, "cpu")])
def test_an_accelerator_must_be_there(there: bool, wanted: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """PyTorch built for CUDA names cuda on a machine without one."""
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda: torch.device("cuda"))
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: there)
    assert best_device().type == wanted


@pytest.mark.parametrize("size", [3, 5])
def test_the_median_is_torchs(size: int) -> None:
    planes = torch.randn(2, 3, 19, 23, generator=torch.Generator().manual_seed(0))
    planes[0, 0] = planes[0, 0].round()  # many equal numbers
    windows = torch.nn.functional.pad(planes, (size // 2,) * 4, mode="replicate").unfold(2, size, 1).unfold(3, size, 1)
    assert torch.equal(median(planes, size), windows.flatten(-2).median(-1).values)
    assert not torch.equal(median(planes, size), planes)
