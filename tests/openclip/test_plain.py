"""What CLIP's own code makes of open_clip's plain models, beside open_clip itself: networks, words and pictures."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from jaxtyping import UInt8
from open_clip.tokenizer import SimpleTokenizer
from PIL import Image
from torch.nn.functional import normalize
from transformers import AutoTokenizer

from open_clip_reference import PlainCLIP
from openmov.config.schema import BackboneConfig
from openmov.media.sampling import evaluation_crops
from openmov.media.scaling import cut_out
from openmov.model.backbones import Backbone, load_backbone
from openmov.model.backbones.clip_tokenizer import load_clip_tokenizer
from openmov.text.label_sets import LABEL_SETS, load_label_set
from openmov.text.prompts import bundled_prompts, fill, load_prompts
from tiny_backbones import make_tiny_open_clip_folder

B32: dict[str, Any] = {
    "image_size": 224, "patch_size": 32, "width": 768, "layers": 12, "text_layers": 12, "embed_dim": 512,
    "words": "openai", "context_length": 77,
}  # fmt: skip
UNUSUAL = (
    "crème brûlée",
    "cre\u0301me",
    "犬と猫",
    "dancing 💃",
    "👩‍👩‍👧‍👦",
    "☕️",
    "O'Brien's",
    "C++/C#",
    "½ cup",
    "дом",
)


def both(folder: Path) -> tuple[Backbone, Any]:
    model = open_clip.create_model(f"local-dir:{folder}", pretrained_text=False).eval()
    return load_backbone(BackboneConfig(name=str(folder))), model


@pytest.mark.parametrize("quick_gelu", [True, False, None])
@torch.no_grad()
def test_the_reference_of_the_other_tests_is_open_clips_network(tmp_path: Path, quick_gelu: bool | None) -> None:
    folder = make_tiny_open_clip_folder(tmp_path, quick_gelu=quick_gelu)
    _, model = both(folder)
    reference = PlainCLIP(json.loads((folder / "open_clip_config.json").read_text())["model_cfg"]).eval()
    assert reference.load_state_dict(model.state_dict(), strict=True)
    images, ids = torch.randn(2, 3, 32, 32), torch.tensor([[1, 5, 9, 30, 0, 0], [1, 7, 30, 0, 0, 0]])
    torch.testing.assert_close(reference.encode_image(images), model.encode_image(images), atol=1e-5, rtol=1e-5)
    whole = torch.nn.functional.pad(ids, (0, 26))
    torch.testing.assert_close(reference.encode_text(whole), model.encode_text(whole), atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_metaclip_2_as_open_clip_has_it(tmp_path: Path) -> None:
    """A sentence is read at </s>, whose id is 2, and not at the highest id."""
    backbone, model = both(make_tiny_open_clip_folder(tmp_path, words="many languages"))
    sentences = ["ein Hund", "бег", "猫"]
    ids = AutoTokenizer.from_pretrained(tmp_path)(
        sentences, padding="max_length", max_length=32, return_tensors="pt"
    ).input_ids
    torch.testing.assert_close(backbone.embed_text(sentences), model.encode_text(ids), atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_at_the_size_of_b_32(tmp_path: Path) -> None:
    backbone, model = both(make_tiny_open_clip_folder(tmp_path, **B32))
    images, sentences = torch.randn(2, 3, 224, 224), ["a photo of a cat", "playing the violin"]
    found, expected = normalize(backbone.image_encoder()(images), dim=-1), model.encode_image(images, normalize=True)
    words = model.encode_text(open_clip.get_tokenizer("ViT-B-32")(sentences), normalize=True)
    text = normalize(backbone.embed_text(sentences), dim=-1)
    print(f"B/32: pictures {(found - expected).abs().max():.1e}, words {(text - words).abs().max():.1e}")
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(text, words, atol=1e-5, rtol=1e-5)
    logits = model.logit_scale.exp() * expected @ words.T
    ours = torch.softmax(found @ text.T / backbone.temperature, dim=-1)
    torch.testing.assert_close(ours, logits.softmax(dim=-1), atol=1e-5, rtol=1e-5)


def test_every_name_and_template_has_open_clips_ids(tmp_path: Path) -> None:
    """ftfy, which open_clip repairs text with, changes none of the names and templates that ship."""
    theirs, ours = SimpleTokenizer(), load_clip_tokenizer("it", tmp_path)
    names = [name for vocabulary in LABEL_SETS for name in load_label_set(vocabulary).readable]
    templated = [text for prompts in bundled_prompts() for text in fill(load_prompts(prompts), names[0])]
    sentences = [*names, *templated, *UNUSUAL]
    for sentence, found in zip(sentences, ours(sentences).input_ids, strict=True):
        assert found == [theirs.sot_token_id, *theirs.encode(sentence), theirs.eot_token_id], sentence


@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
@pytest.mark.parametrize("resize_mode", ["squash", "longest"])
@pytest.mark.parametrize(("width", "height"), [(96, 48), (48, 96)])
def test_a_whole_picture_becomes_open_clips_input(
    interpolation: Any, resize_mode: Any, width: int, height: int
) -> None:
    random = np.random.default_rng(0)
    image: UInt8[np.ndarray, "height width 3"] = random.integers(0, 256, (height, width, 3), dtype=np.uint8)
    transform = open_clip.image_transform(
        32, False, mean=(0, 0, 0), std=(1, 1, 1), interpolation=interpolation, resize_mode=resize_mode
    )
    expected = (transform(Image.fromarray(image)) * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
    (crop,) = evaluation_crops(1, width, height, resize=resize_mode)
    assert np.array_equal(cut_out(image, crop, 32, interpolation), expected)
