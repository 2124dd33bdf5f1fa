"""The CLIP adapter against Hugging Face's own forward pass, at the geometry of released models."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import AutoTokenizer, CLIPModel

from openmov.config.schema import ModelConfig
from openmov.model import build_model
from openmov.model.backbones.clip import CLIPBackbone
from openmov.types import Modality
from tiny_backbones import make_tiny_clip_folder
from tiny_batches import make_batch

THIN: dict[str, Any] = {"width": 32, "heads": 2, "layers": 2, "projection_dim": 32}
B16: dict[str, Any] = {
    "image_size": 224, "patch_size": 16, "width": 768, "heads": 12, "layers": 12, "projection_dim": 512,
    "text_heads": 8, "text_layers": 12, "max_positions": 77,
}  # fmt: skip
L14: dict[str, Any] = {
    "image_size": 224, "patch_size": 14, "width": 1024, "heads": 16, "layers": 24, "projection_dim": 768,
    "text_heads": 12, "text_layers": 12, "max_positions": 77,
}  # fmt: skip


@pytest.fixture(params=[(32, 8), (224, 16), (224, 14)], ids=["tiny", "B/16", "L/14"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    image_size, patch_size = request.param
    return make_tiny_clip_folder(tmp_path, image_size=image_size, patch_size=patch_size, **THIN)


@torch.no_grad()
def test_pictures_of_the_pretrained_size(folder: Path) -> None:
    backbone, theirs = CLIPBackbone.load(str(folder)), CLIPModel.from_pretrained(folder).eval()
    images = torch.randn(3, 3, backbone.image_size, backbone.image_size)
    found = backbone.image_encoder()(images)
    torch.testing.assert_close(found, theirs.get_image_features(images).pooler_output, atol=1e-5, rtol=1e-5)
    by_hand = theirs.visual_projection(theirs.vision_model(images).pooler_output)
    torch.testing.assert_close(found, by_hand, atol=1e-5, rtol=1e-5)
    assert found.std() > 0.01


@torch.no_grad()
def test_a_spectrogram_with_their_positions_made_bilinear(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    backbone, theirs = CLIPBackbone.load(str(folder)), CLIPModel.from_pretrained(folder).eval()
    patch = backbone.patch_size
    images = torch.randn(2, 3, 8 * patch, 50 * patch)
    found = backbone.image_encoder()(images)
    bicubic = theirs.get_image_features(images, interpolate_pos_encoding=True).pooler_output
    monkeypatch.setattr(F, "interpolate", _bilinear_for_bicubic(F.interpolate))
    expected = theirs.get_image_features(images, interpolate_pos_encoding=True).pooler_output
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    assert not torch.allclose(found, bicubic, atol=1e-5)


def _bilinear_for_bicubic(interpolate: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def changed(*args: Any, **options: Any) -> Tensor:
        assert options["mode"] == "bicubic"
        return interpolate(*args, **options | {"mode": "bilinear"})

    return changed


@torch.no_grad()
def test_sentences(folder: Path) -> None:
    backbone, theirs = CLIPBackbone.load(str(folder)), CLIPModel.from_pretrained(folder).eval()
    sentences = ["a photo of a star", "moon", "the person moving up"]
    tokens = AutoTokenizer.from_pretrained(folder)(sentences, padding=True, return_tensors="pt")
    expected = theirs.get_text_features(tokens["input_ids"], tokens["attention_mask"]).pooler_output
    torch.testing.assert_close(backbone.embed_text(sentences), expected, atol=1e-5, rtol=1e-5)


def _everything_through(folder: Path, shape: tuple[int, int], frames: int) -> None:
    backbone = CLIPBackbone.load(str(folder))
    model = build_model(backbone, ModelConfig(modalities=("video", "flow", "audio"), trainable_layers=1)).eval()
    batch = make_batch(*Modality, size=1, num_frames=frames, image_size=backbone.image_size, spectrogram=shape)
    theirs = CLIPModel.from_pretrained(folder).eval()
    with torch.inference_mode():
        found = model(batch)
        expected = theirs.get_image_features(batch.inputs[Modality.VIDEO][0, 0]).pooler_output.mean(dim=0)
    assert {m: x.shape for m, x in found.fused.items()} == dict.fromkeys(Modality, (1, backbone.dim))
    assert all(bool(x.isfinite().all()) for x in found.fused.values())
    torch.testing.assert_close(found.fused[Modality.VIDEO][0], expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(("patch_size", "dim"), [(16, 64), (14, 96)], ids=["B/16", "L/14"])
def test_video_flow_and_paper_sized_sound_through_thin_models(tmp_path: Path, patch_size: int, dim: int) -> None:
    thin = THIN | {"projection_dim": dim, "text_heads": dim // 8}
    make_tiny_clip_folder(tmp_path, image_size=224, patch_size=patch_size, **thin)
    _everything_through(tmp_path, (128, 800), frames=3)


@pytest.mark.slow
@pytest.mark.parametrize(("geometry", "dim", "heads"), [(B16, 512, 8), (L14, 768, 12)], ids=["ViT-B/16", "ViT-L/14"])
def test_video_flow_and_paper_sized_sound_through_full_sized_models(
    tmp_path: Path, geometry: dict[str, Any], dim: int, heads: int
) -> None:
    make_tiny_clip_folder(tmp_path, **geometry)
    backbone = CLIPBackbone.load(str(tmp_path))
    assert (backbone.dim, backbone.num_heads) == (dim, heads)
    _everything_through(tmp_path, (128, 800), frames=2)
