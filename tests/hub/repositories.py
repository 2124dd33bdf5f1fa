"""The repositories of the double: file names, configs and formats of published models, tiny random weights inside.

Sizes are scaled down, layouts and bad manners are not: OpenAI's configs carry an `eos_token_id` of 2 that is not the
end of a sentence, timm's config.json names no `model_type`, a CLAP stores integers, the bot's pull request holds two
files of weights with different keys. Each is made when it is first asked for.
"""

import json
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from tokenizers import Regex, Tokenizer, decoders, normalizers, pre_tokenizers
from tokenizers.models import BPE
from tokenizers.processors import RobertaProcessing
from tokenizers.trainers import BpeTrainer
from torch import Tensor
from transformers import ClapConfig, ClapModel, CLIPConfig, CLIPModel, XCLIPConfig, XCLIPModel

from hub.server import PullRequest, Repository
from openmov.text.label_sets import load_label_set
from openmov.text.prompts import load_prompts
from tiny_backbones import make_tiny_metaclip2_folder, make_tiny_siglip_folder
from tiny_towers import make_tiny_pe_av_folder

CLIP_MEAN, CLIP_STD = [0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711]
TOKENIZER = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.json", "merges.txt")
_WIDTH, _LAYERS = 64, 2
_HEADS = {"vision": 1, "text": 8}
"""open_clip's own: heads of 64 in the picture tower, eight in the text tower."""

State = dict[str, Tensor]


class Repositories(Mapping[str, Repository]):
    """All of them by name, made under `root` on demand; `add` puts another beside them."""

    def __init__(self, root: Path) -> None:
        self._root, self._lock = root, threading.Lock()
        self._made: dict[str, Repository] = {}

    def add(self, name: str, repository: Repository) -> None:
        self._made[name] = repository

    def __getitem__(self, name: str) -> Repository:
        with self._lock:
            if name not in self._made:
                folder = self._root / name
                folder.mkdir(parents=True, exist_ok=True)
                self._made[name] = LAYOUTS[name](folder)
            return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter({**LAYOUTS, **self._made})

    def __len__(self) -> int:
        return len(list(iter(self)))


def openai_patch16(folder: Path) -> Repository:
    """No safetensors on main; the bot's pull request has them, over a main that has not changed since."""
    main = _openai(folder / "main", patch=16, others=("flax_model.msgpack",))
    state = _openai_state(patch=16)
    pull = _folder(folder / "pull", "mit")
    save_file(state, pull / "model.safetensors", metadata={"format": "pt"})
    (pull / "README.md").unlink()
    stranger = PullRequest(6, pull, author="somebody")
    talk = [PullRequest(num, pull, title="Update README.md", author="a reader") for num in range(1, 4)]
    return Repository(main, (*talk, stranger, PullRequest(9, pull)))


def openai_patch32(folder: Path) -> Repository:
    """No safetensors on main, and no pull request."""
    return Repository(_openai(folder, patch=32, others=("flax_model.msgpack", "tf_model.h5")))


def openai_large(folder: Path) -> Repository:
    """Every format on main; only the first is wanted."""
    main = _openai(folder, patch=14, others=("flax_model.msgpack", "tf_model.h5"))
    save_file(_openai_state(patch=14), main / "model.safetensors", metadata={"format": "pt"})
    return Repository(main)


def timm_openai(patch: int) -> Callable[[Path], Repository]:
    """OpenAI's weights in open_clip's layout, and a config.json that is timm's."""

    def make(folder: Path) -> Repository:
        _folder(folder, "apache-2.0", library="open_clip")
        state = _as_open_clip(_openai_state(patch=patch))
        save_file(state, folder / "open_clip_model.safetensors")
        torch.save(state, folder / "open_clip_pytorch_model.bin")
        torch.save(
            {key: value for key, value in state.items() if key.startswith("visual.")}, folder / "pytorch_model.bin"
        )
        _open_clip_config(folder, patch, quick_gelu=True, interpolation="bicubic", resize_mode="shortest")
        pretrained = {"input_size": [3, 224, 224], "mean": CLIP_MEAN, "std": CLIP_STD, "num_classes": _WIDTH}
        name = f"vit_base_patch{patch}_clip_224"
        _json(folder / "config.json", {"architecture": name, "num_classes": _WIDTH, "pretrained_cfg": pretrained})
        _clip_tokenizer(folder)
        return Repository(folder)

    return make


