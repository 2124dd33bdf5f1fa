"""What a model folder holds, decided by its content and not by its name, before any weight is loaded.

    config.json with a `model_type`     transformers' format: model.safetensors or pytorch_model.bin, one or sharded
    open_clip_config.json               open_clip's: open_clip_model.safetensors, and the names it had before
    config.json with an `architecture`  timm's; beside open_clip_config.json it describes the picture half once more
                                        and is ignored, alone it is refused

Knows files, not networks: no tensor is made here, and torch is not needed. Whatever is wrong with a folder becomes one
BackboneError. Which code reads what is found is not decided here but in FAMILIES of this package.
"""

import json
import struct
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from openmov.documents import read_json as read_document_json
from openmov.errors import BackboneError

Format = Literal["transformers", "open_clip"]
WeightsFormat = Literal["safetensors", "bin"]
_Weights = tuple[tuple[Path, ...], WeightsFormat]
Header = dict[str, tuple[int, ...]]
"""Names of tensors and their shapes."""

OPEN_CLIP = "open_clip"
"""Kind of an open_clip folder that CLIP's own code reads: a plain ViT and CLIP's text tower."""
OPEN_CLIP_OTHER = "open_clip_other"
"""Kind of an open_clip folder with any other tower."""

FETCH_AGAIN = "fetch the model again"
_GIVE = "give a model in transformers' or open_clip's format"

_TRANSFORMERS_WEIGHTS: tuple[tuple[str, WeightsFormat], ...] = (
    ("model.safetensors", "safetensors"),
    ("pytorch_model.bin", "bin"),
)
_OPEN_CLIP_WEIGHTS: tuple[tuple[str, WeightsFormat], ...] = (
    ("open_clip_model.safetensors", "safetensors"),
    ("open_clip_pytorch_model.safetensors", "safetensors"),
    ("open_clip_pytorch_model.bin", "bin"),
)
_TOKENIZER_FILES = (
    "tokenizer.json",
    "vocab.json",
    "merges.txt",
    "vocab.txt",
    "spiece.model",
    "sentencepiece.bpe.model",
    "tokenizer.model",
    "tokenizer_config.json",
    "special_tokens_map.json",
)
_VOCABULARIES = frozenset(_TOKENIZER_FILES[:7]) - {"merges.txt"}
_CLIP_VISION = {"hidden_size": 768, "num_hidden_layers": 12, "patch_size": 32, "image_size": 224}
_CLIP_TEXT = {"hidden_size": 512, "num_hidden_layers": 12, "vocab_size": 49408, "max_position_embeddings": 77}
# What open_clip takes where a config is silent (its CLIPVisionCfg and CLIPTextCfg), of the options read here.
_VISION_READ = {"layers", "width", "head_width", "mlp_ratio", "patch_size", "image_size"}
_TEXT_READ = {"context_length", "vocab_size", "width", "heads", "layers", "mlp_ratio", "eos_id", "hf_tokenizer_name"}
# Options that may stand in a config of a plain tower, as long as they say what a plain tower does anyway; and those
# that matter only in training, or beside another option that is refused.
_VISION_PLAIN: dict[str, tuple[object, ...]] = {"pool_type": ("tok",), "pos_embed_type": ("learnable",)}
_TEXT_PLAIN: dict[str, tuple[object, ...]] = {"pool_type": ("argmax", "eos"), "proj_type": ("linear",)}
_NO_MATTER = {
    "patch_dropout",
    "attn_pooler_queries",
    "attn_pooler_heads",
    "output_tokens",
    "pad_id",
    "timm_pool",
    "timm_proj",
    "timm_proj_bias",
    "timm_drop",
    "timm_drop_path",
    "timm_model_pretrained",
    "hf_model_pretrained",
    "hf_proj_type",
    "hf_pooler_type",
}


