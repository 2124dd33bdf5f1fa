"""Small CLIPs in Hugging Face format, with random weights and a word-by-word tokenizer, for any test to build."""

import json
from collections.abc import Sequence
from pathlib import Path

import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.normalizers import Lowercase
from tokenizers.pre_tokenizers import WhitespaceSplit
from tokenizers.processors import TemplateProcessing
from transformers import CLIPConfig, CLIPModel, PreTrainedTokenizerFast

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
    model = _random_clip(config, seed)
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


def _random_clip(config: CLIPConfig, seed: int) -> CLIPModel:
    """Weights large enough that pictures, places and words make a difference, norms and biases included."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = CLIPModel(config)
        with torch.no_grad():
            for name, weight in model.named_parameters():
                if name != "logit_scale":
                    weight.add_(torch.randn_like(weight) * 0.05)
    return model