def laion_base(folder: Path) -> Repository:
    """Only a pickle, and an open_clip config that leaves out what is usual."""
    _folder(folder, "mit", library="open_clip")
    torch.save(_as_open_clip(_openai_state(patch=16, seed=1)), folder / "open_clip_pytorch_model.bin")
    _open_clip_config(folder, 16)
    _clip_tokenizer(folder)
    return Repository(folder)


def laion_large(folder: Path) -> Repository:
    """One model in two formats, both pickled."""
    _openai(folder, patch=14, others=(), seed=2)
    torch.save(_as_open_clip(_openai_state(patch=14, seed=2)), folder / "open_clip_pytorch_model.bin")
    _open_clip_config(folder, 14)
    for name in ("vocab.json", "merges.txt", "tokenizer_config.json"):
        (folder / name).unlink()
    return Repository(folder)


def apple_dfn(num: int, patch: int) -> Callable[[Path], Repository]:
    """The bot's pull request holds two safetensors files with different keys."""

    def make(folder: Path) -> Repository:
        state = _openai_state(patch=patch, seed=3)
        main = _folder(folder / "main", "apple-amlr", library="open_clip")
        torch.save(_as_open_clip(state), main / "open_clip_pytorch_model.bin")
        _open_clip_config(main, patch, quick_gelu=True)
        _clip_tokenizer(main)
        pull = folder / "pull"
        pull.mkdir()
        save_file(state, pull / "model.safetensors", metadata={"format": "pt"})
        save_file(_as_open_clip(state), pull / "open_clip_pytorch_model.safetensors", metadata={"format": "pt"})
        return Repository(main, (PullRequest(num, pull),))

    return make


def pe_core(folder: Path) -> Repository:
    """A picture tower of timm's: open_clip's own code is needed."""
    _folder(folder, "apache-2.0", library="open_clip")
    state = {
        "visual.trunk.patch_embed.proj.weight": torch.zeros(8, 3, 16, 16),
        "text.token_embedding.weight": torch.ones(9, 8),
    }
    save_file(state, folder / "open_clip_model.safetensors")
    torch.save(state, folder / "open_clip_pytorch_model.bin")
    vision = {"image_size": 224, "timm_model_name": "vit_pe_core_base_patch16_224", "timm_pool": "map", "timm_proj": ""}
    text = {"context_length": 32, "vocab_size": 49408, "width": 1024, "heads": 16, "layers": 24, "output_tokens": False}
    model = {"embed_dim": 1024, "vision_cfg": vision, "text_cfg": text, "custom_text": True}
    halves = {"mean": [0.5] * 3, "std": [0.5] * 3, "interpolation": "bilinear", "resize_mode": "squash"}
    _json(folder / "open_clip_config.json", {"model_cfg": model, "preprocess_cfg": halves})
    _clip_tokenizer(folder)
    return Repository(folder)


def siglip(kind: str) -> Callable[[Path], Repository]:
    """`siglip`, `siglip2` (whose model_type is siglip) or `naflex`: sub-configs that say nearly nothing."""

    def make(folder: Path) -> Repository:
        _folder(folder, "apache-2.0")
        make_tiny_siglip_folder(folder, kind=kind, image_size=224, patch_size=16)  # type: ignore[arg-type]
        config = json.loads((folder / "config.json").read_text())
        for tower, usual in (("text", "siglip_text_model"), ("vision", "siglip_vision_model")):
            defaults = {"attention_dropout", "hidden_act", "layer_norm_eps", "dtype", "projection_size", "num_channels"}
            sub = {key: value for key, value in config[f"{tower}_config"].items() if key not in defaults}
            config[f"{tower}_config"] = sub | {"model_type": usual if kind != "naflex" else f"siglip2_{tower}_model"}
        _json(folder / "config.json", config)
        pieces = [token for token, _ in sorted(_vocabulary(folder).items(), key=lambda item: item[1])]
        model = folder / ("spiece.model" if kind == "siglip" else "tokenizer.model")
        model.write_bytes(_sentencepiece(pieces))
        special = {"eos_token": "</s>", "pad_token": "</s>", "unk_token": "<unk>"}
        if kind != "siglip":
            special = {"bos_token": "<bos>", "eos_token": "<eos>", "pad_token": "<pad>", "unk_token": "<unk>"}
        _json(folder / "special_tokens_map.json", special)
        if kind == "siglip":
            torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
        return Repository(folder)

    return make


