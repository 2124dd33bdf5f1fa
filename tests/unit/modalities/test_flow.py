"""Flow: a known shift, the 8-bit code, and the picture made of it."""

import sys
from collections.abc import Callable

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter

from openmov.config.schema import FlowConfig, TVL1Config
from openmov.errors import RecipeError
from openmov.media.decode import FramePairs, Frames
from openmov.media.sampling import Crop
from openmov.modalities.flow import (
    compute_flow,
    decode_flow,
    encode_flow,
    flow_image,
    flow_parameters,
    working_size,
)
from openmov.modalities.rgb import resize_crop

CONFIG = FlowConfig(short_side=64)
WHOLE = Crop(0.0, 0.0, 1.0, 1.0, False)
MIRRORED = Crop(0.0, 0.0, 1.0, 1.0, True)
AS_IT_IS = ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))


def texture(side: int = 160, blur: float = 2.0) -> np.ndarray:
    noise = np.random.default_rng(0).integers(0, 256, (side, side), dtype=np.uint8)
    soft = np.asarray(Image.fromarray(noise).filter(ImageFilter.GaussianBlur(blur)), np.float64)
    return np.clip((soft - soft.mean()) / soft.std() * 50 + 128, 0, 255).astype(np.uint8)


def shifted_pair(right: int, down: int, height: int = 64, width: int = 64, blur: float = 2.0) -> FramePairs:
    """A window on a texture that moves `right` and `down` pixels."""
    large = texture(blur=blur)
    first = large[16 : 16 + height, 16 : 16 + width]
    second = large[16 - down : 16 - down + height, 16 - right : 16 - right + width]
    return pairs_of([first], [second])


def pairs_of(first: list[np.ndarray], second: list[np.ndarray]) -> FramePairs:
    return FramePairs(frames_of(first), frames_of(second))


def frames_of(planes: list[np.ndarray]) -> Frames:
    images = np.repeat(np.stack(planes)[..., None], 3, axis=-1)
    return Frames(images, np.arange(len(planes), dtype=np.float64))


def field(height: int = 20, width: int = 30, time: int = 2, reach: float = 18.0) -> np.ndarray:
    return np.random.default_rng(0).uniform(-reach, reach, (time, height, width, 2)).astype(np.float32)


def test_the_picture_of_a_known_shift() -> None:
    flow = compute_flow(shifted_pair(3, -2), CONFIG)
    image = flow_image(flow, WHOLE, 64, CONFIG, *AS_IT_IS)
    middle = image[0, :, 12:-12, 12:-12]
    half_a_pixel = 0.5 / 40
    assert (middle[0] - (3 + 20) / 40).abs().max() < half_a_pixel
    assert (middle[1] - (-2 + 20) / 40).abs().max() < half_a_pixel
    assert middle[0].mean().item() == pytest.approx(23 / 40, abs=0.1 / 40)
    assert middle[1].mean().item() == pytest.approx(18 / 40, abs=0.1 / 40)
    assert (image[:, 2] == 0.5).all()


def test_the_stored_picture_of_a_known_shift() -> None:
    codes = encode_flow(compute_flow(shifted_pair(3, -2), CONFIG), 20.0)
    assert np.median(codes[..., 0]) == 128 + round(3 / 20 * 127)
    assert np.median(codes[..., 1]) == 128 - round(2 / 20 * 127)


def test_a_still_picture_does_not_move() -> None:
    assert (encode_flow(compute_flow(shifted_pair(0, 0), CONFIG), 20.0) == 128).all()


@pytest.mark.parametrize(("side", "shift", "expected"), [(128, (6, -4), (3, -2)), (32, (2, -1), (4, -2))])
def test_displacements_are_in_pixels_of_the_working_size(
    side: int, shift: tuple[int, int], expected: tuple[int, int]
) -> None:
    pair = shifted_pair(*shift, height=side, width=side, blur=side / 32)
    flow = compute_flow(pair, CONFIG)
    assert flow.shape == (1, 64, 64, 2)
    assert np.median(flow[..., 0]) == pytest.approx(expected[0], abs=0.15)
    assert np.median(flow[..., 1]) == pytest.approx(expected[1], abs=0.15)


@pytest.mark.parametrize(
    ("size", "working"), [((360, 480), (256, 341)), ((480, 360), (341, 256)), ((256, 256), (256, 256))]
)
def test_working_size(size: tuple[int, int], working: tuple[int, int]) -> None:
    assert working_size(*size, 256) == working


def test_smaller_video_is_enlarged_to_the_working_size() -> None:
    assert working_size(64, 128, 256) == (256, 512)


def test_threads_change_nothing() -> None:
    several = [shifted_pair(right, down) for right, down in ((1, 0), (0, 2), (-3, 1), (2, 2))]
    pairs = pairs_of([p.first.images[0, ..., 0] for p in several], [p.second.images[0, ..., 0] for p in several])
    together = compute_flow(pairs, CONFIG, threads=3)
    assert np.array_equal(together, compute_flow(pairs, CONFIG))
    assert np.array_equal(together[1], compute_flow(several[1], CONFIG)[0])


