"""The SigLIP adapter against Hugging Face's own forward pass: SigLIP, SigLIP 2 at a fixed size, and naflex."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import AutoModel, PreTrainedTokenizerFast

from openmov.config.schema import BackboneConfig, ModelConfig
from openmov.model import build_model
from openmov.model.backbones import load_backbone
from openmov.model.backbones.siglip import SigLIPBackbone
from openmov.types import Modality
from tiny_backbones import SigLIPKind, make_tiny_siglip_folder
from tiny_batches import make_batch

SENTENCES = ["A photo of a star!", "moon", "the  Person, moving up"]
B16: dict[str, Any] = {"image_size": 224, "patch_size": 16, "width": 768, "heads": 12, "layers": 12, "text_layers": 12}
SO400M: dict[str, Any] = {
    "image_size": 384, "patch_size": 14, "width": 1152, "heads": 16, "layers": 27, "text_layers": 2,
}  # fmt: skip


@pytest.fixture(params=get_args(SigLIPKind))
def kind(request: pytest.FixtureRequest) -> SigLIPKind:
    found: SigLIPKind = request.param
    return found


@pytest.fixture
def folder(kind: SigLIPKind, tmp_path: Path) -> Path:
    return make_tiny_siglip_folder(tmp_path, kind=kind)


def theirs_of(folder: Path) -> Any:
    return AutoModel.from_pretrained(folder).eval()


def look(theirs: Any, images: Tensor, **more: Any) -> Tensor:
    """Their embedding of pictures; naflex is given patches, row by row, colours last, and how many rows and columns."""
    if theirs.config.model_type != "siglip2":
        found: Tensor = theirs.get_image_features(images, **more).pooler_output
        return found
    side = theirs.config.vision_config.patch_size
    rows, columns = images.shape[-2] // side, images.shape[-1] // side
    patches = images.unfold(2, side, side).unfold(3, side, side).permute(0, 2, 3, 4, 5, 1).flatten(3).flatten(1, 2)
    shapes = torch.tensor([[rows, columns]] * len(images))
    mask = torch.ones(len(images), rows * columns, dtype=torch.int64)
    naflex: Tensor = theirs.get_image_features(patches, mask, shapes).pooler_output
    return naflex


@torch.no_grad()
def test_pictures_of_the_pretrained_size(folder: Path) -> None:
    backbone, theirs = SigLIPBackbone.load(str(folder)), theirs_of(folder)
    images = torch.randn(3, 3, backbone.image_size, backbone.image_size)
    found, expected = backbone.image_encoder()(images), look(theirs, images)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    prepared = backbone.image_encoder().for_inference(torch.float32)
    torch.testing.assert_close(prepared(images), expected, atol=1e-5, rtol=1e-5)
    assert found.std() > 0.01


@torch.no_grad()
def test_pixels_that_fill_no_patch_are_left_out_as_theirs_are(tmp_path: Path) -> None:
    """so400m-patch14-384 has 27 patches of 14 in 384 pixels."""
    make_tiny_siglip_folder(tmp_path, image_size=38, patch_size=8)
    backbone, theirs = SigLIPBackbone.load(str(tmp_path)), theirs_of(tmp_path)
    images = torch.randn(2, 3, 38, 38)
    expected = theirs.get_image_features(images).pooler_output
    torch.testing.assert_close(backbone.image_encoder()(images), expected, atol=1e-5, rtol=1e-5)
    prepared = backbone.image_encoder().for_inference(torch.float32)
    torch.testing.assert_close(prepared(images), expected, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_a_spectrogram_with_their_positions_made_bilinear(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    backbone = SigLIPBackbone.load(str(make_tiny_siglip_folder(tmp_path)))
    theirs, images = theirs_of(tmp_path), torch.randn(2, 3, 64, 400)
    found = backbone.image_encoder()(images)
    bicubic = look(theirs, images, interpolate_pos_encoding=True)
    monkeypatch.setattr(F, "interpolate", _bilinear_for_bicubic(F.interpolate))
    expected = look(theirs, images, interpolate_pos_encoding=True)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    assert not torch.allclose(found, bicubic, atol=1e-5)


def _bilinear_for_bicubic(interpolate: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def changed(*args: Any, **options: Any) -> Tensor:
        assert options["mode"] == "bicubic"
        return interpolate(*args, **options | {"mode": "bilinear"})

    return changed


@torch.no_grad()
def test_naflex_at_twice_the_size_is_theirs_too(tmp_path: Path) -> None:
    """Their resampling of positions is antialiased, which changes nothing where a grid grows."""
    backbone = SigLIPBackbone.load(str(make_tiny_siglip_folder(tmp_path, kind="naflex")))
    images = torch.randn(2, 3, 64, 96)
    torch.testing.assert_close(
        backbone.image_encoder()(images), look(theirs_of(tmp_path), images), atol=1e-5, rtol=1e-5
    )


@torch.no_grad()
def test_sentences_logits_and_probabilities(folder: Path, kind: SigLIPKind) -> None:
    backbone, theirs = SigLIPBackbone.load(str(folder)), theirs_of(folder)
    clean = [" ".join(s.lower().replace("!", "").replace(",", "").split()) for s in SENTENCES]
    words = clean if kind == "siglip" else [sentence.lower() for sentence in SENTENCES]
    tokens = PreTrainedTokenizerFast.from_pretrained(folder)(
        words, padding="max_length", max_length=64, padding_side="right", return_tensors="pt"
    ).input_ids
    sentences = backbone.embed_text(SENTENCES)
    torch.testing.assert_close(sentences, theirs.get_text_features(tokens).pooler_output, atol=1e-5, rtol=1e-5)
    images = torch.randn(4, 3, backbone.image_size, backbone.image_size)
    pictures = backbone.image_encoder()(images)
    expected = theirs.get_text_features(tokens).pooler_output
    cosines = F.normalize(look(theirs, images), dim=-1) @ F.normalize(expected, dim=-1).T
    logits = cosines * theirs.logit_scale.exp() + theirs.logit_bias
    if kind != "naflex":
        torch.testing.assert_close(theirs(tokens, images).logits_per_image, logits, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(backbone.pair_probabilities(pictures, sentences), logits.sigmoid(), atol=1e-5, rtol=1e-5)
    by_softmax = torch.softmax(cosines / backbone.temperature, dim=-1)
    torch.testing.assert_close(by_softmax, logits.softmax(dim=-1), atol=1e-5, rtol=1e-5)  # the bias cancels
    assert backbone.logit_bias == pytest.approx(-3.0)
    assert backbone.temperature == pytest.approx(0.05)


@torch.no_grad()
def test_case_and_punctuation_count_as_in_training(tmp_path: Path) -> None:
    one = SigLIPBackbone.load(str(make_tiny_siglip_folder(tmp_path / "1")))
    assert torch.equal(one.embed_text(["A photo, of a (STAR)!"]), one.embed_text(["a photo of a star"]))
    two = SigLIPBackbone.load(str(make_tiny_siglip_folder(tmp_path / "2", kind="siglip2")))
    assert torch.equal(two.embed_text(["A photo of a STAR."]), two.embed_text(["a photo of a star."]))
    assert not torch.allclose(two.embed_text(["a photo of a star."]), two.embed_text(["a photo of a star"]), atol=1e-3)


def test_sparse_configs_mean_transformers_defaults(tmp_path: Path) -> None:
    """google/siglip-base-patch16-224 says next to nothing of its towers."""
    make_tiny_siglip_folder(tmp_path)
    backbone = SigLIPBackbone.load(str(tmp_path))
    config = json.loads((tmp_path / "config.json").read_text())
    assert config["vision_config"].pop("hidden_act") == "gelu_pytorch_tanh"
    assert config["text_config"].pop("layer_norm_eps") == 1e-6
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert torch.equal(SigLIPBackbone.load(str(tmp_path)).embed_text(["moon"]), backbone.embed_text(["moon"]))


@pytest.mark.slow
@pytest.mark.parametrize(("geometry", "dim", "heads"), [(B16, 768, 12), (SO400M, 1152, 16)], ids=["B/16", "so400m/14"])
@torch.no_grad()
def test_at_real_size(tmp_path: Path, geometry: dict[str, Any], dim: int, heads: int) -> None:
    backbone = load_backbone(BackboneConfig(name=str(make_tiny_siglip_folder(tmp_path, **geometry))))
    assert (backbone.dim, backbone.num_heads) == (dim, heads)
    theirs, images = theirs_of(tmp_path), torch.randn(2, 3, backbone.image_size, backbone.image_size)
    expected = F.normalize(look(theirs, images), dim=-1)
    found = F.normalize(backbone.image_encoder()(images), dim=-1)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    tokens = PreTrainedTokenizerFast.from_pretrained(tmp_path)(["moon"], padding="max_length", max_length=64)
    ids = torch.tensor(tokens.input_ids)
    expected_text = F.normalize(theirs.get_text_features(ids).pooler_output, dim=-1)
    torch.testing.assert_close(F.normalize(backbone.embed_text(["moon"]), dim=-1), expected_text, atol=1e-5, rtol=1e-5)
    low = F.normalize(backbone.image_encoder().for_inference(torch.bfloat16)(images), dim=-1)
    assert (low * expected).sum(dim=-1).min() > 0.998
    model = build_model(backbone, ModelConfig(modalities=("video", "audio"), trainable_layers=1)).eval()
    batch = make_batch(Modality.VIDEO, Modality.AUDIO, size=1, num_frames=1, image_size=backbone.image_size)
    assert all(bool(x.isfinite().all()) for x in model(batch).fused.values())
