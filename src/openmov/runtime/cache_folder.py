"""Where openmov keeps what can be made again."""

import os
from pathlib import Path

from openmov.errors import StorageError

WEIGHTS = "weights"
"""Folder of weights inside it that were published as a pickle and converted (`model/backbones/weights.py`)."""


def default_cache_folder() -> Path:
    """$OPENMOV_CACHE, or ~/.cache/openmov. Raises StorageError where there is no home folder."""
    chosen = os.environ.get("OPENMOV_CACHE")
    if chosen:
        return Path(chosen)
    try:
        return Path.home() / ".cache" / "openmov"
    except RuntimeError as error:  # a service without HOME, a user whom the machine's list does not have
        what = "there is no home folder to keep it in (HOME is not set)"
        raise StorageError("cache", what, "give --cache FOLDER, or set OPENMOV_CACHE or HOME") from error