def metaclip2(folder: Path) -> Repository:
    """CLIP's network over a vocabulary of many languages."""
    _folder(folder, "cc-by-nc-4.0")
    make_tiny_metaclip2_folder(folder, image_size=224, patch_size=32)
    pieces = [token for token, _ in sorted(_vocabulary(folder).items(), key=lambda item: item[1])]
    (folder / "sentencepiece.bpe.model").write_bytes(_sentencepiece(pieces))
    _json(folder / "special_tokens_map.json", {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>"})
    return Repository(folder)


def clap(num: int | None) -> Callable[[Path], Repository]:
    """A pickle that stores integers; `num` is the bot's pull request, where there is one."""

    def make(folder: Path) -> Repository:
        main = _folder(folder / "main", "apache-2.0")
        vocabulary = _clip_tokenizer(main, roberta=True)
        text = {"vocab_size": vocabulary, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1}
        audio = {"patch_embeds_hidden_size": 8, "depths": [1, 1, 1, 1], "num_attention_heads": [1, 2, 2, 4]}
        audio |= {"hidden_size": 64, "projection_dim": 32}
        settings = {"num_attention_heads": 2, "max_position_embeddings": 514, "projection_dim": 32}
        config = ClapConfig(text_config=text | settings, audio_config=audio, projection_dim=32)
        state = _random_state(ClapModel(config), seed=4)
        state["audio_model.audio_encoder.layers.0.blocks.0.attn.relative_position_index"] = torch.arange(4)
        torch.save(state, main / "pytorch_model.bin")
        _json(main / "config.json", config.to_dict() | {"architectures": ["ClapModel"]})
        spectrogram = {"feature_size": 64, "sampling_rate": 48000, "hop_length": 480, "max_length_s": 10}
        kind = {"feature_extractor_type": "ClapFeatureExtractor", "processor_class": "ClapProcessor"}
        rest = {"fft_window_size": 1024, "frequency_min": 50, "frequency_max": 14000, "truncation": "rand_trunc"}
        _json(main / "preprocessor_config.json", spectrogram | kind | rest | {"padding": "repeatpad", "top_db": None})
        if num is None:
            return Repository(main)
        pull = folder / "pull"
        pull.mkdir()
        save_file(state, pull / "model.safetensors", metadata={"format": "pt"})
        return Repository(main, (PullRequest(num, pull),))

    return make


def pe_av(num_frames: int) -> Callable[[Path], Repository]:
    """Sound, video, both, and text in one space; its picture tower is transformers' here, where theirs is timm's."""

    def make(folder: Path) -> Repository:
        _folder(folder, "apache-2.0")
        make_tiny_pe_av_folder(folder, num_frames=num_frames)
        _json(folder / "special_tokens_map.json", {"bos_token": "<start>", "eos_token": "<end>", "pad_token": "<pad>"})
        return Repository(folder)

    return make


def xclip(folder: Path) -> Repository:
    """Looks at a whole clip."""
    _folder(folder, "mit")
    vocabulary = _clip_tokenizer(folder)
    text, vision = _towers(vocabulary, patch=16)
    vision |= {
        "num_frames": 8,
        "mit_hidden_size": _WIDTH,
        "mit_intermediate_size": _WIDTH,
        "mit_num_attention_heads": 1,
    }
    config = XCLIPConfig(text_config=text, vision_config=vision | {"mit_num_hidden_layers": 1}, projection_dim=_WIDTH)
    torch.save(_random_state(XCLIPModel(config), seed=5), folder / "pytorch_model.bin")
    _json(folder / "config.json", config.to_dict() | {"architectures": ["XCLIPModel"]})
    _preprocessor(folder, "VideoMAEFeatureExtractor")
    return Repository(folder)


LAYOUTS: dict[str, Callable[[Path], Repository]] = {
    "openai/clip-vit-base-patch16": openai_patch16,
    "openai/clip-vit-base-patch32": openai_patch32,
    "openai/clip-vit-large-patch14": openai_large,
    "timm/vit_base_patch32_clip_224.openai": timm_openai(32),
    "timm/vit_base_patch16_clip_224.openai": timm_openai(16),
    "timm/vit_large_patch14_clip_224.openai": timm_openai(14),
    "laion/CLIP-ViT-B-16-laion2B-s34B-b88K": laion_base,
    "laion/CLIP-ViT-L-14-laion2B-s32B-b82K": laion_large,
    "apple/DFN2B-CLIP-ViT-L-14": apple_dfn(1, 14),
    "apple/DFN5B-CLIP-ViT-H-14": apple_dfn(7, 14),
    "timm/PE-Core-S-16-384": pe_core,
    "timm/PE-Core-B-16": pe_core,
    "google/siglip-base-patch16-224": siglip("siglip"),
    "google/siglip2-base-patch16-224": siglip("siglip2"),
    "google/siglip2-base-patch16-naflex": siglip("naflex"),
    "facebook/metaclip-2-worldwide-b32": metaclip2,
    "laion/clap-htsat-unfused": clap(None),
    "laion/clap-htsat-fused": clap(3),
    "facebook/pe-av-small": pe_av(4),
    "facebook/pe-av-small-16-frame": pe_av(16),
    "microsoft/xclip-base-patch16-zero-shot": xclip,
}
"""What is published, and how it is made."""


def _folder(folder: Path, licence: str, *, library: str = "transformers") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "README.md").write_text(f"---\nlicense: {licence}\nlibrary_name: {library}\n---\n# A model card\n")
    (folder / ".gitattributes").write_text("*.bin filter=lfs diff=lfs merge=lfs -text\n")
    return folder


def _openai(folder: Path, *, patch: int, others: tuple[str, ...], seed: int = 0) -> Path:
    """transformers' layout of 2021: a pickle, files of other frameworks, and configs full of what no CLIP needs."""
    _folder(folder, "mit")
    vocabulary = _clip_tokenizer(folder)
    torch.save(_openai_state(patch=patch, seed=seed), folder / "pytorch_model.bin")
    for name in others:
        (folder / name).write_bytes(b"of another framework" * 64)
    text, vision = _towers(vocabulary, patch)
    generation = {"bos_token_id": 0, "eos_token_id": 2, "pad_token_id": 1, "do_sample": False, "num_beams": 1}
    unused = {"add_cross_attention": False, "chunk_size_feed_forward": 0, "is_decoder": False, "torch_dtype": None}
    config = {
        "architectures": ["CLIPModel"],
        "initializer_factor": 1.0,
        "logit_scale_init_value": 2.6592,
        "model_type": "clip",
        "projection_dim": _WIDTH,
        "text_config": {**text, **generation, **unused, "model_type": "clip_text_model"},
        "text_config_dict": None,
        "torch_dtype": "float32",
        "transformers_version": None,
        "vision_config": {**vision, **unused, "model_type": "clip_vision_model"},
        "vision_config_dict": None,
    }
    _json(folder / "config.json", config)
    _preprocessor(folder, "CLIPFeatureExtractor")
    return folder


def _towers(vocabulary: int, patch: int) -> tuple[dict[str, Any], dict[str, Any]]:
    common = {"hidden_size": _WIDTH, "intermediate_size": 4 * _WIDTH, "num_hidden_layers": _LAYERS}
    text = {**common, "num_attention_heads": _HEADS["text"], "vocab_size": vocabulary, "max_position_embeddings": 77}
    vision = {**common, "num_attention_heads": _HEADS["vision"], "image_size": 224, "patch_size": patch}
    return text | {"hidden_act": "quick_gelu"}, vision | {"hidden_act": "quick_gelu"}


@cache
def _openai_state(*, patch: int, seed: int = 0) -> State:
    """As the first versions of transformers saved it, positions as integers included."""
    text, vision = _towers(_clip_vocabulary_size(), patch)
    config = CLIPConfig(text_config=text | {"eos_token_id": 2}, vision_config=vision, projection_dim=_WIDTH)
    state = _random_state(CLIPModel(config), seed)
    state["logit_scale"] = torch.tensor(100.0).log()
    state["text_model.embeddings.position_ids"] = torch.arange(77)[None]
    state["vision_model.embeddings.position_ids"] = torch.arange((224 // patch) ** 2 + 1)[None]
    return state


def _random_state(model: Any, seed: int) -> State:
    """Weights large enough that pictures, places and words make a difference."""
    generator = torch.Generator().manual_seed(seed)
    state = {key: value.detach().clone() for key, value in model.state_dict().items()}
    for key, value in state.items():
        if value.is_floating_point() and value.ndim:
            base = 1.0 if value.ndim == 1 and key.endswith("weight") else 0.0
            state[key] = base + torch.randn(value.shape, generator=generator) * (0.02 if value.ndim == 1 else 0.15)
    return state


def _as_open_clip(state: State) -> State:
    """The same CLIP under open_clip's names (its `convert_weights` the other way round)."""
    renamed: State = {"logit_scale": state["logit_scale"], "text_projection": state["text_projection.weight"].T}
    renamed["token_embedding.weight"] = state["text_model.embeddings.token_embedding.weight"]
    renamed["positional_embedding"] = state["text_model.embeddings.position_embedding.weight"]
    renamed["visual.class_embedding"] = state["vision_model.embeddings.class_embedding"]
    renamed["visual.positional_embedding"] = state["vision_model.embeddings.position_embedding.weight"]
    renamed["visual.conv1.weight"] = state["vision_model.embeddings.patch_embedding.weight"]
    renamed["visual.proj"] = state["visual_projection.weight"].T
    norms = {"text_model.final_layer_norm": "ln_final", "vision_model.pre_layrnorm": "visual.ln_pre"}
    norms["vision_model.post_layernorm"] = "visual.ln_post"
    parts = {"layer_norm1": "ln_1", "layer_norm2": "ln_2", "mlp.fc1": "mlp.c_fc", "mlp.fc2": "mlp.c_proj"}
    parts["self_attn.out_proj"] = "attn.out_proj"
    for theirs, ours in (("text_model", ""), ("vision_model", "visual.")):
        for layer in range(_LAYERS):
            old, new = f"{theirs}.encoder.layers.{layer}", f"{ours}transformer.resblocks.{layer}"
            norms |= {f"{old}.{part}": f"{new}.{name}" for part, name in parts.items()}
            for kind in ("weight", "bias"):
                three = [state[f"{old}.self_attn.{which}_proj.{kind}"] for which in "qkv"]
                renamed[f"{new}.attn.in_proj_{kind}"] = torch.cat(three)
    for old, new in norms.items():
        renamed |= {f"{new}.{kind}": state[f"{old}.{kind}"] for kind in ("weight", "bias")}
    return {key: value.contiguous() for key, value in renamed.items()}


def _open_clip_config(folder: Path, patch: int, *, quick_gelu: bool | None = None, **preprocess: str) -> None:
    vision = {"image_size": 224, "layers": _LAYERS, "width": _WIDTH, "patch_size": patch}
    text = {"context_length": 77, "vocab_size": _clip_vocabulary_size(), "width": _WIDTH, "heads": 8, "layers": _LAYERS}
    model: dict[str, Any] = {"embed_dim": _WIDTH, "vision_cfg": vision, "text_cfg": text}
    if quick_gelu is not None:
        model["quick_gelu"] = quick_gelu
    preprocess_cfg = {"mean": CLIP_MEAN, "std": CLIP_STD, **preprocess}
    _json(folder / "open_clip_config.json", {"model_cfg": model, "preprocess_cfg": preprocess_cfg})


def _preprocessor(folder: Path, kind: str) -> None:
    sizes = {"crop_size": 224, "do_center_crop": True, "do_normalize": True, "do_resize": True, "size": 224}
    names = {"feature_extractor_type": kind, "image_mean": CLIP_MEAN, "image_std": CLIP_STD, "resample": 3}
    _json(folder / "preprocessor_config.json", sizes | names)


@cache
def _clip_bpe() -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Vocabulary and merges as OpenAI's: 256 bytes, the same at the end of a word, merges, start and end of text."""
    tokenizer = _bpe({}, [])
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = BpeTrainer(
        vocab_size=1600, end_of_word_suffix="</w>", initial_alphabet=alphabet, show_progress=False, special_tokens=[]
    )
    sentences = [template.replace("{}", "") for template in load_prompts("kinetics700")]
    tokenizer.train_from_iterator([*load_label_set("kinetics700").readable, *sentences * 20], trainer)
    merges = [tuple(pair) for pair in json.loads(tokenizer.to_str())["model"]["merges"]]
    tokens = [*alphabet, *(f"{letter}</w>" for letter in alphabet), *("".join(pair) for pair in merges)]
    tokens = [*dict.fromkeys(tokens), "<|startoftext|>", "<|endoftext|>"]
    return {token: number for number, token in enumerate(tokens)}, merges  # type: ignore[return-value]


def _clip_vocabulary_size() -> int:
    return len(_clip_bpe()[0])


def _bpe(vocabulary: dict[str, int], merges: list[tuple[str, str]]) -> Tokenizer:
    tokenizer = Tokenizer(BPE(vocabulary, merges, end_of_word_suffix="</w>", continuing_subword_prefix=""))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    words = Regex(r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(words, "removed", invert=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def _clip_tokenizer(folder: Path, *, roberta: bool = False) -> int:
    """CLIP's five files, or those of a RoBERTa that uses the same words; returns how many tokens there are."""
    vocabulary, merges = _clip_bpe()
    start, end = ("<s>", "</s>") if roberta else ("<|startoftext|>", "<|endoftext|>")
    if roberta:
        words = [token for token in vocabulary if not token.startswith("<|")]
        vocabulary = {token: n for n, token in enumerate(["<s>", "<pad>", "</s>", "<unk>", *words, "<mask>"])}
    tokenizer = _bpe(vocabulary, merges)
    special = {"bos_token": start, "eos_token": end, "unk_token": "<unk>" if roberta else end}
    special["pad_token"] = "<pad>" if roberta else end
    tokenizer.add_special_tokens(sorted(set(special.values()), key=lambda token: vocabulary[token]))
    ends = ((end, vocabulary[end]), (start, vocabulary[start]))
    tokenizer.post_processor = RobertaProcessing(*ends, trim_offsets=False, add_prefix_space=False)
    tokenizer.save(str(folder / "tokenizer.json"))
    _json(folder / "vocab.json", vocabulary)
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *(" ".join(pair) for pair in merges), ""]))
    _json(folder / "special_tokens_map.json", special)
    kind = "RobertaTokenizer" if roberta else "CLIPTokenizer"
    _json(folder / "tokenizer_config.json", {**special, "model_max_length": 77, "tokenizer_class": kind})
    return len(vocabulary)


def _vocabulary(folder: Path) -> dict[str, int]:
    vocabulary: dict[str, int] = Tokenizer.from_file(str(folder / "tokenizer.json")).get_vocab()
    return vocabulary


def _sentencepiece(pieces: list[str]) -> bytes:
    """A SentencePiece model (protobuf `ModelProto`): field 1, repeated, of piece (1), score (2) and type (3)."""
    written = b""
    for number, piece in enumerate(pieces):
        text = piece.encode()
        kind = {"<unk>": 2, "<pad>": 3, "</s>": 3, "<s>": 3, "<bos>": 3, "<eos>": 3}.get(piece, 1)
        entry = (
            b"\x0a" + _varint(len(text)) + text + b"\x15" + struct.pack("<f", -float(number)) + b"\x18" + bytes([kind])
        )
        written += b"\x0a" + _varint(len(entry)) + entry
    return written


def _varint(number: int) -> bytes:
    return bytes([number]) if number < 128 else bytes([number % 128 + 128]) + _varint(number // 128)


def _json(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, indent=2))
