"""Towers at the size people download, with random weights: equal to transformers' own forward pass."""

import gc
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.testing import assert_close
from transformers import (
    AutoTokenizer,
    ClapConfig,
    ClapFeatureExtractor,
    ClapModel,
    PeAudioConfig,
    PeAudioFeatureExtractor,
    PeAudioModel,
    VideoPrismClipModel,
    VideoPrismConfig,
    XCLIPConfig,
    XCLIPModel,
)

from openmov.config.schema import BackboneConfig
from openmov.model.backbones import load_backbone, load_sound_tower
from tiny_backbones import WORDS, word_tokenizer

NAMES = ("star moving left", "heart moving up", "ring")
TOLERANCE = {"atol": 1e-5, "rtol": 1e-4}

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def memory() -> Iterator[None]:
    yield
    gc.collect()


def saved(path: Path, model: Any) -> Path:
    torch.manual_seed(0)
    word_tokenizer(WORDS).save_pretrained(path)
    model.save_pretrained(path)
    return path


def tokens(path: Path, **how: Any) -> dict[str, torch.Tensor]:
    encoded = AutoTokenizer.from_pretrained(path)(list(NAMES), return_tensors="pt", **(how or {"padding": True}))
    return {key: encoded[key] for key in ("input_ids", "attention_mask")}


def unit(rows: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.normalize(rows, dim=-1)


def test_x_clip_b16(tmp_path: Path) -> None:
    """microsoft/xclip-base-patch16: 8 frames of 224 px."""
    torch.manual_seed(0)
    vision = {"hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12}
    vision |= {"patch_size": 16, "image_size": 224, "num_frames": 8, "mit_hidden_size": 512}
    vision |= {"mit_intermediate_size": 2048, "mit_num_attention_heads": 8}
    folder = saved(tmp_path, XCLIPModel(XCLIPConfig(text_config={}, vision_config=vision)).eval())
    # transformers' text tower reads the highest id, which must be the tokenizer's last.
    backbone: Any = load_backbone(BackboneConfig(name=str(folder)))
    frames, encoder = torch.randn(1, 8, 3, 224, 224), backbone.clip_encoder()
    with torch.no_grad():
        theirs = XCLIPModel.from_pretrained(folder).eval()(pixel_values=frames, **tokens(folder))
    clips, context = encoder.with_context(frames)
    assert_close(unit(clips), theirs.video_embeds, **TOLERANCE)
    assert_close(unit(encoder.adapt(backbone.embed_text(NAMES), context)), theirs.text_embeds, **TOLERANCE)


def test_videoprism_base(tmp_path: Path) -> None:
    """google/videoprism-lvt-base-f16r288: 16 frames of 288 px."""
    torch.manual_seed(0)
    folder = saved(tmp_path, VideoPrismClipModel(VideoPrismConfig()).eval())
    backbone: Any = load_backbone(BackboneConfig(name=str(folder)))
    assert (backbone.num_frames, backbone.image_size, backbone.dim) == (16, 288, 768)
    frames = torch.rand(1, 16, 3, 288, 288)
    with torch.no_grad():
        model = VideoPrismClipModel.from_pretrained(folder).eval()
        theirs = model(frames, **tokens(folder, padding="max_length", max_length=64))
    assert_close(backbone.clip_encoder()(frames), theirs.video_embeds, **TOLERANCE)
    assert_close(backbone.embed_text(NAMES), theirs.text_embeds, **TOLERANCE)


@pytest.mark.parametrize("fused", [False, True])
def test_clap_htsat(tmp_path: Path, fused: bool) -> None:
    """laion/clap-htsat-unfused and -fused: ten seconds at 48 kHz."""
    torch.manual_seed(0)
    audio = {"enable_fusion": fused, "fusion_type": None}
    folder = saved(tmp_path, ClapModel(ClapConfig(text_config={}, audio_config=audio)).eval())
    hearing = {"feature_size": 64, "sampling_rate": 48_000, "max_length_s": 10, "padding": "repeatpad"}
    hearing |= {"frequency_min": 50, "frequency_max": 14_000, "truncation": "fusion" if fused else "rand_trunc"}
    (folder / "preprocessor_config.json").write_text(json.dumps(hearing))
    tower = load_sound_tower(str(folder))
    assert (tower.dim, tower.rate_hz, tower.longest_seconds) == (512, 48_000, 10.0)
    wave = torch.randn(1, 7 * 48_000) * 0.2
    features = ClapFeatureExtractor.from_pretrained(folder)(wave[0].numpy(), sampling_rate=48_000, return_tensors="pt")
    with torch.no_grad():
        model = ClapModel.from_pretrained(folder).eval()
        theirs = model(**tokens(folder), **{key: value.float() for key, value in features.items()})
    assert_close(unit(tower.sound_encoder()(wave)), theirs.audio_embeds, **TOLERANCE)
    assert_close(unit(tower.embed_text(NAMES)), theirs.text_embeds, **TOLERANCE)


def test_pe_audio_of_pe_av_large(tmp_path: Path) -> None:
    """The sound side of facebook/pe-av-large, with two of the text tower's 22 layers."""
    torch.manual_seed(0)
    text = {"model_type": "modernbert", "hidden_size": 1024, "intermediate_size": 2624, "num_hidden_layers": 2}
    text |= {"num_attention_heads": 16}
    model = PeAudioModel(PeAudioConfig(text_config=text, audio_config={})).eval()
    with torch.no_grad():
        model.text_audio_logit_scale.fill_(10.0)
    folder = saved(tmp_path, model)
    tower = load_sound_tower(str(folder))
    wave = torch.randn(1, 48_000) * 0.2
    heard = PeAudioFeatureExtractor()([*wave.numpy()], sampling_rate=48_000, return_tensors="pt")["input_values"]
    with torch.no_grad():
        theirs = model(input_values=heard.float(), **tokens(folder))
    assert_close(tower.sound_encoder()(wave), theirs.audio_embeds, **TOLERANCE)
    assert_close(tower.embed_text(NAMES), theirs.text_audio_embeds, **TOLERANCE)
    logits = tower.sound_encoder()(wave) @ tower.embed_text(NAMES).T
    assert_close(logits / tower.temperature, theirs.logits_audio_text, atol=1e-4, rtol=1e-4)