def test_the_algorithm_has_the_recipes_parameters() -> None:
    pair = shifted_pair(3, -2)
    coarse = FlowConfig(short_side=64, tvl1=TVL1Config(num_scales=1, num_warps=1, inner_iterations=1))
    assert not np.array_equal(compute_flow(pair, coarse), compute_flow(pair, CONFIG))


class TestEngineAndMethod:
    def test_torch_gives_the_same_pictures(self) -> None:
        """At most one code of the stored picture apart, and almost nowhere."""
        pair = shifted_pair(3, -2)
        codes = [
            encode_flow(compute_flow(pair, FlowConfig(short_side=64, engine=engine)), 20.0).astype(int)  # type: ignore[arg-type]
            for engine in ("numba", "torch")
        ]
        apart = np.abs(codes[0] - codes[1])
        assert (apart <= 1).mean() > 0.999
        assert (apart == 0).mean() > 0.98
        assert np.median(codes[1][..., 0]) == 128 + round(3 / 20 * 127)

    def test_torch_reads_the_recipes_parameters(self) -> None:
        pair = shifted_pair(3, -2)
        few = TVL1Config(num_scales=1, num_warps=1, inner_iterations=2, outer_iterations=1)
        numba, torch_ = (
            compute_flow(pair, FlowConfig(short_side=64, engine=engine, tvl1=few))  # type: ignore[arg-type]
            for engine in ("numba", "torch")
        )
        assert np.abs(numba - torch_).max() < 1e-3
        assert not np.array_equal(numba, compute_flow(pair, CONFIG))

    def test_dis_finds_the_shift(self) -> None:
        pytest.importorskip("cv2")
        flow = compute_flow(shifted_pair(3, -2), FlowConfig(short_side=64, method="dis"), threads=2)
        assert flow.shape == (1, 64, 64, 2)
        assert np.median(flow[..., 0]) == pytest.approx(3, abs=0.2)
        assert np.median(flow[..., 1]) == pytest.approx(-2, abs=0.2)
        assert not np.array_equal(flow, compute_flow(shifted_pair(3, -2), CONFIG))

    def test_dis_without_opencv_is_refused_in_one_line(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "cv2", None)
        with pytest.raises(RecipeError, match=r"flow\.method: dis needs OpenCV.*pip install 'openmov\[dis\]'"):
            compute_flow(shifted_pair(3, -2), FlowConfig(short_side=64, method="dis"))
        compute_flow(shifted_pair(3, -2), CONFIG)


def test_flow_of_the_mirrored_video_is_the_mirrored_flow_with_its_horizontal_part_negated() -> None:
    pair = shifted_pair(3, -2)
    mirrored = pairs_of([pair.first.images[0, :, ::-1, 0]], [pair.second.images[0, :, ::-1, 0]])
    of_mirrored = flow_image(compute_flow(mirrored, CONFIG), WHOLE, 64, CONFIG, *AS_IT_IS)
    mirrored_flow = flow_image(compute_flow(pair, CONFIG), MIRRORED, 64, CONFIG, *AS_IT_IS)
    difference = (of_mirrored - mirrored_flow)[..., 12:-12, 12:-12].abs()
    assert difference.max() < 0.5 / 40  # TV-L1 goes over the picture from the left: not equal to the last bit
    unphysical = flow_image(
        compute_flow(pair, CONFIG), MIRRORED, 64, FlowConfig(short_side=64, flip="image"), *AS_IT_IS
    )
    assert (of_mirrored - unphysical)[:, 0, 12:-12, 12:-12].mean().item() == pytest.approx(-6 / 40, abs=0.5 / 40)


def test_zero_and_the_clamp_are_exact_in_the_code() -> None:
    flow = np.array([0, -0.0, 20, -20, 35, -1e9], np.float32).reshape(1, 1, 3, 2)
    codes = encode_flow(flow, 20.0)
    assert codes.ravel().tolist() == [128, 128, 255, 1, 255, 1]
    assert decode_flow(codes, 20.0).ravel().tolist() == [0, 0, 20, -20, 20, -20]


@pytest.mark.parametrize("limit", [5.0, 20.0])
def test_the_code_is_within_half_a_step(limit: float) -> None:
    flow = np.linspace(-limit, limit, 4000, dtype=np.float32).reshape(1, 40, 50, 2)
    error = np.abs(decode_flow(encode_flow(flow, limit), limit) - flow).max()
    assert 0.49 * limit / 127 < error <= 0.5001 * limit / 127


def test_every_code_comes_back() -> None:
    codes = np.arange(1, 256, dtype=np.uint8)[:254].reshape(1, 1, 127, 2)
    assert np.array_equal(encode_flow(decode_flow(codes, 5.0), 5.0), codes)


def test_the_code_keeps_left_and_right_apart_evenly() -> None:
    flow = field()
    assert np.array_equal(256 - encode_flow(flow, 20.0).astype(int), encode_flow(-flow, 20.0))


