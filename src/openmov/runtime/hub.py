"""A published model's files, fetched from the Hugging Face hub once and then from its cache.

Only the files that are asked for are fetched, and none of them is code. Knows nothing of what they hold.
"""

import re
from pathlib import Path

from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError, RevisionNotFoundError

from openmov.errors import CheckpointError

_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*(@[\w./-]+)?")
_TIMEOUT_SECONDS = 5.0
# The hub's own errors and those of the HTTP library beneath it, whichever that is in the installed version.
_HUB_ERRORS: tuple[type[Exception], ...] = (OSError, *HfHubHTTPError.__bases__)


def is_hub_name(text: str) -> bool:
    """Whether it reads as `owner/model` or `owner/model@revision`; a folder may be called so too."""
    return _HUB_NAME.fullmatch(text) is not None


def fetch_model(name: str, wanted: list[str]) -> Path:
    """The folder of a hub model's `wanted` files. Honours HF_HUB_OFFLINE and HF_HOME. Raises CheckpointError."""
    repository, _, revision = name.partition("@")
    try:
        found = snapshot_download(
            repository, revision=revision or None, allow_patterns=wanted, etag_timeout=_TIMEOUT_SECONDS
        )
    except RepositoryNotFoundError as error:
        mend = "check the name, or give a folder"
        raise CheckpointError(name, "is no folder here and no public model of the hub", mend) from error
    except RevisionNotFoundError as error:
        raise CheckpointError(name, f"has no revision {revision!r} on the hub", "check what follows the @") from error
    except _HUB_ERRORS as error:
        mend = "give a folder, or fetch it once with a network"
        raise CheckpointError(name, "is no folder here, and the Hugging Face hub cannot be reached", mend) from error
    return Path(found)
