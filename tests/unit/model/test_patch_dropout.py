"""Patch dropout: which patches are kept, and what is left of a picture whose other patches are not looked at."""

from dataclasses import replace

import pytest
import torch
from jaxtyping import Float
from torch import Tensor, nn

from openmov.config.schema import ModelConfig, Recipe
from openmov.errors import RecipeError
from openmov.model import MOV, NetworkParts, build_network
from openmov.model.backbones import ImageEncoder, PatchImageEncoder
from openmov.model.backbones.clip import CLIPBackbone
from openmov.model.backbones.clip_vision import CLIPImageEncoder
from openmov.model.backbones.conse import ConSEImageEncoder
from openmov.model.class_embeddings import embed_classes
from openmov.model.joint import JointModel
from openmov.model.patch_dropout import kept_patches, num_kept
from openmov.types import ClipBatch, Modality
from tiny_batches import make_batch, rows

V, FL, A = Modality.VIDEO, Modality.FLOW, Modality.AUDIO


@pytest.mark.parametrize(
    ("patches", "dropout", "kept"), [(196, 0.5, 98), (16, 0.25, 12), (16, 0.0, 16), (3, 0.99, 1), (10, 0.04, 10)]
)
def test_the_nearest_number_is_kept_and_one_at_least(patches: int, dropout: float, kept: int) -> None:
    assert num_kept(patches, dropout) == kept


def choose(*seeds: int, pictures: int = 2, patches: int = 16, modality: Modality = FL) -> Tensor:
    return kept_patches(patches, seeds=seeds, pictures=pictures, modality=modality, dropout=0.5)


def test_a_clip_keeps_the_same_patches_alone_and_among_others() -> None:
    assert torch.equal(choose(5, 6, 7)[2:4], choose(6))
    assert not torch.equal(choose(5), choose(6))
    assert not torch.equal(choose(5), choose(5, modality=A))
    assert not torch.equal(choose(5)[0], choose(5)[1])


def test_patches_are_rising_and_each_is_kept_half_of_the_time() -> None:
    found = choose(*range(200), pictures=4)
    assert bool((found.diff(dim=1) > 0).all())
    shares = torch.bincount(found.flatten(), minlength=16) / 800
    assert bool(((shares - 0.5).abs() < 0.08).all())  # 4.5 standard deviations


@torch.no_grad()
def test_patches_left_out_change_nothing_and_kept_ones_do(backbone: CLIPBackbone) -> None:
    encoder, images = backbone.image_encoder(), torch.randn(2, 3, 32, 32)
    kept = torch.tensor([[0, 3, 7], [1, 2, 15]])
    expected = encoder(images, kept)
    for patch in range(16):
        poisoned = images.clone()
        top, left = (patch // 4) * 8, (patch % 4) * 8
        poisoned[0, :, top : top + 8, left : left + 8] = 1e6
        found = encoder(poisoned, kept)
        assert torch.equal(found[0], expected[0]) == (patch not in kept[0])
        assert torch.equal(found[1], expected[1])


@torch.no_grad()
def test_all_patches_in_any_order_are_the_whole_picture(backbone: CLIPBackbone) -> None:
    encoder, images = backbone.image_encoder(), torch.randn(2, 3, 16, 40)
    assert encoder.num_patches(16, 40) == 10
    order = torch.stack([torch.randperm(10), torch.arange(10)])
    torch.testing.assert_close(encoder(images, order), encoder(images), atol=1e-5, rtol=1e-5)


def make(backbone: CLIPBackbone, dropout: float) -> MOV:
    torch.manual_seed(0)
    return MOV(backbone, ModelConfig(modalities=("video", "flow", "audio"), patch_dropout=dropout))


def training_batch() -> ClipBatch:
    return replace(make_batch(*Modality, absent={FL: [1], A: [0]}), seeds=(11, 12, 13))


@torch.no_grad()
def test_in_training_extras_lose_patches_and_the_video_and_answers_do_not(backbone: CLIPBackbone) -> None:
    whole, part, batch = make(backbone, 0.0).train(), make(backbone, 0.5).train(), training_batch()
    expected, found = whole.encode(batch), part.encode(batch)
    assert torch.equal(found[V], expected[V])
    for extra, row in ((FL, 0), (FL, 2), (A, 1), (A, 2)):
        assert not torch.allclose(found[extra][row], expected[extra][row], atol=1e-3)
    assert torch.equal(part.eval().encode(batch)[FL], expected[FL])


@torch.no_grad()
def test_a_clip_is_embedded_alike_in_any_batch(backbone: CLIPBackbone) -> None:
    model, batch = make(backbone, 0.5).train(), training_batch()
    alone = replace(rows(batch, 2), seeds=batch.seeds[2:])
    for modality, frames in model.encode(batch).items():
        torch.testing.assert_close(model.encode(alone)[modality][0], frames[2], atol=1e-5, rtol=1e-5)
    other = replace(alone, seeds=(99,))
    assert not torch.allclose(model.encode(other)[FL], model.encode(alone)[FL], atol=1e-3)


@torch.no_grad()
@pytest.mark.parametrize("method", ["finetune_video", "vificlip"])
def test_a_videos_encoder_that_trains_loses_patches_too(backbone: CLIPBackbone, method: str) -> None:
    def encoded(dropout: float, training: bool) -> Tensor:
        fields = {
            "model": {"method": method, "modalities": ["video"], "patch_dropout": dropout},
            "video": {"num_frames": 2, "crop_size": 32, "short_side": 32},
        }
        parts = NetworkParts(
            backbone, Recipe.model_validate(fields), lambda names: embed_classes(backbone, names.names, [])
        )
        network = build_network(parts).train(training)
        assert isinstance(network, JointModel)
        return network.encode(training_batch())[V]

    whole, part = encoded(0.0, training=True), encoded(0.5, training=True)
    for row in training_batch().present[V].nonzero().flatten().tolist():
        assert not torch.allclose(part[row], whole[row], atol=1e-3)
    assert torch.equal(encoded(0.5, training=False), encoded(0.0, training=False))
    assert torch.equal(encoded(0.5, training=True), part)


def test_a_training_batch_without_seeds_is_caught(backbone: CLIPBackbone) -> None:
    with pytest.raises(ValueError, match="seeds"):
        make(backbone, 0.5).train()(make_batch(*Modality))


class Patchless(ImageEncoder):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(3))

    def forward(self, images: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch 3"]:
        return images.mean(dim=(2, 3)) * self.weight


def test_a_backbone_without_patches_is_refused(backbone: CLIPBackbone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backbone, "image_encoder", Patchless)
    make(backbone, 0.0)
    with pytest.raises(RecipeError, match=r"patch_dropout: is 0.5, but the encoders of .* have no patches") as caught:
        make(backbone, 0.5)
    assert "\n" not in str(caught.value)


def test_clip_has_patches_and_conse_has_none() -> None:
    assert issubclass(CLIPImageEncoder, PatchImageEncoder)
    assert not issubclass(ConSEImageEncoder, PatchImageEncoder)