@dataclass(frozen=True)
class ModelContents:
    """One pretrained model in a folder, found and undamaged as far as that can be seen without loading it."""

    folder: Path
    """Where it lies; configs and tokenizer files are here."""
    format: Format
    """Whose layout and key names it has."""
    model_type: str
    """What config.json says of a model in transformers' format; "open_clip" for the others."""
    config: Mapping[str, Any]
    """config.json, or open_clip_config.json."""
    weights: tuple[Path, ...]
    """The files of one set of weights: one, or the shards that an index names, sorted by name."""
    weights_format: WeightsFormat
    """safetensors, or PyTorch's own, which has to be converted first (`weights.py`)."""
    tokenizer_files: tuple[Path, ...]
    """All files that belong to the tokenizer; empty where the folder has none."""
    unread: tuple[str, ...] = ()
    """Options of an open_clip config that CLIP's own code does not know, such as "vision_cfg.timm_model_name"."""

    @property
    def plain(self) -> bool:
        """Whether this is an open_clip model made of a plain ViT and CLIP's text tower."""
        return self.format == "open_clip" and not self.unread

    @property
    def kind(self) -> str:
        """Its key in FAMILIES."""
        if self.format == "transformers":
            return self.model_type
        return OPEN_CLIP if self.plain else OPEN_CLIP_OTHER

    @property
    def has_vocabulary(self) -> bool:
        """Whether one of its tokenizer files says which words there are."""
        return any(file.name in _VOCABULARIES for file in self.tokenizer_files)


def read_contents(name: str, folder: Path) -> ModelContents:
    """The model in a folder. `name` is what errors call it.

    A folder that holds the same model in both formats gives the one with safetensors, or transformers' if both have
    them. Raises BackboneError for a folder without a model, with two different ones, with a config that says nothing,
    without weights, and with damaged ones.
    """
    theirs = _read_optional(name, folder / "config.json")
    open_clip = _read_optional(name, folder / "open_clip_config.json")
    is_timm = theirs is not None and "model_type" not in theirs and "architecture" in theirs
    if theirs is not None and not is_timm and not isinstance(theirs.get("model_type"), str) and open_clip is None:
        raise BackboneError(
            name, "config.json names no model_type", "give a model in transformers' or open_clip's format"
        )
    if theirs is not None and not isinstance(theirs.get("model_type"), str):
        theirs = None
    if theirs is None and open_clip is None:
        if is_timm:
            what = "holds a timm model, which has no words (config.json has an architecture and no model_type)"
            raise BackboneError(name, what, _GIVE)
        raise BackboneError(name, "holds no config.json and no open_clip_config.json", _GIVE)
    if open_clip is not None:
        _check_open_clip(name, open_clip)
    if theirs is not None and open_clip is not None:
        _refuse_two_models(name, theirs, open_clip)
    candidates: list[tuple[Format, _Weights]] = []
    if theirs is not None and (weights := _find_weights(name, folder, _TRANSFORMERS_WEIGHTS)):
        candidates.append(("transformers", weights))
    if open_clip is not None:
        shared = () if theirs is not None else _open_clip_under_transformers_names(name, folder, is_timm=is_timm)
        names = sorted((*_OPEN_CLIP_WEIGHTS, *shared), key=lambda one: one[1] != "safetensors")
        if weights := _find_weights(name, folder, names):
            candidates.append(("open_clip", weights))
    if not candidates:
        wanted = _TRANSFORMERS_WEIGHTS if theirs is not None else _OPEN_CLIP_WEIGHTS
        raise BackboneError(name, f"holds no {' and no '.join(file for file, _ in wanted)}", FETCH_AGAIN)
    form, (files, weights_format) = min(candidates, key=lambda one: one[1][1] != "safetensors")  # the first of equals
    for file in files:
        refuse_damaged(name, file)
    tokenizer_files = tuple(folder / file for file in _TOKENIZER_FILES if (folder / file).is_file())
    for file in tokenizer_files:
        if file.suffix == ".json":
            read_json(name, file)
    if form == "transformers":
        assert theirs is not None
        return ModelContents(
            folder, "transformers", theirs["model_type"], theirs, files, weights_format, tokenizer_files
        )
    assert open_clip is not None
    unread = _unread_options(open_clip["model_cfg"])
    return ModelContents(folder, "open_clip", OPEN_CLIP, open_clip, files, weights_format, tokenizer_files, unread)


def read_json(name: str, path: Path) -> dict[str, Any]:
    """A JSON object from one of the folder's files. Raises BackboneError."""
    try:
        content = read_document_json(path)
    except FileNotFoundError:
        raise BackboneError(name, f"holds no {path.name}", FETCH_AGAIN) from None
    except (OSError, ValueError) as error:
        raise BackboneError(name, f"{path.name} cannot be read", FETCH_AGAIN) from error
    if not isinstance(content, dict):
        raise BackboneError(name, f"{path.name} is not a JSON object", FETCH_AGAIN)
    return content


