"""Which files of a published model are wanted, and the folder that holds them and nothing else.

    listing --configs and tokenizer--> whose format it is --> ONE set of weights --> folder of links into the cache

    1  safetensors on the revision that was asked for
    2  safetensors in the pull request of the hub's own conversion bot, where they were made of the same `.bin`
    3  the `.bin` (a pickle), which has to be converted before it is read (`weights.py`)

What a repository holds beside that (Flax, TensorFlow, ONNX, code, a second copy in another format) is never fetched. A
model that is in the cache, whoever fetched it, is used without asking the hub. Knows names of files, not networks.
"""

import json
import os
import shutil
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

from openmov.errors import BackboneError
from openmov.model.backbones.contents import refuse_damaged
from openmov.runtime.atomic import atomic_folder, write_text
from openmov.runtime.hub import (
    HubError,
    Listing,
    cached_snapshot,
    fetch_files,
    find_conversion,
    list_files,
    raised_as,
    repository_folder,
)

_COMPANIONS = (
    "config.json",
    "open_clip_config.json",
    "*processor_config.json",
    "tokenizer*.json",
    "*.model",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "vocab.txt",
    "merges.txt",
    "README.md",
    "LICENSE*",
    "LICENCE*",
)
"""Small files that belong to a model in either format, or say its licence."""
_VOCABULARIES = ("tokenizer.json", "vocab.json", "vocab.txt", "*.model")
_OPEN_CLIP_SAFE = ("open_clip_model.safetensors", "open_clip_pytorch_model.safetensors")
_OPEN_CLIP_BIN = "open_clip_pytorch_model.bin"
_SAFE, _BIN = "model.safetensors", "pytorch_model.bin"
_OURS = "openmov"
"""Folder in the cache of a repository, beside the client's `blobs`, `refs` and `snapshots`, that it leaves alone."""


@dataclass(frozen=True)
class DownloadedModel:
    """A published model on this machine."""

    folder: Path
    """Holds its configs, its tokenizer and one set of weights, whole."""
    repository: str
    """`owner/model` that it came from."""
    revision: str
    """The commit's full hash; of weights from a pull request, that of the main branch and theirs, in words."""


@dataclass(frozen=True)
class _Weights:
    format: Literal["transformers", "open_clip"]
    files: tuple[str, ...]
    """The index, where there is one, before its shards."""
    safe: bool


@dataclass(frozen=True)
class _Formats:
    """What the configs say."""

    transformers: bool
    open_clip: bool
    timm: bool
    """Whether config.json is timm's; its weights then stand under transformers' names, the picture half alone."""


def fetch_model_folder(
    name: str, revision: str | None = None, *, safetensors_only: bool = False, refresh: bool = False
) -> DownloadedModel:
    """The model `owner/model` of the hub: from the cache, or downloaded.

    `revision`: a branch, tag or commit; None takes the main branch. `safetensors_only` takes no `.bin`. `refresh` asks
    the hub for a newer state of the revision even where the cache holds one. Honours HF_HUB_OFFLINE, HF_HOME, HF_TOKEN
    and HF_ENDPOINT. Raises BackboneError, StorageError.
    """
    if not refresh:
        kept = _kept(name, revision, safetensors_only) or _of_other_clients(name, revision, safetensors_only=True)
        if kept is not None:
            return kept
    with raised_as(BackboneError):
        try:
            return _download(name, revision, safetensors_only)
        except HubError as error:
            found = _kept(name, revision, safetensors_only) or _of_other_clients(name, revision, safetensors_only)
            if found is None or not error.out_of_reach:
                raise
            return found


def is_downloaded(name: str, revision: str | None = None, *, safetensors_only: bool = False) -> bool:
    """Whether the cache holds the whole model; asks no network."""
    found = _kept(name, revision, safetensors_only) or _of_other_clients(name, revision, safetensors_only)
    return found is not None


