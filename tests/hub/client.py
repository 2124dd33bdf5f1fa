"""Points the hub's client inside this process, and openmov with it, at the double."""

import os
from pathlib import Path

import pytest
from huggingface_hub import close_session, constants

from hub.server import Hub

NAMES = ("HF_TOKEN", "HF_HUB_ETAG_TIMEOUT", "HF_HUB_DOWNLOAD_TIMEOUT", "HUGGING_FACE_HUB_TOKEN")


def point(patch: pytest.MonkeyPatch, hub: Hub, home: Path, *, offline: bool = False) -> None:
    """`home` takes the place of HF_HOME; the client reads its environment only once, so its constants are set."""
    proxies = [name for name in os.environ if name.lower().endswith("_proxy")]
    for name in (*NAMES, *proxies):
        patch.delenv(name, raising=False)
    if proxies:
        close_session()  # it may know them already; a new one costs the reading of certificates
    patch.setattr(constants, "ENDPOINT", hub.address)
    patch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", hub.address + "/{repo_id}/resolve/{revision}/{filename}")
    patch.setattr(constants, "HF_URL_HOSTS", frozenset({"127.0.0.1"}))
    patch.setattr(constants, "HF_HOME", str(home))
    patch.setattr(constants, "HF_HUB_CACHE", str(home / "hub"))
    patch.setattr(constants, "HF_TOKEN_PATH", str(home / "token"))
    patch.setattr(constants, "HF_HUB_OFFLINE", offline)
