"""From the name of a backbone to a folder on this machine: a bundled one, the user's own, or one of the hub's cache.

What the folder holds is not looked at here (`contents.py`).
"""

import re
from importlib.resources import files
from pathlib import Path

from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError, RevisionNotFoundError

from openmov.errors import BackboneError

BUNDLED = {"shapesav-tiny": "data/shapesav/weights", "shapesav-tiny-wide": "data/shapesav/weights_wide"}
"""Backbones that ship with the package, and where inside it."""

_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")
_WANTED = [
    "config.json",
    "open_clip_config.json",
    "model*.safetensors*",
    "open_clip*.safetensors*",
    "*processor_config.json",
    "tokenizer*.json",
    "special_tokens_map.json",
    "vocab.json",
    "merges.txt",
    "*.model",
]
_TIMEOUT_SECONDS = 5.0
# The hub's own errors and those of the HTTP library beneath it, whichever that is in the installed version.
_HUB_ERRORS: tuple[type[Exception], ...] = (OSError, *HfHubHTTPError.__bases__)


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