def read_header(name: str, path: Path) -> Header:
    """Names and shapes of the tensors in a safetensors file. Raises BackboneError where it is damaged or cut short.

    Compares the file's length with what its header announces (format: the README of huggingface/safetensors).
    """
    size = path.stat().st_size
    with path.open("rb") as stream:
        prefix = stream.read(8)
        length = struct.unpack("<Q", prefix)[0] if len(prefix) == 8 else size
        try:
            header = json.loads(stream.read(length)) if length < size else {}
        except ValueError:
            header = {}
    entries = {key: entry for key, entry in header.items() if key != "__metadata__"}
    ends = [entry["data_offsets"][1] for entry in entries.values()]
    if not ends or size != 8 + length + max(ends):
        raise BackboneError(name, f"{path.name} is damaged or cut short", FETCH_AGAIN)
    return {key: tuple(entry["shape"]) for key, entry in entries.items()}


def refuse_damaged(name: str, path: Path) -> None:
    """Raises BackboneError for a file of weights that was cut short, as far as can be seen without loading it."""
    if path.suffix == ".safetensors":
        read_header(name, path)
        return
    with path.open("rb") as stream:
        is_zip = stream.read(2) == b"PK"
    # Before torch 1.6 a file of weights was a bare pickle: that one is judged where it is converted.
    if path.stat().st_size == 0 or (is_zip and not zipfile.is_zipfile(path)):
        raise BackboneError(name, f"{path.name} is damaged or cut short", FETCH_AGAIN)


def _read_optional(name: str, path: Path) -> dict[str, Any] | None:
    return read_json(name, path) if path.is_file() else None


def _find_weights(name: str, folder: Path, names: Sequence[tuple[str, WeightsFormat]]) -> _Weights | None:
    """The first set of weights among some names, whole or as the shards of an index."""
    for file, form in names:
        if (folder / file).is_file():
            return (folder / file,), form
        index = folder / f"{file}.index.json"
        if index.is_file():
            return _shards(name, index), form
    stem = names[0][0].removesuffix(".safetensors")
    if next(folder.glob(f"{stem}-*-of-*.safetensors"), None) is not None:
        what = f"holds parts of {names[0][0]} without {names[0][0]}.index.json"
        raise BackboneError(name, what, FETCH_AGAIN)
    return None


def _shards(name: str, index: Path) -> tuple[Path, ...]:
    parts = read_json(name, index).get("weight_map")
    if not isinstance(parts, dict) or not parts or not all(isinstance(part, str) for part in parts.values()):
        raise BackboneError(name, f"{index.name} holds no weight_map", FETCH_AGAIN)
    files = tuple(index.parent / part for part in sorted(set(parts.values())))
    for file in files:
        if file.name != file.relative_to(index.parent).as_posix():
            raise BackboneError(name, f"{index.name} names files outside the folder", FETCH_AGAIN)
        if not file.is_file():
            raise BackboneError(name, f"is incomplete: {file.name} is missing", FETCH_AGAIN)
    return files


def _open_clip_under_transformers_names(
    name: str, folder: Path, *, is_timm: bool
) -> tuple[tuple[str, WeightsFormat], ...]:
    """transformers' file names, as far as open_clip's weights stand under them.

    timm's repositories keep their own weights, the picture half, under these names.
    """
    found: list[tuple[str, WeightsFormat]] = []
    path = folder / "model.safetensors"
    if path.is_file() and is_open_clip_header(read_header(name, path)):
        found.append(("model.safetensors", "safetensors"))
    if not is_timm:
        found.append(("pytorch_model.bin", "bin"))
    return tuple(found)


def is_open_clip_header(header: Header) -> bool:
    """Whether tensors are named as open_clip names those of a picture tower and a text tower."""
    pictures = any(key.startswith("visual.") for key in header)
    return pictures and any(key == "token_embedding.weight" or key.startswith("text.") for key in header)


def _check_open_clip(name: str, config: Mapping[str, Any]) -> None:
    model = config.get("model_cfg")
    towers = [model.get(part) for part in ("vision_cfg", "text_cfg")] if isinstance(model, dict) else []
    if not isinstance(model, dict) or not isinstance(model.get("embed_dim"), int):
        raise BackboneError(name, "open_clip_config.json holds no model_cfg with an embed_dim", FETCH_AGAIN)
    if not all(isinstance(tower, dict) for tower in towers):
        what = "open_clip_config.json describes no model of pictures and words (vision_cfg and text_cfg)"
        raise BackboneError(name, what, "give a model with both")


