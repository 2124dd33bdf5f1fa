"""Small models of every family with random weights, as folders laid out as published ones, for any test to build."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer
from tokenizers.models import BPE, Unigram, WordLevel
from tokenizers.normalizers import Lowercase, Replace
from tokenizers.pre_tokenizers import Metaspace, Split, WhitespaceSplit
from tokenizers.processors import TemplateProcessing
from transformers import (
    CLIPConfig,
    CLIPModel,
    MetaClip2Config,
    MetaClip2Model,
    PreTrainedTokenizerFast,
    Siglip2Config,
    Siglip2Model,
    SiglipConfig,
    SiglipModel,
)

from open_clip_reference import PlainCLIP

SigLIPKind = Literal["siglip", "siglip2", "naflex"]
"""SigLIP; SigLIP 2 at a fixed size, whose config says siglip too; SigLIP 2 at the shape of each picture."""

_VOCABULARY = (
    "a photo video of the person doing something star circle square ring cross heart moon arrow "
    "moving left right up down growing shrinking spinning shaking making noise tone low high rising falling"
)
WORDS = tuple(_VOCABULARY.split())
"""What the tokenizer knows unless told otherwise."""


def make_tiny_clip_folder(
    path: Path,
    *,
    image_size: int = 32,
    patch_size: int = 8,
    width: int = 32,
    heads: int = 2,
    layers: int = 3,
    projection_dim: int = 32,
    text_width: int | None = None,
    text_heads: int = 2,
    text_layers: int = 2,
    max_positions: int = 16,
    words: Sequence[str] = WORDS,
    temperature: float = 0.05,
    pooled_id: int | None = None,
    open_vocabulary: bool = False,
    half: bool = False,
    seed: int = 0,
) -> Path:
    """Writes config, safetensors weights, tokenizer and image processor settings to `path`, and returns it.

    Ids: 0 padding, 1 start, 2 unknown, then the words, and the end of a sentence as the largest. `pooled_id` writes
    another eos_token_id into the config; `open_vocabulary` takes the end for unknown words, as OpenAI's tokenizer.
    """
    tokenizer = word_tokenizer(words, unknown="<end>" if open_vocabulary else "<unk>")
    config = CLIPConfig(
        text_config={
            "vocab_size": len(tokenizer),
            "hidden_size": text_width or projection_dim,
            "intermediate_size": 4 * (text_width or projection_dim),
            "num_hidden_layers": text_layers,
            "num_attention_heads": text_heads,
            "max_position_embeddings": max_positions,
            "pad_token_id": tokenizer.pad_token_id,
            "bos_token_id": tokenizer.bos_token_id,
            "eos_token_id": tokenizer.eos_token_id if pooled_id is None else pooled_id,
        },
        vision_config={
            "hidden_size": width,
            "intermediate_size": 4 * width,
            "num_hidden_layers": layers,
            "num_attention_heads": heads,
            "image_size": image_size,
            "patch_size": patch_size,
        },
        projection_dim=projection_dim,
        logit_scale_init_value=float(-torch.tensor(temperature).log()),
    )
    model = _random(CLIPModel, config, seed)
    (model.half() if half else model).save_pretrained(path)
    tokenizer.save_pretrained(path)
    settings = {"image_mean": [0.5, 0.4, 0.3], "image_std": [0.2, 0.25, 0.3], "size": {"shortest_edge": image_size}}
    (path / "preprocessor_config.json").write_text(json.dumps(settings))
    return path


def word_tokenizer(words: Sequence[str], *, unknown: str = "<unk>") -> PreTrainedTokenizerFast:
    """One token a word; what is not among `words` is unknown."""
    ids = {word: i for i, word in enumerate(["<pad>", "<start>", "<unk>", *words, "<end>"])}
    tokenizer = Tokenizer(WordLevel(ids, unk_token=unknown))
    tokenizer.normalizer = Lowercase()
    tokenizer.pre_tokenizer = WhitespaceSplit()
    special = [("<start>", ids["<start>"]), ("<end>", ids["<end>"])]
    tokenizer.post_processor = TemplateProcessing(single="<start> $A <end>", special_tokens=special)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", bos_token="<start>", eos_token="<end>", unk_token=unknown
    )


def make_tiny_siglip_folder(
    path: Path,
    *,
    kind: SigLIPKind = "siglip",
    image_size: int = 32,
    patch_size: int = 8,
    width: int = 32,
    heads: int = 2,
    layers: int = 3,
    text_layers: int = 2,
    max_positions: int = 64,
    temperature: float = 0.05,
    bias: float = -3.0,
    seed: int = 0,
) -> Path:
    """SigLIP as google publishes it: letters for words, the end of a sentence as padding, or Gemma's bytes.

    `bias` is what is added to a cosine over the temperature before the sigmoid.
    """
    tokenizer = gemma_tokenizer() if kind != "siglip" else letter_tokenizer()
    common = {"hidden_size": width, "intermediate_size": 4 * width, "num_attention_heads": heads}
    vision = {**common, "num_hidden_layers": layers, "patch_size": patch_size}
    text = {
        **common,
        "num_hidden_layers": text_layers,
        "vocab_size": len(tokenizer),
        "max_position_embeddings": max_positions,
        "pad_token_id": tokenizer.pad_token_id,
        "bos_token_id": None,
        "eos_token_id": tokenizer.eos_token_id,
    }
    if kind == "naflex":
        side = image_size // patch_size
        config: Any = Siglip2Config(text_config=text, vision_config={**vision, "num_patches": side * side})
        model = _random(Siglip2Model, config, seed)
        settings: dict[str, Any] = {"patch_size": patch_size, "max_num_patches": side * side, "resample": 2}
    else:
        config = SiglipConfig(text_config=text, vision_config={**vision, "image_size": image_size})
        model = _random(SiglipModel, config, seed)
        settings = {"size": {"height": image_size, "width": image_size}, "resample": 3 if kind == "siglip" else 2}
    with torch.no_grad():
        model.logit_scale.fill_(-torch.tensor(temperature).log())
        model.logit_bias.fill_(bias)
    model.save_pretrained(path)
    tokenizer.save_pretrained(path)
    named = json.loads((path / "tokenizer_config.json").read_text())
    named["tokenizer_class"] = "SiglipTokenizer" if kind == "siglip" else "GemmaTokenizer"
    (path / "tokenizer_config.json").write_text(json.dumps(named))
    halves = {"image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}
    (path / "preprocessor_config.json").write_text(json.dumps({**settings, **halves}))
    return path


def letter_tokenizer() -> PreTrainedTokenizerFast:
    """A unigram vocabulary as SigLIP's, of letters and of some words; the end of a sentence is its padding too."""
    words = [(f"▁{word}", -4.0) for word in dict.fromkeys(WORDS) if len(word) > 1]
    letters = [(letter, -8.0) for letter in "abcdefghijklmnopqrstuvwxyz0123456789"]
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -5.0), *words, *letters]
    tokenizer = Tokenizer(Unigram(pieces, unk_id=2))
    tokenizer.normalizer = Lowercase()
    tokenizer.pre_tokenizer = Metaspace()
    tokenizer.post_processor = TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="</s>", eos_token="</s>", unk_token="<unk>", model_max_length=64
    )