def test_the_third_channel_is_127_5_of_255_and_zero_displacement_the_same() -> None:
    image = flow_image(np.zeros((2, 8, 8, 2), np.float32), WHOLE, 8, CONFIG, *AS_IT_IS)
    assert (image == 127.5 / 255).all()
    assert (flow_image(field(), WHOLE, 8, CONFIG, *AS_IT_IS)[:, 2] == 127.5 / 255).all()


def test_the_clamp_is_0_and_255_even_where_bicubic_overshoots() -> None:
    edge = np.full((1, 16, 16, 2), -50, np.float32)
    edge[:, :, 8:] = 50
    image = flow_image(edge, WHOLE, 40, CONFIG, *AS_IT_IS)
    assert image[:, :2].min() == 0
    assert image[:, :2].max() == 1


def test_the_clamp_follows_the_recipe() -> None:
    five = FlowConfig(max_displacement_px=5.0)
    image = flow_image(np.full((1, 4, 4, 2), 2.5, np.float32), WHOLE, 4, five, *AS_IT_IS)
    assert image[0, :, 0, 0].tolist() == [0.75, 0.75, 0.5]


def test_a_stray_outlier_is_clamped_before_it_is_spread() -> None:
    outlier = np.zeros((1, 16, 16, 2), np.float32)
    outlier[0, 8, 8] = 1e6
    clamped = np.clip(outlier, -20, 20)
    images = [flow_image(flow, WHOLE, 8, CONFIG, *AS_IT_IS) for flow in (outlier, clamped)]
    assert torch.equal(*images)


def test_resizing_does_not_rescale_displacements() -> None:
    constant = np.broadcast_to(np.float32([4, -8]), (1, 20, 30, 2)).copy()
    image = flow_image(constant, Crop(0.1, 0.1, 0.5, 0.5, False), 64, CONFIG, *AS_IT_IS)
    assert image[0, 0].unique().numpy() == pytest.approx(0.6, abs=1e-6)
    assert image[0, 1].unique().numpy() == pytest.approx(0.3, abs=1e-6)


def test_the_backbones_statistics_come_last() -> None:
    image = flow_image(np.zeros((1, 4, 4, 2), np.float32), WHOLE, 4, CONFIG, (0.5, 0.25, 0.0), (1.0, 0.5, 0.25))
    assert image[0, :, 0, 0].tolist() == [0.0, 0.5, 2.0]


@pytest.mark.parametrize(
    ("flip", "sign"), [("physical", lambda x: 1 - x), ("image", lambda x: x)], ids=["physical", "image"]
)
def test_flip(flip: str, sign: Callable[[torch.Tensor], torch.Tensor]) -> None:
    config = FlowConfig(flip=flip)
    there = flow_image(field(), Crop(0.2, 0.1, 0.5, 0.6, False), 12, config, *AS_IT_IS)
    mirrored = flow_image(field(), Crop(0.2, 0.1, 0.5, 0.6, True), 12, config, *AS_IT_IS)
    assert torch.allclose(mirrored[:, 0], sign(there[:, 0].flip(-1)), atol=1e-6)
    assert torch.equal(mirrored[:, 1:], there[:, 1:].flip(-1))


@pytest.mark.parametrize("crop", [Crop(0.25, 0.125, 0.5, 0.75, False), Crop(0.25, 0.125, 0.5, 0.75, True)])
def test_frames_and_flow_get_the_same_crop(crop: Crop) -> None:
    """A picture drawn both as grey frame and as displacement comes out of both at the same place."""
    plane = texture()[:64, :64]
    frames = resize_crop(np.repeat(plane[None, ..., None], 3, axis=-1), crop, 40)
    displacement = (plane.astype(np.float32) / 255 * 40 - 20)[None, ..., None].repeat(2, axis=-1)
    drawn = flow_image(displacement, crop, 40, FlowConfig(flip="image"), *AS_IT_IS)
    assert (frames[:, :2] - drawn[:, :2]).abs().max() <= 1.5 / 255


def test_no_pairs_give_no_flow() -> None:
    nothing = Frames(np.zeros((0, 8, 16, 3), np.uint8), np.zeros(0))
    assert compute_flow(FramePairs(nothing, nothing), CONFIG).shape == (0, 64, 128, 2)


def test_the_key_covers_what_is_stored_and_no_more() -> None:
    stored = flow_parameters(CONFIG)
    assert flow_parameters(FlowConfig(short_side=64, flip="image")) == stored
    assert flow_parameters(FlowConfig(short_side=64, engine="torch")) == stored
    quick = FlowConfig(short_side=64, method="dis")
    assert flow_parameters(quick) != stored
    assert flow_parameters(quick.model_copy(update={"tvl1": TVL1Config(tau=0.2)})) == flow_parameters(quick)
    for other in (
        FlowConfig(short_side=65),
        FlowConfig(short_side=64, max_displacement_px=5.0),
        FlowConfig(short_side=64, min_gap_seconds=0.03),
        FlowConfig(short_side=64, tvl1=TVL1Config(tau=0.2)),
    ):
        assert flow_parameters(other) != stored