def _unread_options(model: Mapping[str, Any]) -> tuple[str, ...]:
    """Options of a model_cfg that ask for something else than a plain ViT and CLIP's text tower."""
    odd = [key for key in model if key not in {"embed_dim", "vision_cfg", "text_cfg", "quick_gelu", "custom_text"}]
    odd = [key for key in odd if model[key] and key not in {"init_logit_scale", "init_logit_bias"}]
    if model.get("init_logit_bias") is not None:
        odd.append("init_logit_bias")
    vision, text = model["vision_cfg"], model["text_cfg"]
    odd += [f"vision_cfg.{key}" for key in _odd(vision, _VISION_READ, _VISION_PLAIN)]
    if not isinstance(vision.get("layers", 12), int):
        odd.append("vision_cfg.layers")  # four numbers are a ResNet
    for key in ("image_size", "patch_size"):
        if not isinstance(vision.get(key, 16), int):
            odd.append(f"vision_cfg.{key}")
    odd += [f"text_cfg.{key}" for key in _odd(text, _TEXT_READ, _TEXT_PLAIN)]
    return tuple(odd)


def _odd(tower: Mapping[str, Any], read: set[str], plain: Mapping[str, tuple[object, ...]]) -> list[str]:
    odd = [key for key, value in tower.items() if key not in read | _NO_MATTER and value]
    return [key for key in odd if tower[key] not in plain.get(key, ())]


def _refuse_two_models(name: str, theirs: Mapping[str, Any], open_clip: Mapping[str, Any]) -> None:
    """Compares what both configs say of the same thing."""
    ours, other = _transformers_facts(theirs), _open_clip_facts(open_clip["model_cfg"])
    for fact in ours:
        if fact in other and ours[fact] != other[fact]:
            said = f"{fact} is {ours[fact]} in config.json and {other[fact]} in open_clip_config.json"
            raise BackboneError(name, f"holds two different models: {said}", "keep one model in a folder")


def _transformers_facts(config: Mapping[str, Any]) -> dict[str, int]:
    """Of a config in transformers' format, as far as it says them; CLIP's defaults count for a CLIP."""
    is_clip = config.get("model_type") == "clip"
    vision = {**(_CLIP_VISION if is_clip else {}), **_tower(config, "vision")}
    text = {**(_CLIP_TEXT if is_clip else {}), **_tower(config, "text")}
    facts = {
        "the width of embeddings": config.get("projection_dim", 512 if is_clip else None),
        "the width of the picture tower": vision.get("hidden_size"),
        "the layers of the picture tower": vision.get("num_hidden_layers"),
        "the size of patches": vision.get("patch_size"),
        "the size of pictures": vision.get("image_size"),
        "the width of the text tower": text.get("hidden_size"),
        "the layers of the text tower": text.get("num_hidden_layers"),
        "the vocabulary": text.get("vocab_size"),
        "the longest sentence": text.get("max_position_embeddings"),
    }
    return {fact: value for fact, value in facts.items() if isinstance(value, int)}


def _tower(config: Mapping[str, Any], tower: str) -> dict[str, Any]:
    """What transformers takes: the older `_config_dict` overrides."""
    return {**(config.get(f"{tower}_config") or {}), **(config.get(f"{tower}_config_dict") or {})}


def _open_clip_facts(model: Mapping[str, Any]) -> dict[str, int]:
    vision, text = model["vision_cfg"], model["text_cfg"]
    facts: dict[str, Any] = {
        "the width of embeddings": model["embed_dim"],
        "the size of pictures": vision.get("image_size", 224),
    }
    if not vision.get("timm_model_name"):
        facts["the width of the picture tower"] = vision.get("width", 768)
        facts["the layers of the picture tower"] = vision.get("layers", 12)
        facts["the size of patches"] = vision.get("patch_size", 16)
    if not text.get("hf_model_name"):
        facts["the width of the text tower"] = text.get("width", 512)
        facts["the layers of the text tower"] = text.get("layers", 12)
        facts["the vocabulary"] = text.get("vocab_size", 49408)
        facts["the longest sentence"] = text.get("context_length", 77)
    return {fact: value for fact, value in facts.items() if isinstance(value, int)}