def gemma_tokenizer() -> PreTrainedTokenizerFast:
    """Byte pairs that fall back on bytes, as Gemma's: every sentence can be spelt, and case matters."""
    special = ["<pad>", "<eos>", "<bos>", "<unk>"]
    tokens = [
        *special,
        *(f"<0x{byte:02X}>" for byte in range(256)),
        "▁",
        *map(chr, range(65, 91)),
        *map(chr, range(97, 123)),
    ]
    pairs = [("▁", "a"), ("o", "f"), ("▁", "of"), ("s", "t"), ("m", "o")]
    vocabulary = {token: number for number, token in enumerate([*tokens, *("".join(pair) for pair in pairs)])}
    tokenizer = Tokenizer(BPE(vocabulary, pairs, fuse_unk=True, unk_token="<unk>", byte_fallback=True))
    tokenizer.normalizer = Replace(" ", "▁")
    tokenizer.pre_tokenizer = Split(" ", "merged_with_previous")
    tokenizer.post_processor = TemplateProcessing(single="$A <eos>", special_tokens=[("<eos>", 1)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="<eos>", bos_token="<bos>", unk_token="<unk>"
    )


def make_tiny_metaclip2_folder(
    path: Path,
    *,
    image_size: int = 32,
    patch_size: int = 8,
    width: int = 32,
    heads: int = 2,
    layers: int = 3,
    projection_dim: int = 32,
    text_width: int = 32,
    text_heads: int = 2,
    text_layers: int = 2,
    seed: int = 0,
) -> Path:
    """MetaCLIP 2: CLIP's network over a vocabulary of many languages, read at `</s>`, whose id is 2."""
    tokenizer = xlm_tokenizer()
    text = {
        "vocab_size": len(tokenizer),
        "hidden_size": text_width,
        "intermediate_size": 4 * text_width,
        "num_hidden_layers": text_layers,
        "num_attention_heads": text_heads,
        "max_position_embeddings": 77,
        "bos_token_id": 0,
        "pad_token_id": 1,
        "eos_token_id": 2,
    }
    vision = {
        "hidden_size": width,
        "intermediate_size": 4 * width,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "image_size": image_size,
        "patch_size": patch_size,
    }
    config = MetaClip2Config(text_config=text, vision_config=vision, projection_dim=projection_dim)
    _random(MetaClip2Model, config, seed).save_pretrained(path)
    tokenizer.save_pretrained(path)
    (path / "preprocessor_config.json").write_text(json.dumps({"size": {"shortest_edge": image_size}, "resample": 3}))
    return path


def xlm_tokenizer() -> PreTrainedTokenizerFast:
    """A unigram vocabulary of letters of several languages, as XLM-V's: <s> words </s>, then <pad>."""
    letters = "abcdefghijklmnopqrstuvwxyzäöüßéèñç猫狗犬走るабвгдежзиклмнопрст0123456789.,'"
    pieces = [(one, 0.0) for one in ("<s>", "<pad>", "</s>", "<unk>")] + [("▁", -3.0)]
    tokenizer = Tokenizer(Unigram([*pieces, *((letter, -6.0) for letter in letters)], unk_id=3))
    tokenizer.normalizer = Lowercase()
    tokenizer.pre_tokenizer = Metaspace()
    tokenizer.post_processor = TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        cls_token="<s>",
        pad_token="<pad>",
        eos_token="</s>",
        sep_token="</s>",
        unk_token="<unk>",
    )


