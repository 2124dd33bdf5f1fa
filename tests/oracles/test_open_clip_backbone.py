"""open_clip's plain models, read by CLIP's own code, against the network open_clip makes of the same file."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from open_clip_reference import PlainCLIP
from openmov.config.schema import BackboneConfig
from openmov.errors import BackboneError
from openmov.model.backbones import Backbone, load_backbone
from openmov.model.backbones.base import TrainableText
from openmov.model.backbones.clip import CLIPBackbone
from tiny_backbones import make_tiny_open_clip_folder, xlm_tokenizer

B32: dict[str, Any] = {
    "image_size": 224, "patch_size": 32, "width": 768, "layers": 12, "text_layers": 2, "embed_dim": 512,
}  # fmt: skip


def load(folder: Path) -> CLIPBackbone:
    backbone = load_backbone(BackboneConfig(name=str(folder)))
    assert isinstance(backbone, CLIPBackbone)
    return backbone


def theirs_of(folder: Path) -> PlainCLIP:
    network = PlainCLIP(json.loads((folder / "open_clip_config.json").read_text())["model_cfg"])
    network.load_state_dict(load_file(folder / "open_clip_model.safetensors"))
    return network.eval()


@pytest.mark.parametrize("quick_gelu", [True, False, None])
@torch.no_grad()
def test_pictures_and_sentences(tmp_path: Path, quick_gelu: bool | None) -> None:
    """Without a word of quick_gelu it is the exact GELU, as in LAION's; OpenAI's and DFN's configs name it."""
    backbone, theirs = load(make_tiny_open_clip_folder(tmp_path, quick_gelu=quick_gelu)), theirs_of(tmp_path)
    images = torch.randn(3, 3, 32, 32)
    found = backbone.image_encoder()(images)
    torch.testing.assert_close(found, theirs.encode_image(images), atol=1e-5, rtol=1e-5)
    prepared = backbone.image_encoder().for_inference(torch.float32)
    torch.testing.assert_close(prepared(images), theirs.encode_image(images), atol=1e-5, rtol=1e-5)
    sentences = ["a photo of a star", "moon"]
    tokens = json.loads((tmp_path / "tokenizer.json").read_text())["model"]["vocab"]
    ids = torch.zeros(2, 32, dtype=torch.int64)
    for row, sentence in zip(ids, sentences, strict=True):
        words = [tokens["<start>"], *(tokens[word] for word in sentence.split()), tokens["<end>"]]
        row[: len(words)] = torch.tensor(words)
    torch.testing.assert_close(backbone.embed_text(sentences), theirs.encode_text(ids), atol=1e-5, rtol=1e-5)
    assert backbone.temperature == pytest.approx(float(theirs.logit_scale.exp().reciprocal()))
    assert found.std() > 0.01


@torch.no_grad()
def test_the_other_activation_is_another_function(tmp_path: Path) -> None:
    one = load(make_tiny_open_clip_folder(tmp_path / "1", quick_gelu=True))
    two = load(make_tiny_open_clip_folder(tmp_path / "2", quick_gelu=False))
    images = torch.randn(3, 3, 32, 32)
    assert not torch.allclose(one.image_encoder()(images), two.image_encoder()(images), atol=1e-3)
    assert one.identity != two.identity


@torch.no_grad()
def test_without_tokenizer_files_the_words_are_openais(tmp_path: Path) -> None:
    backbone, theirs = load(make_tiny_open_clip_folder(tmp_path, words="openai")), theirs_of(tmp_path)
    ids = torch.zeros(1, 32, dtype=torch.int64)
    ids[0, :7] = torch.tensor(
        [49406, 320, 1125, 539, 320, 2368, 49407]
    )  # as CLIP's README shows for "a photo of a cat"
    torch.testing.assert_close(backbone.embed_text(["a photo of a cat"]), theirs.encode_text(ids), atol=1e-5, rtol=1e-5)
    with pytest.raises(BackboneError, match="is 36 tokens long, 32 at most fit"):
        backbone.embed_text(["cat " * 34])


@torch.no_grad()
def test_names_in_many_languages(tmp_path: Path) -> None:
    """open_clip's MetaCLIP 2 reads a sentence at </s>, which is not the highest id."""
    backbone, theirs = load(make_tiny_open_clip_folder(tmp_path, words="many languages")), theirs_of(tmp_path)
    sentences = ["ein Hund", "бег", "猫"]
    rows = xlm_tokenizer()(sentences, padding="max_length", max_length=32, return_tensors="pt").input_ids
    torch.testing.assert_close(backbone.embed_text(sentences), theirs.encode_text(rows), atol=1e-5, rtol=1e-5)
    assert backbone.family == "MetaCLIP 2"
    (tmp_path / "tokenizer.json").unlink()
    with pytest.raises(BackboneError, match="holds no tokenizer, and its words are those of facebook/xlm-v-base"):
        load(tmp_path)


@torch.no_grad()
def test_half_precision_and_the_prefix_of_a_custom_text_tower(tmp_path: Path) -> None:
    whole = load(make_tiny_open_clip_folder(tmp_path)).embed_text(["moon"])
    state = {key: x.clone() for key, x in load_file(tmp_path / "open_clip_model.safetensors").items()}
    renamed = {key if key.startswith(("visual.", "logit")) else f"text.{key}": x.half() for key, x in state.items()}
    save_file({**renamed, "text.attn_mask": torch.zeros(2, 2)}, tmp_path / "open_clip_model.safetensors")
    half = load(tmp_path)
    torch.testing.assert_close(half.embed_text(["moon"]), whole, atol=1e-2, rtol=1e-2)
    assert half.embed_text(["moon"]).dtype is torch.float32


def test_it_offers_what_clip_offers(tmp_path: Path) -> None:
    backbone = load(make_tiny_open_clip_folder(tmp_path, preprocess={"resize_mode": "squash"}))
    assert isinstance(backbone, Backbone)
    assert isinstance(backbone, TrainableText)
    assert (backbone.family, backbone.tau_v, backbone.tau_x, backbone.mean) == ("CLIP", 0.003, 0.01, (0.5, 0.4, 0.3))
    assert backbone.text_encoder()(["a moon"]).requires_grad


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state.pop("visual.proj"), "its weights are incomplete"),
        (lambda state: state.update({"visual.proj": torch.zeros(32, 8)}), "its weights do not fit its config"),
        (lambda state: state.update({"visual.attn_pool.probe": torch.zeros(3)}), "holds visual.attn_pool.probe, which"),
        (lambda state: [state.pop(key) for key in list(state) if not key.startswith("visual.")], "are incomplete"),
    ],
)
def test_weights_of_another_model(tmp_path: Path, change: Any, message: str) -> None:
    make_tiny_open_clip_folder(tmp_path)
    state = load_file(tmp_path / "open_clip_model.safetensors")
    change(state)
    save_file(state, tmp_path / "open_clip_model.safetensors")
    with pytest.raises(BackboneError, match=message):
        load(tmp_path)


@pytest.mark.slow
@torch.no_grad()
def test_at_real_size(tmp_path: Path) -> None:
    make_tiny_open_clip_folder(tmp_path, **B32)
    backbone, theirs = load(tmp_path), theirs_of(tmp_path)
    images = torch.randn(2, 3, 224, 224)
    found, expected = backbone.image_encoder()(images), theirs.encode_image(images)
    both = (torch.nn.functional.normalize(x, dim=-1) for x in (found, expected))
    torch.testing.assert_close(*both, atol=1e-5, rtol=1e-5)
