"""A pretrained model as a folder in Hugging Face format: found, checked and hashed, before any weight is loaded.

Knows files, not networks: no tensor is made here. Whatever is wrong with the folder becomes one BackboneError.
"""

import hashlib
import json
import re
import struct
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError, RevisionNotFoundError

from openmov.errors import BackboneError

BUNDLED = {"shapesav-tiny": "data/shapesav/weights", "shapesav-tiny-wide": "data/shapesav/weights_wide"}
"""Backbones that ship with the package, and where inside it."""

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)

_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")
_WANTED = [
    "config.json",
    "model*.safetensors*",
    "*processor_config.json",
    "tokenizer*.json",
    "vocab.json",
    "merges.txt",
]
_TIMEOUT_SECONDS = 5.0
_TOKENIZER_FILES = ("tokenizer.json", "vocab.json", "merges.txt")
# The hub's own errors and those of the HTTP library beneath it, whichever that is in the installed version.
_HUB_ERRORS: tuple[type[Exception], ...] = (OSError, *HfHubHTTPError.__bases__)


@dataclass(frozen=True)
class Preprocessing:
    """What a picture in [0, 1] goes through before the encoder."""

    mean: tuple[float, float, float] = CLIP_MEAN
    """Of red, green and blue, subtracted."""
    std: tuple[float, float, float] = CLIP_STD
    """Divided by after the mean."""


def resolve_folder(name: str, revision: str | None = None) -> Path:
    """The local folder behind a folder name, a bundled name or a hub name (downloaded once, then from the hub's cache).

    Honours HF_HUB_OFFLINE and HF_HOME. Raises BackboneError.
    """
    folder = Path(name).expanduser()
    local = name in BUNDLED or bool(name and folder.is_dir())
    if local and revision is not None:
        raise BackboneError(name, "is no hub model, and has no revision of its own", "leave the revision out")
    if name in BUNDLED:
        return _bundled(name)
    if local:
        return folder
    if folder.exists() or not _HUB_NAME.fullmatch(name):
        raise BackboneError(
            name,
            "is no folder",
            "give a folder in Hugging Face format, or a hub name such as openai/clip-vit-base-patch16",
        )
    return _from_hub(name, revision)


def _bundled(name: str) -> Path:
    folder = Path(str(files("openmov"))) / BUNDLED[name]
    if not (folder / "config.json").is_file():
        raise BackboneError(name, "is missing from this installation", "install the package again")
    return folder


def _from_hub(name: str, revision: str | None) -> Path:
    try:
        return Path(snapshot_download(name, revision=revision, allow_patterns=_WANTED, etag_timeout=_TIMEOUT_SECONDS))
    except RepositoryNotFoundError as error:
        raise BackboneError(
            name,
            "is no folder here and no public model of the hub",
            "check the name, or give a local folder (--backbone FOLDER, --set backbone.name=FOLDER)",
        ) from error
    except RevisionNotFoundError as error:
        raise BackboneError(name, f"has no revision {revision!r} on the hub", "check backbone.revision") from error
    except _HUB_ERRORS as error:
        raise BackboneError(
            name,
            "is no folder here, and the Hugging Face hub cannot be reached",
            "give a local folder (--backbone FOLDER, --set backbone.name=FOLDER), or fetch it once with a network",
        ) from error


def read_clip_config(name: str, folder: Path) -> dict[str, Any]:
    """config.json of a CLIP folder that also holds sound weights and a tokenizer. Raises BackboneError."""
    config = _read_json(name, folder / "config.json")
    kind = config.get("model_type")
    if kind not in ("clip", "xclip"):
        raise BackboneError(name, f"holds a model of type {kind!r}, not CLIP", "give a CLIP in Hugging Face format")
    for file in weight_files(name, folder):
        _refuse_damaged(name, file)
    if not any((folder / file).is_file() for file in _TOKENIZER_FILES[:2]):
        raise BackboneError(name, "holds no tokenizer", "put the model's tokenizer.json beside its weights")
    if (folder / "tokenizer.json").is_file():
        _read_json(name, folder / "tokenizer.json")
    return config


def read_preprocessing(name: str, folder: Path) -> Preprocessing:
    """Mean and standard deviation of the image processor; CLIP's where the folder is silent. Raises BackboneError."""
    processor: dict[str, Any] = {}
    if (folder / "preprocessor_config.json").is_file():
        processor = _read_json(name, folder / "preprocessor_config.json")
    elif (folder / "processor_config.json").is_file():
        processor = _read_json(name, folder / "processor_config.json").get("image_processor", {})
    if processor.get("do_normalize") is False:
        return Preprocessing((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    mean = processor.get("image_mean", CLIP_MEAN)
    std = processor.get("image_std", CLIP_STD)
    return Preprocessing(_three_numbers(name, "image_mean", mean), _three_numbers(name, "image_std", std))


def weight_files(name: str, folder: Path) -> list[Path]:
    """The safetensors files, sorted by name. Raises BackboneError where there is none."""
    found = sorted(folder.glob("model*.safetensors"))
    if not found:
        raise BackboneError(
            name,
            "holds no model.safetensors",
            "use a copy or revision with safetensors weights (other formats can carry code and are not read)",
        )
    return found


def folder_identity(name: str, folder: Path, config: dict[str, Any], preprocessing: Preprocessing) -> str:
    """A hash of all that decides an embedding: weights, preprocessing, tokenizer, architecture; no names or paths."""
    digest = hashlib.sha256()
    tokenizer = [folder / file for file in _TOKENIZER_FILES if (folder / file).is_file()]
    for file in (*weight_files(name, folder), *tokenizer):
        with file.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    towers = {tower: config.get(f"{tower}_config") for tower in ("text", "vision")}
    facts = {"mean": preprocessing.mean, "std": preprocessing.std, **towers}
    digest.update(json.dumps(facts, sort_keys=True).encode())
    return digest.hexdigest()[:16]


def _read_json(name: str, path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BackboneError(name, f"holds no {path.name}", "give a CLIP folder in Hugging Face format") from None
    except (OSError, ValueError) as error:
        raise BackboneError(name, f"{path.name} cannot be read", "fetch the model again") from error
    if not isinstance(content, dict):
        raise BackboneError(name, f"{path.name} is no JSON object", "fetch the model again")
    return content


def _three_numbers(name: str, field: str, value: Any) -> tuple[float, float, float]:
    if not (isinstance(value, list | tuple) and len(value) == 3 and all(isinstance(x, int | float) for x in value)):
        raise BackboneError(name, f"{field} of the image processor is no list of three numbers", "mend the file")
    return float(value[0]), float(value[1]), float(value[2])


def _refuse_damaged(name: str, path: Path) -> None:
    """Compares a safetensors file's length with what its header announces (format: huggingface/safetensors README)."""
    size = path.stat().st_size
    with path.open("rb") as stream:
        prefix = stream.read(8)
        length = struct.unpack("<Q", prefix)[0] if len(prefix) == 8 else size
        try:
            header = json.loads(stream.read(length)) if length < size else {}
        except ValueError:
            header = {}
    ends = [entry["data_offsets"][1] for key, entry in header.items() if key != "__metadata__"]
    if not ends or size != 8 + length + max(ends):
        raise BackboneError(name, f"{path.name} is damaged or cut short", "fetch the model again")