def _download(name: str, revision: str | None, safetensors_only: bool) -> DownloadedModel:
    listing = list_files(name, revision)
    wanted = [file for file in listing.files if _is_companion(file)]
    indexes = [file for file in listing.files if file.endswith(".index.json") and "/" not in file]
    snapshot = fetch_files(listing, [*wanted, *indexes], revision)
    formats = _formats(name, snapshot)
    source, described = listing, listing.commit
    weights = _choose(listing.files, snapshot, formats, safe=True)
    if weights is None and revision in (None, "main"):
        conversion = _find_conversion(listing, formats)
        if conversion is not None:
            source, weights, reference = conversion
            described = f"{listing.commit} with the weights of {reference} ({source.commit})"
    if weights is None and not safetensors_only:
        weights = _choose(listing.files, snapshot, formats, safe=False)
    if weights is None:
        raise _no_weights(name, listing, safetensors_only)
    folders = {file: snapshot for file in wanted if _belongs(file, weights)}
    folders |= dict.fromkeys(weights.files, fetch_files(source, weights.files))
    key = listing.commit if source is listing else f"{listing.commit[:20]}-{source.commit[:20]}"
    key += "" if weights.safe else "-bin"
    folder = _gather(repository_folder(name) / _OURS / key, folders)
    sizes = {file: (folder / file).stat().st_size for file in folders}
    record = {"folder": key, "revision": described, "safe": weights.safe, "files": sizes}
    write_text(_record(name, revision), json.dumps(record, indent=1))
    if revision != listing.commit:
        write_text(_record(name, listing.commit), json.dumps(record, indent=1))
    return DownloadedModel(folder, name, described)


def _is_companion(file: str) -> bool:
    return any(fnmatchcase(file, pattern) for pattern in _COMPANIONS) and not file.endswith(".index.json")


def _belongs(file: str, weights: _Weights) -> bool:
    """Whether a small file is about these weights, and not about the same model in the other format."""
    return file != ("open_clip_config.json" if weights.format == "transformers" else "config.json")


def _formats(name: str, folder: Path) -> _Formats:
    config = _read(folder / "config.json")
    has_type = isinstance(config.get("model_type"), str)
    open_clip = (folder / "open_clip_config.json").is_file()
    if not has_type and not open_clip:
        what = "is on the hub, but is not a model in transformers' or open_clip's format"
        is_there = (folder / "config.json").is_file()
        said = "config.json names no model_type" if is_there else "it holds no config.json"
        raise HubError(name, f"{what} ({said})", "give another model")
    return _Formats(has_type, open_clip, timm=not has_type and "architecture" in config)


