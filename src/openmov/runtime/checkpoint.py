"""Checkpoints: a folder of safetensors files and one `checkpoint.json` that names them. The only way to safetensors.

    best/checkpoint.json                  format version, kind, provenance, step, epoch, metrics, names of the files
    best/weights-3f9a01c2.safetensors     what was trained, and nothing else
    last/resume-77b0e5d4.safetensors      optimiser and random state; only where training can be resumed

A checkpoint is replaced by writing the new tensors beside the old ones under names never used before, then renaming
`checkpoint.json` into place, then deleting what it no longer names. That one rename is the whole replacement: killed at
any instant, the folder holds the old checkpoint or the new one, complete. Nothing is ever unpickled.
Knows nothing of models, optimisers or recipes.
"""

import hashlib
import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import ConfigDict, TypeAdapter, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import load, load_file, save, save_file
from torch import Tensor

from openmov.documents import DocumentError, parse_json, read_document
from openmov.errors import CheckpointError
from openmov.runtime.atomic import atomic_file, write_text

FORMAT_VERSION = 1
"""Raised whenever a reader of the older format would misread the newer one."""

HEADER_NAME = "checkpoint.json"
"""The file whose presence makes a folder a checkpoint."""

Part = Literal["weights", "resume"]
_STRICT = ConfigDict(strict=True, extra="forbid")


@dataclass(frozen=True)
class Provenance:
    """Where trained weights come from: the same for every checkpoint of a run."""

    recipe: Mapping[str, Any] = field(repr=False)
    """The recipe, as plain JSON values."""
    backbone_name: str
    """What the user called the backbone."""
    backbone_identity: str
    """Hash of its weights and preprocessing."""
    vocabulary_identity: str
    """Hash of the vocabulary trained on."""
    base_classes: tuple[str, ...] = field(repr=False)
    """Its base names, in the order of the score vector."""
    prompts: str
    """Its template set."""
    backbone_revision: str | None = None
    """Full commit hash of the hub's repository the backbone came from; None for one of no hub."""
    backbone_licence: str = "unknown"
    """Under which the backbone's weights are published."""


@dataclass(frozen=True)
class CheckpointHeader:
    """What a checkpoint says of itself."""

    kind: Literal["last", "best", "epoch"]
    """Resumable state, best by validation, or one of the weights kept for every epoch."""
    provenance: Provenance
    """What was trained, on what."""
    step: int
    """Optimiser steps done."""
    epoch: int
    """Epochs completed."""
    metrics: Mapping[str, float | int | None] = field(default_factory=dict)
    """Free numbers, such as the validation accuracy."""


@dataclass(frozen=True)
class _Document:
    """`checkpoint.json`, whole."""

    __pydantic_config__ = _STRICT

    format_version: int
    header: CheckpointHeader
    files: Mapping[Part, str]


_DOCUMENT = TypeAdapter(_Document)


