"""What a picture goes through before the encoder, as the model's own files say it; and the hash of all that decides an
embedding.

Knows files, not pictures.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from openmov.errors import BackboneError
from openmov.media.sampling import Resize
from openmov.media.scaling import Interpolation
from openmov.model.backbones.contents import ModelContents, read_json

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)

_PIL_FILTERS: dict[int, Interpolation] = {0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic"}
"""`resample` of transformers' image processors is PIL's number."""
_HASHED_TOKENIZER_FILES = ("tokenizer.json", "vocab.json", "merges.txt")


@dataclass(frozen=True)
class Preprocessing:
    """From a picture of any shape to the square, normalised input of the encoder."""

    mean: tuple[float, float, float] = CLIP_MEAN
    """Of red, green and blue in [0, 1], subtracted."""
    std: tuple[float, float, float] = CLIP_STD
    """Divided by after the mean."""
    resize: Resize = "shortest"
    """What becomes of a picture that is not square."""
    interpolation: Interpolation = "bicubic"
    """How pixels are resampled."""


def read_preprocessing(name: str, contents: ModelContents, default: Preprocessing = Preprocessing()) -> Preprocessing:
    """What the model's files say, and `default` where they are silent. Raises BackboneError."""
    if contents.format == "open_clip":
        return _of_open_clip(name, contents.config)
    return _of_processor(name, _processor(name, contents.folder), default)


def folder_identity(contents: ModelContents, preprocessing: Preprocessing) -> str:
    """A hash of all that decides an embedding: weights, preprocessing, tokenizer, architecture; no names or paths.

    A CLIP in transformers' format keeps the identity that earlier versions gave it: caches and checkpoints hold it.
    """
    digest = hashlib.sha256()
    for file in (*_hashed_weights(contents), *_hashed_tokenizer(contents)):
        with file.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    facts: dict[str, Any] = {"mean": preprocessing.mean, "std": preprocessing.std}
    if contents.format == "open_clip":
        facts["open_clip"] = contents.config["model_cfg"]
    else:
        facts |= {tower: contents.config.get(f"{tower}_config") for tower in ("text", "vision")}
        heard = {tower: contents.config.get(f"{tower}_config") for tower in ("audio", "audio_video")}
        facts |= {tower: config for tower, config in heard.items() if config is not None}
    if preprocessing.resize != "shortest":
        facts["resize"] = preprocessing.resize
    if preprocessing.interpolation != "bicubic":
        facts["interpolation"] = preprocessing.interpolation
    digest.update(json.dumps(facts, sort_keys=True).encode())
    return digest.hexdigest()[:16]


def _hashed_weights(contents: ModelContents) -> list[Path]:
    """Earlier versions hashed every file called model*.safetensors, whichever of them was loaded."""
    if contents.format == "transformers" and contents.weights[0].parent == contents.folder:
        return sorted({*contents.folder.glob("model*.safetensors"), *contents.weights})
    return list(contents.weights)


def _hashed_tokenizer(contents: ModelContents) -> list[Path]:
    known = [contents.folder / file for file in _HASHED_TOKENIZER_FILES if (contents.folder / file).is_file()]
    return known or [file for file in contents.tokenizer_files if file.suffix == ".model"]


def _processor(name: str, folder: Path) -> dict[str, Any]:
    if (folder / "preprocessor_config.json").is_file():
        return read_json(name, folder / "preprocessor_config.json")
    if (folder / "processor_config.json").is_file():
        found = read_json(name, folder / "processor_config.json").get("image_processor", {})
        return found if isinstance(found, dict) else {}
    return {}


def _of_processor(name: str, processor: Mapping[str, Any], default: Preprocessing) -> Preprocessing:
    """transformers' image processor."""
    mean = _three_numbers(name, "image_mean", processor.get("image_mean", default.mean))
    std = _three_numbers(name, "image_std", processor.get("image_std", default.std))
    if processor.get("do_normalize") is False:
        mean, std = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
    size, resample = processor.get("size"), processor.get("resample")
    resize = default.resize
    if isinstance(size, dict) and {"height", "width"} <= size.keys():
        resize = "squash"
    elif isinstance(size, dict) and "longest_edge" in size and "shortest_edge" not in size:
        resize = "longest"
    elif size is not None:
        resize = "shortest"
    interpolation = default.interpolation if resample is None else _PIL_FILTERS.get(resample)
    if interpolation is None:
        raise BackboneError(name, f"resamples pictures by PIL's filter {resample!r}, which is not known here")
    return Preprocessing(mean, std, resize, interpolation)


def _of_open_clip(name: str, config: Mapping[str, Any]) -> Preprocessing:
    """open_clip's `preprocess_cfg`; what it leaves out is CLIP's, as in open_clip's PreprocessCfg."""
    found = config.get("preprocess_cfg") or {}
    mean = _three_numbers(name, "mean", _thrice(found.get("mean") or CLIP_MEAN))
    std = _three_numbers(name, "std", _thrice(found.get("std") or CLIP_STD))
    resize: Any = found.get("resize_mode") or "shortest"
    interpolation: Any = found.get("interpolation") or "bicubic"
    if interpolation == "random":  # of two filters, in training; open_clip answers with this one
        interpolation = "bicubic"
    if resize not in ("shortest", "squash", "longest") or interpolation not in ("bicubic", "bilinear"):
        what = f"asks for resize_mode {resize!r} with {interpolation!r}, which is not known here"
        raise BackboneError(name, what, "give an open_clip model with a resize_mode of shortest, squash or longest")
    return Preprocessing(mean, std, resize, interpolation)


def _thrice(value: Any) -> Any:
    return [value] * 3 if isinstance(value, int | float) else value


def _three_numbers(name: str, field: str, value: Any) -> tuple[float, float, float]:
    if not (isinstance(value, list | tuple) and len(value) == 3 and all(isinstance(x, int | float) for x in value)):
        raise BackboneError(name, f"{field} of its preprocessing is not a list of three numbers", "fix the file")
    return float(value[0]), float(value[1]), float(value[2])
