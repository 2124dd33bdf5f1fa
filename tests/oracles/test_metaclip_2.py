"""MetaCLIP 2 against Hugging Face's own forward pass, with names in several languages."""

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from transformers import AutoModel, AutoTokenizer

from openmov.config.schema import BackboneConfig
from openmov.errors import BackboneError
from openmov.model.backbones import load_backbone
from openmov.model.backbones.clip import CLIPBackbone
from tiny_backbones import make_tiny_metaclip2_folder

SENTENCES = ["ein video von einem hund", "бег", "猫", "走る犬"]
B16: dict[str, Any] = {
    "image_size": 224, "patch_size": 16, "width": 768, "heads": 12, "layers": 12, "projection_dim": 512,
    "text_width": 512, "text_heads": 8, "text_layers": 12,
}  # fmt: skip


def compare(folder: Path) -> CLIPBackbone:
    backbone, theirs = load_backbone(BackboneConfig(name=str(folder))), AutoModel.from_pretrained(folder).eval()
    assert isinstance(backbone, CLIPBackbone)
    images = torch.randn(2, 3, backbone.image_size, backbone.image_size)
    tokens = AutoTokenizer.from_pretrained(folder)(SENTENCES, padding="max_length", max_length=77, return_tensors="pt")
    pictures, sentences = backbone.image_encoder()(images), backbone.embed_text(SENTENCES)
    for found, expected in (
        (pictures, theirs.get_image_features(images).pooler_output),
        (sentences, theirs.get_text_features(tokens.input_ids, tokens.attention_mask).pooler_output),
    ):
        torch.testing.assert_close(F.normalize(found, dim=-1), F.normalize(expected, dim=-1), atol=1e-5, rtol=1e-5)
        assert found.std() > 0.01
    logits = theirs(tokens.input_ids, images, tokens.attention_mask).logits_per_image
    cosines = F.normalize(pictures, dim=-1) @ F.normalize(sentences, dim=-1).T
    torch.testing.assert_close(
        torch.softmax(cosines / backbone.temperature, dim=-1), logits.softmax(dim=-1), atol=1e-5, rtol=1e-5
    )
    return backbone


@torch.no_grad()
def test_pictures_sentences_and_probabilities(tmp_path: Path) -> None:
    backbone = compare(make_tiny_metaclip2_folder(tmp_path))
    assert (backbone.family, backbone.prompts) == ("MetaCLIP 2", "kinetics700")
    trained = backbone.text_encoder()
    torch.testing.assert_close(trained(SENTENCES), backbone.embed_text(SENTENCES), atol=1e-5, rtol=1e-5)
    with pytest.raises(BackboneError, match="does not know the words '龍'"):
        backbone.embed_text(["龍"])


@pytest.mark.slow
@torch.no_grad()
def test_at_real_size(tmp_path: Path) -> None:
    assert compare(make_tiny_metaclip2_folder(tmp_path, **B16)).num_heads == 8