def make_tiny_open_clip_folder(
    path: Path,
    *,
    image_size: int = 32,
    patch_size: int = 8,
    width: int = 32,
    layers: int = 3,
    text_layers: int = 2,
    embed_dim: int = 32,
    context_length: int = 32,
    quick_gelu: bool | None = True,
    words: Literal["tiny", "openai", "many languages"] = "tiny",
    preprocess: dict[str, Any] | None = None,
    weights: str = "open_clip_model.safetensors",
    seed: int = 0,
) -> Path:
    """A plain open_clip model as timm and LAION publish them.

    `words`: a tokenizer.json of some words; none at all, which means OpenAI's; or MetaCLIP 2's kind.
    `quick_gelu` None leaves it out of the config, and so does `preprocess` None with what CLIP has anyway.
    """
    tokenizer = {"tiny": word_tokenizer(WORDS, unknown="<end>"), "many languages": xlm_tokenizer()}.get(words)
    text: dict[str, Any] = {
        "context_length": context_length,
        "vocab_size": len(tokenizer) if tokenizer else 49408,
        "width": 32,
        "heads": 2,
        "layers": text_layers,
    }
    if words == "many languages":
        text |= {"hf_tokenizer_name": "facebook/xlm-v-base", "pool_type": "eos", "eos_id": 2}
    vision = {"image_size": image_size, "layers": layers, "width": width, "head_width": 16, "patch_size": patch_size}
    model: dict[str, Any] = {"embed_dim": embed_dim, "vision_cfg": vision, "text_cfg": text}
    if quick_gelu is not None:
        model["quick_gelu"] = quick_gelu
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = PlainCLIP(model)
        with torch.no_grad():
            for name, weight in network.named_parameters():
                if name != "logit_scale":
                    weight.add_(torch.randn_like(weight) * 0.05)
    path.mkdir(parents=True, exist_ok=True)
    config = {
        "model_cfg": model,
        "preprocess_cfg": {"mean": [0.5, 0.4, 0.3], "std": [0.2, 0.25, 0.3], **(preprocess or {})},
    }
    (path / "open_clip_config.json").write_text(json.dumps(config))
    state = {key: tensor.contiguous() for key, tensor in network.state_dict().items()}
    if weights.endswith(".bin"):
        torch.save(state, path / weights)
    else:
        save_file(state, path / weights)
    if tokenizer is not None:
        tokenizer.save_pretrained(path)
    return path


def _random(model_class: Any, config: Any, seed: int) -> Any:
    """Weights large enough that pictures, places and words make a difference, norms and biases included."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = model_class(config)
        with torch.no_grad():
            for name, weight in model.named_parameters():
                if name not in ("logit_scale", "logit_bias"):
                    weight.add_(torch.randn_like(weight) * 0.05)
    return model
