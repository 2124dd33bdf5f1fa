"""Folders in open_clip's format with random weights, for tests beside open_clip itself."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from tiny_backbones import WORDS, word_tokenizer

SMALL_TEXT = {"context_length": 16, "vocab_size": 49408, "width": 64, "heads": 2, "layers": 2}
"""CLIP's words, a small tower."""
HALVES = {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5], "interpolation": "bilinear", "resize_mode": "squash"}


def timm(model: str, size: int, *, dim: int = 64, **more: Any) -> dict[str, Any]:
    """`model_cfg` with a picture tower of timm's."""
    vision = {"timm_model_name": model, "timm_model_pretrained": False, "timm_pool": "", "image_size": size, **more}
    return {"embed_dim": dim, "vision_cfg": vision, "text_cfg": dict(SMALL_TEXT), "custom_text": True}


def own(vision: dict[str, Any]) -> dict[str, Any]:
    """`model_cfg` with a picture tower of open_clip's own."""
    return {"embed_dim": 64, "vision_cfg": vision, "text_cfg": dict(SMALL_TEXT)}


def make_open_clip_folder(path: Path, model_cfg: dict[str, Any], preprocess_cfg: dict[str, Any] | None = None) -> Path:
    """Config, safetensors and, where the words are not CLIP's, a word-by-word tokenizer."""
    import open_clip

    path.mkdir(parents=True)
    written = {"model_cfg": model_cfg, "preprocess_cfg": preprocess_cfg or {}}
    (path / "open_clip_config.json").write_text(json.dumps(written))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = open_clip.create_model(f"local-dir:{path}", load_weights=False, pretrained_text=False)
        with torch.no_grad():
            for name, weight in model.named_parameters():
                if not name.startswith("logit_"):
                    weight.add_(torch.randn_like(weight) * 0.02)
            model.logit_scale.fill_(2.5)
            if model.logit_bias is not None:
                model.logit_bias.fill_(-3.0)
    state = {name: tensor.contiguous().clone() for name, tensor in model.state_dict().items()}
    save_file(state, path / "open_clip_model.safetensors")
    if model_cfg["text_cfg"].get("hf_tokenizer_name"):
        word_tokenizer(WORDS).save_pretrained(path)
    return path
