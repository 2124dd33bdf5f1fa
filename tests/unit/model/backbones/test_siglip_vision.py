import pytest
import torch
import torch.nn.functional as F

from openmov.errors import BackboneError
from openmov.model.backbones import PatchImageEncoder
from openmov.model.backbones.siglip import SigLIPBackbone
from openmov.model.backbones.siglip_vision import SigLIPImageEncoder
from openmov.model.encoders import train_last_layers
from tiny_backbones import make_tiny_siglip_folder


@pytest.fixture(scope="module")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> SigLIPBackbone:
    return SigLIPBackbone.load(str(make_tiny_siglip_folder(tmp_path_factory.mktemp("siglip"))))


def encoder_of(backbone: SigLIPBackbone) -> SigLIPImageEncoder:
    encoder = backbone.image_encoder()
    assert isinstance(encoder, SigLIPImageEncoder)
    return encoder


def pictures(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


@torch.no_grad()
def test_some_patches_alone(backbone: SigLIPBackbone) -> None:
    """Without a class token, patches are a set: their order does not matter, and each of them does."""
    encoder, images = encoder_of(backbone), pictures(2, 3, 32, 32)
    assert isinstance(encoder, PatchImageEncoder)
    assert encoder.num_patches(32, 32) == 16
    every = torch.arange(16).expand(2, -1)
    torch.testing.assert_close(encoder(images, every), encoder(images), atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(encoder(images, every.flip(1)), encoder(images), atol=1e-5, rtol=1e-5)
    top = encoder(images, torch.arange(8).expand(2, -1))
    images[:, :, 16:] = 5.0  # the lower half, which is not looked at
    assert torch.equal(encoder(images, torch.arange(8).expand(2, -1)), top)
    assert not torch.allclose(encoder(images), top, atol=1e-3)


def test_layers_from_the_last(backbone: SigLIPBackbone) -> None:
    encoder = encoder_of(backbone)
    layers = encoder.layers_from_last()
    assert [len(layer) for layer in layers] == [3, 1, 1]
    assert layers[0] == (encoder.blocks[2], encoder.post_norm, encoder.pool)
    train_last_layers(encoder, 1)
    trained = {name for name, weight in encoder.named_parameters() if weight.requires_grad}
    assert {name.split(".")[0] for name in trained} == {"blocks", "post_norm", "pool"}
    assert "pool.probe" in trained
    assert all(weight.requires_grad for weight in encoder_of(backbone).parameters())


def test_frozen_and_trainable_copies_agree_to_the_bit(backbone: SigLIPBackbone) -> None:
    images = pictures(3, 3, 32, 32)
    with torch.no_grad():
        frozen = encoder_of(backbone).requires_grad_(False)(images)
    assert torch.equal(encoder_of(backbone)(images).detach(), frozen)


@pytest.mark.parametrize("size", [(32, 32), (16, 48)])
def test_prepared_for_answering(backbone: SigLIPBackbone, size: tuple[int, int]) -> None:
    images = pictures(5, 3, *size)
    with torch.no_grad():
        expected = encoder_of(backbone)(images)
    prepared = encoder_of(backbone).for_inference(torch.float32)
    torch.testing.assert_close(prepared(images), expected, atol=2e-6, rtol=1e-5)
    low = encoder_of(backbone).for_inference(torch.bfloat16)(images)
    assert low.dtype is torch.float32
    assert F.cosine_similarity(low, expected).min() > 0.998
    assert not any(weight.requires_grad for weight in prepared.parameters())


def test_other_sizes_than_whole_patches_are_refused(backbone: SigLIPBackbone) -> None:
    for encoder in (encoder_of(backbone), encoder_of(backbone).for_inference(torch.float32)):
        with pytest.raises(BackboneError, match="of 32 x 32 pixels, or whose sides are multiples of 8, not 36 x 32"):
            encoder(pictures(1, 3, 32, 36))


def test_it_can_be_traced_for_any_number_of_pictures(backbone: SigLIPBackbone) -> None:
    encoder = encoder_of(backbone).requires_grad_(False)
    program = torch.export.export(encoder, (pictures(2, 3, 32, 32),), dynamic_shapes=({0: torch.export.Dim("rows")},))
    images = pictures(5, 3, 32, 32)
    torch.testing.assert_close(program.module()(images), encoder(images))