def _read(path: Path) -> Mapping[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _choose(files: Collection[str], folder: Path, formats: _Formats, *, safe: bool) -> _Weights | None:
    """The first set of weights among `files`; the indexes of sharded ones lie in `folder`."""
    shared = formats.open_clip and not formats.transformers and not formats.timm
    candidates: list[tuple[Literal["transformers", "open_clip"], str]] = []
    if formats.transformers:
        candidates.append(("transformers", _SAFE if safe else _BIN))
    if formats.open_clip:
        candidates += [("open_clip", file) for file in (_OPEN_CLIP_SAFE if safe else (_OPEN_CLIP_BIN,))]
    if shared:
        candidates.append(("open_clip", _SAFE if safe else _BIN))
    for form, file in candidates:
        if file in files:
            return _Weights(form, (file,), safe)
        index = f"{file}.index.json"
        parts = _read(folder / index).get("weight_map")
        if index in files and isinstance(parts, dict) and parts:
            shards = sorted({str(part) for part in parts.values()})
            if all(shard in files for shard in shards):
                return _Weights(form, (index, *shards), safe)
    return None


def _find_conversion(listing: Listing, formats: _Formats) -> tuple[Listing, _Weights, str] | None:
    """The bot's safetensors, if they were made of the `.bin` that the main branch holds now."""
    try:
        reference = find_conversion(listing.repository)
        proposed = None if reference is None else list_files(listing.repository, reference)
    except HubError as error:
        if error.out_of_reach:
            raise
        return None  # discussions are switched off for this repository, or the pull request is gone
    if reference is None or proposed is None:
        return None
    pickles = [file for file in listing.files if file.endswith(".bin") and file in proposed.files]
    if not pickles or any(proposed.files[file].digest != listing.files[file].digest for file in pickles):
        return None
    indexes = [file for file in proposed.files if file.endswith(".safetensors.index.json") and "/" not in file]
    weights = _choose(proposed.files, fetch_files(proposed, indexes), formats, safe=True)
    return None if weights is None else (proposed, weights, reference)


def _no_weights(name: str, listing: Listing, safetensors_only: bool) -> HubError:
    pickled = sorted(file for file in (_BIN, _OPEN_CLIP_BIN) if file in listing.files)
    if pickled and safetensors_only:
        what = f"has its weights only as a pickle ({pickled[0]}), which --safetensors-only forbids"
        return HubError(name, what, "leave it out (backbone.safetensors_only), or give another model")
    suffixes = (".safetensors", ".bin", ".h5", ".msgpack", ".onnx", ".pt", ".pth", ".ckpt", ".gguf")
    other = sorted(file for file in listing.files if file.endswith(suffixes))
    shown = ", ".join(other[:3]) + (f" and {len(other) - 3} more" if len(other) > 3 else "")
    what = f"holds no weights that are read here (it has {shown})" if other else "holds no weights"
    return HubError(name, what, "give a model with model.safetensors, open_clip_model.safetensors or pytorch_model.bin")


def _gather(folder: Path, files: Mapping[str, Path]) -> Path:
    """Makes a folder of links (copies, where there are none) to files of snapshots; it appears when it is whole."""

    def holds_these_alone(older: Path) -> bool:
        return all(one.name in files and (one.is_symlink() or one.is_file()) for one in older.iterdir())

    with atomic_folder(folder, replaces=holds_these_alone) as temporary:
        for file, snapshot in files.items():
            source = (snapshot / file).resolve()
            try:
                (temporary / file).symlink_to(os.path.relpath(source, temporary.resolve()))
            except (OSError, NotImplementedError):
                shutil.copyfile(source, temporary / file)
    return folder


def _record(name: str, revision: str | None) -> Path:
    """Where it is written which folder a revision is."""
    return repository_folder(name) / _OURS / f"{quote(revision or 'main', safe='')}.json"


def _kept(name: str, revision: str | None, safetensors_only: bool) -> DownloadedModel | None:
    """What an earlier download left, if all of it is still there."""
    record = _read(_record(name, revision))
    with suppress(KeyError, TypeError, AttributeError):
        folder = repository_folder(name) / _OURS / Path(record["folder"]).name
        paths = {folder / file: size for file, size in record["files"].items()}
        whole = all(path.is_file() and path.stat().st_size == size for path, size in paths.items())
        if whole and paths and (record["safe"] or not safetensors_only):
            return DownloadedModel(folder, name, str(record["revision"]))
    return None


def _of_other_clients(name: str, revision: str | None, safetensors_only: bool) -> DownloadedModel | None:
    """A snapshot that transformers, open_clip or `hf download` left, if it holds a whole model."""
    snapshot = cached_snapshot(name, revision)
    if snapshot is None:
        return None
    files = [path.name for path in snapshot.iterdir() if path.is_file()]
    speaks = any(fnmatchcase(file, pattern) for file in files for pattern in _VOCABULARIES)
    try:
        formats = _formats(name, snapshot)
        weights = _choose(files, snapshot, formats, safe=True)
        if weights is None and not safetensors_only:
            weights = _choose(files, snapshot, formats, safe=False)
        if weights is None or not speaks:
            return None
        for file in weights.files:
            if not file.endswith(".json"):
                refuse_damaged(name, snapshot / file)
    except (HubError, BackboneError):
        return None
    return DownloadedModel(snapshot, name, snapshot.name)
