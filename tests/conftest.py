"""Fixtures shared by all tests."""

import os
from pathlib import Path

import pytest

os.environ.setdefault("HF_HUB_OFFLINE", "1")


@pytest.fixture(scope="session")
def media_dir() -> Path:
    """A folder of real clips that is not part of the project; tests that want it skip where it is absent."""
    folder = Path(os.environ.get("OPENMOV_MEDIA", Path(__file__).parents[1].parent / "shared" / "media"))
    if not folder.is_dir():
        pytest.skip("no folder of real clips (set OPENMOV_MEDIA)")
    return folder
