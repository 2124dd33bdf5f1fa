from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from transformers import CLIPModel

from openmov.errors import BackboneError
from openmov.model.backbones import clip_inference
from openmov.model.backbones.clip import CLIPBackbone
from tiny_backbones import make_tiny_clip_folder


def pictures(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("activation", ["quick_gelu", "gelu"])
@pytest.mark.parametrize("size", [(32, 32), (16, 40)])
def test_in_single_precision_it_is_the_same_function(tmp_path: Path, size: tuple[int, int], activation: str) -> None:
    make_tiny_clip_folder(tmp_path)
    model = CLIPModel.from_pretrained(tmp_path)
    model.config.vision_config.hidden_act = activation
    model.save_pretrained(tmp_path)
    backbone, images = CLIPBackbone.load(str(tmp_path)), pictures(5, 3, *size)
    with torch.no_grad():
        expected = backbone.image_encoder()(images)
    prepared = backbone.image_encoder().for_inference(torch.float32)
    torch.testing.assert_close(prepared(images), expected, atol=2e-6, rtol=1e-5)
    assert expected.std() > 0.01


def test_theirs_and_ours_agree_at_the_pretrained_size(tmp_path: Path) -> None:
    """transformers in single precision is the judge: cosines within 0.002 in bfloat16, and far from 1 when wrong."""
    folder = make_tiny_clip_folder(tmp_path, image_size=64, patch_size=16, width=64, heads=4, layers=6)
    images = pictures(4, 3, 64, 64)
    with torch.no_grad():
        expected = CLIPModel.from_pretrained(folder).eval().get_image_features(images).pooler_output
    prepared = CLIPBackbone.load(str(folder)).image_encoder().for_inference(torch.bfloat16)
    found = prepared(images)
    assert found.dtype is torch.float32
    assert F.cosine_similarity(found, expected).min() > 0.998
    assert F.cosine_similarity(found.roll(1, 0), expected).max() < 0.998


def test_pieces_of_any_length_give_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prepared = CLIPBackbone.load(str(make_tiny_clip_folder(tmp_path))).image_encoder().for_inference(torch.float32)
    images = pictures(5, 3, 32, 32)
    together = prepared(images)
    monkeypatch.setattr(clip_inference, "_TOKENS_AT_A_TIME", 2 * 17)
    torch.testing.assert_close(prepared(images), together, atol=1e-6, rtol=1e-5)


def test_it_is_for_answering_alone(tmp_path: Path) -> None:
    prepared = CLIPBackbone.load(str(make_tiny_clip_folder(tmp_path))).image_encoder().for_inference(torch.bfloat16)
    assert not any(weight.requires_grad for weight in prepared.parameters())
    assert not prepared(pictures(1, 3, 32, 32)).requires_grad
    with pytest.raises(BackboneError, match="multiples of 8 pixels, not 30 x 32"):
        prepared(pictures(1, 3, 32, 30))