def save_checkpoint(
    folder: Path,
    tensors: Mapping[str, Tensor],
    header: CheckpointHeader,
    resume: Mapping[str, Tensor] | None = None,
) -> None:
    """Writes the trained `tensors`, and the `resume` state if there is one, replacing an older checkpoint in `folder`.

    Raises StorageError, which leaves the older checkpoint as it was.
    """
    parts: dict[Part, Mapping[str, Tensor]] = {"weights": tensors}
    if resume is not None:
        parts["resume"] = resume
    token = secrets.token_hex(4)
    files: dict[Part, str] = {part: f"{part}-{token}.safetensors" for part in parts}
    try:
        for part, contents in parts.items():
            save_tensors(folder / files[part], contents)
        document = {"format_version": FORMAT_VERSION, "header": asdict(header), "files": files}
        write_text(folder / HEADER_NAME, json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
    finally:
        _sweep(folder, frozenset(files.values()))


def load_checkpoint(folder: Path) -> tuple[dict[str, Tensor], CheckpointHeader]:
    """The trained weights, on the CPU, and the header. Raises CheckpointError."""
    document = _read_document(folder)
    return _read_tensors(folder, document, "weights"), document.header


def load_resume_state(folder: Path) -> dict[str, Tensor]:
    """Optimiser and random state of a `last` checkpoint, on the CPU. Raises CheckpointError."""
    return _read_tensors(folder, _read_document(folder), "resume")


def load_header(folder: Path) -> CheckpointHeader:
    """The header alone, without reading a tensor. Raises CheckpointError."""
    return _read_document(folder).header


def weights_sha256(folder: Path) -> str:
    """SHA-256 of the file of trained weights, for results. Raises CheckpointError."""
    path = folder / _read_document(folder).files["weights"]
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise CheckpointError(path, "is missing", "copy the whole folder, or give another checkpoint") from error


def tensors_to_bytes(tensors: Mapping[str, Tensor]) -> bytes:
    """What `tensors_from_bytes` takes: for another process of the same job."""
    return save({name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()})


def tensors_from_bytes(data: bytes) -> dict[str, Tensor]:
    """Undoes `tensors_to_bytes`; on the CPU."""
    found: dict[str, Tensor] = load(data)
    return found


def is_checkpoint(folder: Path) -> bool:
    """Whether `folder` holds a complete checkpoint, of whatever version."""
    return (folder / HEADER_NAME).is_file()


def require_match(
    header: CheckpointHeader,
    *,
    backbone_identity: str | None = None,
    vocabulary_identity: str | None = None,
    where: str | Path = "checkpoint",
) -> None:
    """Refuses weights made for another backbone or vocabulary; None is not compared. Raises CheckpointError."""
    made = header.provenance
    if backbone_identity is not None and backbone_identity != made.backbone_identity:
        what = f"was trained with the backbone {made.backbone_name} ({made.backbone_identity}), not {backbone_identity}"
        raise CheckpointError(where, what, "give the backbone it was trained with, or train anew")
    if vocabulary_identity is not None and vocabulary_identity != made.vocabulary_identity:
        what = (
            f"was trained on the vocabulary {made.vocabulary_identity} ({len(made.base_classes)} base classes, "
            f"{made.prompts} prompts), not {vocabulary_identity}"
        )
        raise CheckpointError(where, what, "give the vocabulary it was trained on, or train anew")


def save_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Writes a safetensors file, whole or not at all. Raises StorageError."""
    with atomic_file(path) as temporary:
        write_tensors(temporary, tensors)


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> None:
    """Writes a safetensors file at `path` itself, which an interrupt leaves half-written. Raises OSError.

    Tensors that share memory are each written whole. `metadata` goes into the file's header.
    """
    stored = _with_own_storage(tensors)
    try:
        save_file(stored, path, **({} if metadata is None else {"metadata": dict(metadata)}))
    except SafetensorError as error:
        # safetensors reports the system's refusals in words only ("... (os error 28)")
        code = re.search(r"os error (\d+)", str(error))
        if code is None:
            raise
        raise OSError(int(code[1]), str(error)) from error


def is_whole(path: Path) -> bool:
    """Whether a safetensors file is there and as long as its header says; no tensor is read."""
    try:
        with safe_open(path, "pt"):
            return True
    except (OSError, SafetensorError):
        return False


def _with_own_storage(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """On the CPU, contiguous, and sharing memory with no other tensor: safetensors refuses views of one storage."""
    stored: dict[str, Tensor] = {}
    taken: set[int] = set()
    for name, tensor in tensors.items():
        plain = tensor.detach().cpu().contiguous()
        storage = plain.untyped_storage()
        if storage.nbytes() != plain.nbytes or storage.data_ptr() in taken:
            plain = plain.clone()
        taken.add(plain.untyped_storage().data_ptr())
        stored[name] = plain
    return stored


def _read_document(folder: Path) -> _Document:
    path = folder / HEADER_NAME
    try:
        text = read_document(path).decode("utf-8")
    except (FileNotFoundError, NotADirectoryError) as error:
        hint = "give the folder of a checkpoint, such as checkpoints/best of a run"
        raise CheckpointError(folder, f"holds no checkpoint ({HEADER_NAME} is missing)", hint) from error
    except DocumentError as error:
        raise CheckpointError(path, error.what, "give another checkpoint") from error
    except (OSError, UnicodeDecodeError) as error:
        raise CheckpointError(path, f"cannot be read ({type(error).__name__})", "give another checkpoint") from error
    _refuse_other_version(path, text)
    try:
        document = _DOCUMENT.validate_json(text)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in fault["loc"])
        raise CheckpointError(path, f"is damaged ({place}: {fault['msg']})", "give another checkpoint") from error
    if any(Path(name).name != name for name in document.files.values()):
        raise CheckpointError(path, "names a file outside its folder", "give another checkpoint")
    return document


def _refuse_other_version(path: Path, text: str) -> None:
    try:
        version = parse_json(text)["format_version"]
    except (DocumentError, KeyError, TypeError) as error:
        raise CheckpointError(path, "is not a header of a checkpoint", "give another checkpoint") from error
    if version != FORMAT_VERSION:
        hint = "use the release of openmov that wrote it, or train anew"
        raise CheckpointError(path, f"has format version {version!r}, this is version {FORMAT_VERSION}", hint)


def _read_tensors(folder: Path, document: _Document, part: Part) -> dict[str, Tensor]:
    if part not in document.files:
        raise CheckpointError(folder, "cannot be resumed from: it holds trained weights only", "give checkpoints/last")
    path = folder / document.files[part]
    return finite(load_tensors(path), path) if part == "weights" else load_tensors(path)


def finite(tensors: dict[str, Tensor], path: Path) -> dict[str, Tensor]:
    """The tensors as they are. Raises CheckpointError where one holds NaN or infinity: no answer comes of it."""
    for name, tensor in tensors.items():
        if not torch.isfinite(tensor).all():
            what = f"holds weights that are not finite numbers (NaN or infinite, first in {name})"
            raise CheckpointError(path, what, "train anew with a smaller learning rate, or give another checkpoint")
    return tensors


def load_tensors(path: Path) -> dict[str, Tensor]:
    """Tensors of a safetensors file, on the CPU. Raises CheckpointError where it is missing or damaged."""
    # a copy outlives a file that the next save deletes or a disk that goes away
    return {name: torch.clone(tensor) for name, tensor in map_tensors(path).items()}


def map_tensors(path: Path) -> dict[str, Tensor]:
    """Tensors of a safetensors file that nobody writes to, mapped: memory is taken as they are looked at.

    Raises CheckpointError where it is missing or damaged.
    """
    try:
        tensors: dict[str, Tensor] = load_file(path)
        return tensors
    except FileNotFoundError as error:
        raise CheckpointError(path, "is missing", "copy the whole folder, or give another checkpoint") from error
    except (SafetensorError, OSError) as error:
        raise CheckpointError(path, f"is truncated or damaged ({error})", "give another checkpoint") from error


def _sweep(folder: Path, written: frozenset[str]) -> None:
    """Deletes the files that lost: the ones before if `checkpoint.json` names the `written` ones, otherwise those.

    The header on disk decides, not how far the writer believes it came: an interrupt may fall between the two.
    """
    header = folder / HEADER_NAME
    replaced = header.is_file() and all(name in header.read_text(encoding="utf-8") for name in written)
    for path in folder.iterdir() if folder.is_dir() else ():
        tensors_or_temporary = path.suffix == ".safetensors" or path.name.startswith(".")
        lost = not replaced if path.name in written else replaced and tensors_or_temporary
        if lost:
            path.unlink(missing_ok=True)
