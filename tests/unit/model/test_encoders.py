import pytest
import torch
from jaxtyping import Float
from torch import Tensor, nn

from openmov.errors import RecipeError
from openmov.model.backbones import ImageEncoder
from openmov.model.backbones.clip import CLIPBackbone
from openmov.model.encoders import (
    FrameEncoder,
    FrozenFrameEncoder,
    SpectrogramEncoder,
    pad_to_multiple,
    train_last_layers,
)


class ChannelMeans(ImageEncoder):
    """A backbone without patches: the mean of every channel; counts its calls and what they held."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(3))
        self.sizes: list[int] = []

    def layers_from_last(self) -> tuple[tuple[nn.Module, ...], ...]:
        return ((self,),)

    def forward(self, images: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch 3"]:
        self.sizes.append(len(images))
        return images.mean(dim=(2, 3)) * self.weight


FRAMES = torch.arange(2 * 5 * 3.0).reshape(2, 5, 3, 1, 1).expand(2, 5, 3, 4, 4)


def test_frames_keep_their_place() -> None:
    assert torch.equal(FrameEncoder(ChannelMeans(), 3)(FRAMES), FRAMES[..., 0, 0])


def test_without_gradient_frames_go_through_in_chunks() -> None:
    encoder = FrameEncoder(ChannelMeans(), 3, chunk=4)
    with torch.inference_mode():
        assert torch.equal(encoder(FRAMES), FRAMES[..., 0, 0])
    assert encoder.encoder.sizes == [4, 4, 2]
    encoder(FRAMES)
    assert encoder.encoder.sizes[3:] == [10]


def test_no_rows_give_no_rows_and_ask_no_encoder() -> None:
    encoder = FrameEncoder(ChannelMeans(), 3)
    assert encoder(FRAMES[:0]).shape == (0, 5, 3)
    assert encoder.encoder.sizes == []


def test_a_frozen_encoder_cannot_be_put_to_train() -> None:
    frozen, free = FrozenFrameEncoder(ChannelMeans(), 3), FrameEncoder(ChannelMeans(), 3)
    outer = nn.ModuleList([frozen, free]).train()
    assert not any(module.training for module in frozen.modules())
    assert all(module.training for module in free.modules())
    assert outer.training
    assert not any(weight.requires_grad for weight in frozen.parameters())
    assert not frozen(FRAMES.clone().requires_grad_()).requires_grad
    assert free(FRAMES).requires_grad


@pytest.mark.parametrize(
    ("shape", "size", "expected"),
    [((128, 800), 14, (140, 812)), ((128, 800), 16, (128, 800)), ((1, 1), 8, (8, 8)), ((64, 192), 1, (64, 192))],
)
def test_padding_reaches_the_next_multiple(shape: tuple[int, int], size: int, expected: tuple[int, int]) -> None:
    padded = pad_to_multiple(torch.ones(1, 3, *shape), size)
    assert padded.shape == (1, 3, *expected)
    assert torch.equal(padded[..., : shape[0], : shape[1]], torch.ones(1, 3, *shape))
    assert padded.sum() == 3 * shape[0] * shape[1]


def test_a_spectrogram_is_one_token() -> None:
    encoder = SpectrogramEncoder(ChannelMeans(), 3, patch_size=4)
    found = encoder(torch.ones(2, 3, 6, 10))  # padded to 8 x 12: the mean falls to 60 / 96
    torch.testing.assert_close(found, torch.full((2, 1, 3), 60 / 96))


STEM = {"embeddings", "pre_norm"}
LAST = {"blocks.2", "post_norm", "projection"}


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (1, LAST),
        (2, LAST | {"blocks.1"}),
        (3, LAST | {"blocks.1", "blocks.0"}),
        ("all", LAST | {"blocks.1", "blocks.0"} | STEM),
    ],
)
def test_the_last_layers_train_and_no_others(backbone: CLIPBackbone, count: int | str, expected: set[str]) -> None:
    encoder = backbone.image_encoder()
    train_last_layers(encoder, count)  # type: ignore[arg-type]
    for name, weight in encoder.named_parameters():
        owner = ".".join(name.split(".")[: 2 if name.startswith("blocks") else 1])
        assert weight.requires_grad == (owner in expected), name


@pytest.mark.parametrize("count", [1, 3, 6, 9])
def test_table_six_of_a_twelve_layer_encoder(count: int) -> None:
    class Twelve(ImageEncoder):
        def __init__(self) -> None:
            super().__init__()
            self.stem = nn.Linear(2, 2)
            self.blocks = nn.ModuleList(nn.Linear(2, 2) for _ in range(12))

        def layers_from_last(self) -> tuple[tuple[nn.Module, ...], ...]:
            return tuple((block,) for block in reversed(self.blocks))

    encoder = Twelve()
    train_last_layers(encoder, count)
    trains = [block.weight.requires_grad and block.bias.requires_grad for block in encoder.blocks]
    assert trains == [False] * (12 - count) + [True] * count
    assert not encoder.stem.weight.requires_grad


def test_more_layers_than_there_are_is_refused(backbone: CLIPBackbone) -> None:
    with pytest.raises(RecipeError, match="trainable_layers: is 4, but the backbone has 3 layers"):
        train_last_layers(backbone.image_encoder(), 4)
