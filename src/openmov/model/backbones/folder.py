"""From the name of a backbone to a folder on this machine: a bundled one, the user's own, or one of the hub's cache.

What the folder holds is not looked at here (`contents.py`).
"""

import re
from importlib.resources import files
from pathlib import Path

from openmov.errors import BackboneError
from openmov.model.backbones.download import fetch_model_folder

BUNDLED = {"shapesav-tiny": "shapesav/weights", "shapesav-tiny-wide": "shapesav/weights_wide"}
"""Backbones that ship with the package, and where inside it."""

_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")


def resolve_folder(name: str, revision: str | None = None) -> Path:
    """The local folder behind a folder name, a bundled name or a hub name (downloaded once, then from the hub's cache).

    Honours HF_HUB_OFFLINE and HF_HOME. Raises BackboneError.
    """
    return resolve_model(name, revision)[0]


def resolve_model(name: str, revision: str | None = None, *, safetensors_only: bool = False) -> tuple[Path, str | None]:
    """The folder as `resolve_folder` finds it, and for a model of the hub which revision it is.

    `safetensors_only` downloads no weights in PyTorch's own format. Raises BackboneError.
    """
    folder = Path(name).expanduser()
    local = name in BUNDLED or bool(name and folder.is_dir())
    if local and revision is not None:
        raise BackboneError(name, "is not a hub model, and has no revision of its own", "leave the revision out")
    if name in BUNDLED:
        return _bundled(name), None
    if local:
        return folder, None
    if folder.exists() or not _HUB_NAME.fullmatch(name):
        raise BackboneError(
            name,
            "is not a folder",
            "give a folder in Hugging Face format, or a hub name such as openai/clip-vit-base-patch16",
        )
    found = fetch_model_folder(name, revision, safetensors_only=safetensors_only)
    return found.folder, found.revision


def _bundled(name: str) -> Path:
    folder = Path(str(files("openmov"))) / BUNDLED[name]
    if not (folder / "config.json").is_file():
        raise BackboneError(name, "is missing from this installation", "install the package again")
    return folder
