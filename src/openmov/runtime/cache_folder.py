"""Where openmov keeps what can be made again."""

import os
from pathlib import Path


def default_cache_folder() -> Path:
    """$OPENMOV_CACHE, or ~/.cache/openmov."""
    return Path(os.environ.get("OPENMOV_CACHE") or Path.home() / ".cache" / "openmov")
