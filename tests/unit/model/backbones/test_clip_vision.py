import pytest
import torch
import torch.nn.functional as F

from openmov.errors import BackboneError
from openmov.model.backbones.clip import CLIPBackbone
from openmov.model.backbones.clip_vision import VisionBlock
from openmov.model.backbones.positions import interpolate_positions


def test_positions_of_the_pretrained_grid_are_untouched() -> None:
    positions = torch.randn(1 + 9, 4)
    assert interpolate_positions(positions, (3, 3)) is positions


def test_positions_are_interpolated_bilinearly() -> None:
    """Two pixels 0 and 1 stretched to four with aligned pixel centres are 0, 1/4, 3/4, 1; the class token stays."""
    positions = torch.tensor([[9.0], [0.0], [1.0], [0.0], [1.0]])  # class token, then rows (0, 1), (0, 1)
    stretched = interpolate_positions(positions, (2, 4))
    assert stretched.flatten().tolist() == [9.0, 0.0, 0.25, 0.75, 1.0, 0.0, 0.25, 0.75, 1.0]
    upright = interpolate_positions(positions, (4, 2))
    assert upright.flatten().tolist() == [9.0] + [0.0, 1.0] * 4


@pytest.mark.parametrize("grid", [(8, 50), (10, 58), (4, 12), (1, 1)])
def test_positions_equal_a_plain_bilinear_resize_of_the_square(grid: tuple[int, int]) -> None:
    positions = torch.randn(1 + 14 * 14, 6, generator=torch.Generator().manual_seed(0))
    picture = positions[1:].T.reshape(1, 6, 14, 14)
    expected = F.interpolate(picture, size=grid, mode="bilinear", align_corners=False).reshape(6, -1).T
    found = interpolate_positions(positions, grid)
    assert torch.equal(found[:1], positions[:1])
    torch.testing.assert_close(found[1:], expected)


def test_positions_train_through_the_interpolation() -> None:
    positions = torch.randn(1 + 4, 3, requires_grad=True)
    interpolate_positions(positions, (3, 5)).sum().backward()
    assert positions.grad is not None
    torch.testing.assert_close(positions.grad.sum(), torch.tensor(16.0 * 3))  # bilinear weights sum to 1 per place


def test_pictures_need_not_be_square(backbone: CLIPBackbone) -> None:
    encoder = backbone.image_encoder()
    for height, width in ((8, 8), (16, 40), (32, 32), (64, 192)):
        assert encoder(torch.randn(2, 3, height, width)).shape == (2, 32)


def test_pictures_that_cut_a_patch_are_refused(backbone: CLIPBackbone) -> None:
    with pytest.raises(BackboneError, match="multiples of 8 pixels, not 30 x 32"):
        backbone.image_encoder()(torch.randn(1, 3, 32, 30))


def test_the_last_block_alone_computes_the_class_token(backbone: CLIPBackbone) -> None:
    layer = backbone._model.vision_model.encoder.layers[-1]
    tokens = torch.randn(2, 17, 32)
    everything, one = VisionBlock(layer)(tokens), VisionBlock(layer, class_token_only=True)(tokens)
    assert one.shape == (2, 1, 32)
    torch.testing.assert_close(one, everything[:, :1], atol=1e-6, rtol=1e-5)


def test_layers_are_listed_from_last_to_first_and_leave_out_the_stem(backbone: CLIPBackbone) -> None:
    encoder = backbone.image_encoder()
    names = {id(module): name for name, module in encoder.named_modules()}
    listed = [[names[id(module)] for module in layer] for layer in encoder.layers_from_last()]
    assert listed == [["blocks.2", "post_norm", "projection"], ["blocks.1"], ["blocks.0"]]
    counted = {id(w) for layer in encoder.layers_from_last() for module in layer for w in module.parameters()}
    left = {name for name, weight in encoder.named_parameters() if id(weight) not in counted}
    assert {name.split(".")[0] for name in left} == {"embeddings", "pre_norm"}


def test_a_picture_is_embedded_alike_alone_and_in_a_batch(backbone: CLIPBackbone) -> None:
    encoder, images = backbone.image_encoder(), torch.randn(5, 3, 32, 32)
    with torch.no_grad():
        alone = torch.cat([encoder(image[None]) for image in images])
        torch.testing.assert_close(encoder(images.flip(0)).flip(0), alone, atol=1e-5, rtol=1e-5)
