"""Small pretrained towers in Hugging Face format with random weights: X-CLIP, VideoPrism, CLAP, PE-AV."""

import io
import json
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import torch
from transformers import (
    ClapConfig,
    ClapModel,
    PeAudioVideoConfig,
    PeAudioVideoModel,
    VideoPrismClipModel,
    VideoPrismConfig,
    ViTConfig,
    XCLIPConfig,
    XCLIPModel,
)

from tiny_backbones import WORDS, make_tiny_clip_folder, word_tokenizer

SMALL_TEXT = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}


def make_tiny_xclip_folder(path: Path, *, num_frames: int = 2, image_size: int = 32, seed: int = 0) -> Path:
    """As microsoft/xclip-* lie on the hub."""
    make_tiny_clip_folder(path, image_size=image_size)
    vocabulary = json.loads((path / "config.json").read_text())["text_config"]["vocab_size"]
    (path / "model.safetensors").unlink()
    vision = {**SMALL_TEXT, "image_size": image_size, "patch_size": 8, "num_frames": num_frames, "mit_hidden_size": 32}
    vision |= {"mit_intermediate_size": 64, "mit_num_attention_heads": 2}
    text = {**SMALL_TEXT, "vocab_size": vocabulary, "max_position_embeddings": 16}
    config = XCLIPConfig(text_config=text, vision_config=vision, projection_dim=32, prompt_num_attention_heads=2)
    return _saved(path, XCLIPModel, config, seed, logit_scale=3.0)


def make_tiny_videoprism_folder(path: Path, *, num_frames: int = 4, image_size: int = 36, seed: int = 0) -> Path:
    """As google/videoprism-lvt-* lie on the hub; its words are those of `word_tokenizer`, without a start or an end."""
    tokenizer = word_tokenizer(WORDS)
    small = {"hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 2}
    vision = {**small, "image_size": image_size, "num_frames": num_frames, "tubelet_size": [1, 18, 18]}
    vision |= {"num_spatial_layers": 2, "num_temporal_layers": 1, "num_auxiliary_layers": 1}
    text = {**small, "num_hidden_layers": 2, "vocab_size": len(tokenizer), "max_position_embeddings": 16}
    tokenizer.save_pretrained(path)
    return _saved(path, VideoPrismClipModel, VideoPrismConfig(vision_config=vision, text_config=text), seed)


def make_tiny_clap_folder(
    path: Path,
    *,
    fused: bool = False,
    seconds: int = 1,
    words: Sequence[str] = WORDS,
    seed: int = 0,
    scale: float = 3.0,
) -> Path:
    """As laion/clap-htsat-* lie on the hub, hearing `seconds` at a time in place of ten."""
    tokenizer = word_tokenizer(words)
    text = {**SMALL_TEXT, "vocab_size": len(tokenizer), "max_position_embeddings": 24, "pad_token_id": 0}
    audio: dict[str, Any] = {"num_mel_bins": 64, "spec_size": 256, "patch_size": 16, "patch_stride": [16, 16]}
    audio |= {"depths": [1, 1], "num_attention_heads": [2, 2], "patch_embeds_hidden_size": 16, "hidden_size": 32}
    audio |= {"window_size": 4, "num_hidden_layers": 2, "mlp_ratio": 2.0}
    if fused:
        audio |= {"enable_fusion": True, "fusion_type": None}
    config = ClapConfig(text_config=text, audio_config=audio, projection_dim=24)
    hearing = {"feature_extractor_type": "ClapFeatureExtractor", "feature_size": 64, "sampling_rate": 48_000}
    hearing |= {"hop_length": 480, "max_length_s": seconds, "fft_window_size": 1024, "padding": "repeatpad"}
    hearing |= {"frequency_min": 50, "frequency_max": 14_000, "truncation": "fusion" if fused else "rand_trunc"}
    path.mkdir(parents=True, exist_ok=True)
    (path / "preprocessor_config.json").write_text(json.dumps(hearing))
    tokenizer.save_pretrained(path)
    return _saved(path, ClapModel, config, seed, logit_scale_a=scale, logit_scale_t=2.0)


def make_tiny_pe_av_folder(
    path: Path, *, num_frames: int = 4, image_size: int = 16, vision: Any = None, seed: int = 0
) -> Path:
    """As facebook/pe-av-* lie on the hub; `vision` configures the picture tower.

    By default that is a ViT of transformers, which needs no timm.
    """
    tokenizer = word_tokenizer(WORDS)
    ids = {"pad_token_id": 0, "eos_token_id": len(tokenizer) - 1, "sep_token_id": len(tokenizer) - 1}
    ids |= {"bos_token_id": 1, "cls_token_id": 1, "vocab_size": len(tokenizer)}
    text = {**SMALL_TEXT, **ids, "model_type": "modernbert", "max_position_embeddings": 64}
    small = {
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "head_dim": 16,
    }
    dac = {"model_type": "dac", "encoder_hidden_size": 4, "downsampling_ratios": [2, 8, 10, 12], "codebook_dim": 16}
    vision = vision or ViTConfig(
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        image_size=image_size,
        patch_size=8,
        num_labels=24,
    )
    config = PeAudioVideoConfig(
        text_config=text,
        audio_video_config={
            **small,
            "audio_config": {**small, "model_type": "pe_audio_encoder", "dac_config": dac},
            "video_config": {**small, "model_type": "pe_video_encoder", "vision_config": vision},
        },
    )
    tokenizer.save_pretrained(path)
    looks = {"image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5], "num_frames": num_frames}
    looks |= {"size": {"height": image_size, "width": image_size}}
    (path / "video_preprocessor_config.json").write_text(json.dumps(looks))
    hearing = {"feature_extractor_type": "PeAudioFeatureExtractor", "sampling_rate": 48_000, "hop_length": 1920}
    (path / "preprocessor_config.json").write_text(json.dumps(hearing))
    scales = {"text_audio_video_logit_scale": 2.0, "audio_model.text_audio_logit_scale": 3.0}
    scales |= {"video_model.text_video_logit_scale": 4.0, "text_audio_video_logit_bias": -1.0}
    with redirect_stdout(io.StringIO()):  # where transformers prints a complaint about itself
        return _saved(path, PeAudioVideoModel, config, seed, **scales)


def _saved(path: Path, model_class: Any, config: Any, seed: int, **values: float) -> Path:
    """Weights large enough that pictures, sounds and words make a difference; `values` are set as they are."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = model_class(config)
        with torch.no_grad():
            for name, weight in model.named_parameters():
                weight.add_(torch.randn_like(weight) * 0.05)
                if name in values:
                    weight.fill_(values[name])
    model.save_pretrained(path)
    return path
