"""Which backbone answers where nobody named one.

    CLIP, if it is in the hub's cache, or the hub answers within seconds
    else ConSE, if its parts are installed
    else an error that says what to install

Looks and chooses; loads and downloads nothing.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass

from openmov.errors import BackboneError
from openmov.model.backbones import CONSE
from openmov.model.backbones.conse_files import INSTALL, installed

AUTO = "auto"
"""What `--backbone` calls this choice."""
PREFERRED = "openai/clip-vit-base-patch16"
REACH_SECONDS = 3.0
"""The hub has so long to answer, name resolution included."""

_NEEDED = ("config.json", "model.safetensors", "tokenizer.json")


@dataclass(frozen=True)
class Surroundings:
    """What the choice depends on."""

    cached: Callable[[], bool]
    """Whether the preferred model lies in the hub's cache, whole."""
    reachable: Callable[[], bool]
    """Whether the hub answers; may take as long as it likes."""
    installed: Callable[[], bool]
    """Whether ConSE's parts are there."""


def choose_backbone(found: Surroundings | None = None, *, reach_seconds: float = REACH_SECONDS) -> str:
    """Name of the backbone to use; the hub is asked at most once, and for `reach_seconds` at most.

    Raises BackboneError where there is none.
    """
    found = found or Surroundings(_in_cache, _hub_answers, installed)
    if found.cached() or _within(found.reachable, reach_seconds):
        return PREFERRED
    if found.installed():
        return CONSE
    what = f"{PREFERRED} is not in the cache, the Hugging Face hub cannot be reached, and ConSE is not installed"
    raise BackboneError(AUTO, what, INSTALL)


def _within(question: Callable[[], bool], seconds: float) -> bool:
    """The answer if it comes in time, else False. A thread, because name resolution knows no timeout."""
    answers: list[bool] = []
    asking = threading.Thread(target=lambda: answers.append(question()), daemon=True)
    asking.start()
    asking.join(seconds)
    return bool(answers and answers[0])


def _in_cache() -> bool:
    from huggingface_hub import try_to_load_from_cache

    return all(isinstance(try_to_load_from_cache(PREFERRED, name), str) for name in _NEEDED)


def _hub_answers() -> bool:
    """Honours HF_HUB_OFFLINE and HF_ENDPOINT, as the hub's client does."""
    from huggingface_hub import constants, get_hf_file_metadata, hf_hub_url
    from huggingface_hub.errors import HfHubHTTPError

    if constants.is_offline_mode():
        return False
    try:
        get_hf_file_metadata(hf_hub_url(PREFERRED, _NEEDED[0]), timeout=REACH_SECONDS)
    except (OSError, *HfHubHTTPError.__bases__):
        return False
    return True
