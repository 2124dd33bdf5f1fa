"""Which backbone answers where nobody named one, and where else the weights of a named one are published.

    auto = CLIP ViT-B/16 with OpenAI's weights, from whichever repository holds them in a safe format;
           else the same weights converted from a pickle; else ConSE, if its parts are installed;
           else one line that names every candidate and why it was not it

What counts is what can be loaded, not what can be reached: each candidate is tried until one is there. Those in the
cache come first, so that a machine which has one asks no network; a hub that cannot be reached is asked once.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

from openmov.config.schema import BackboneConfig
from openmov.errors import BackboneError, OpenMovError, StorageError
from openmov.model.backbones.base import Backbone
from openmov.model.backbones.conse_files import INSTALL, installed
from openmov.model.backbones.download import is_downloaded
from openmov.runtime.hub import HubError
from openmov.runtime.progress import warn

AUTO = "auto"
"""What `--backbone` calls this choice."""
PREFERRED = "openai/clip-vit-base-patch16"
CONSE = "conse"
"""Name of the backbone that needs no hub (extra `offline`)."""

COPIES = {
    PREFERRED: "timm/vit_base_patch16_clip_224.openai",
    "openai/clip-vit-base-patch32": "timm/vit_base_patch32_clip_224.openai",
}
"""Models whose main branch has only a pickle, and a repository with the same weights in safetensors."""

Load = Callable[[BackboneConfig], Backbone]


def load_auto(load: Load, *, safetensors_only: bool = False) -> Backbone:
    """The first of the candidates that can be loaded; `load` loads one of them.

    Says in one line on stderr why it was ConSE, if it was. Raises BackboneError where it was none.
    """
    wanted = BackboneConfig(name=PREFERRED, safetensors_only=safetensors_only)
    backbone, reasons = _first(places_of(wanted), load)
    if backbone is not None:
        return backbone
    why = "; ".join(reasons)
    if not installed():
        raise BackboneError(AUTO, f"no backbone can be loaded ({why}; {CONSE}: is not installed)", INSTALL)
    try:
        backbone = load(BackboneConfig(name=CONSE))
    except BackboneError as error:
        raise BackboneError(AUTO, f"no backbone can be loaded ({why}; {CONSE}: {error.what})", INSTALL) from error
    warn(f"{CONSE} answers, since CLIP cannot be loaded ({why})")
    return backbone


def load_named(config: BackboneConfig, load: Load) -> Backbone:
    """The backbone of this name, from whichever repository holds its weights in a safe format.

    Raises BackboneError, StorageError: that of its own repository, and what was wrong with the others.
    """
    places = places_of(config)
    if len(places) == 1:
        return load(places[0])
    backbone, reasons = _first(places, load)
    if backbone is None:
        raise BackboneError(config.name, f"cannot be loaded ({'; '.join(reasons)})", "give a local folder")
    return backbone


def places_of(config: BackboneConfig) -> tuple[BackboneConfig, ...]:
    """Where the weights of a backbone are looked for, in this order: itself alone, unless it is one of COPIES."""
    copy = COPIES.get(config.name)
    if copy is None or config.revision is not None or Path(config.name).is_dir():
        return (config,)
    safe = config.model_copy(update={"safetensors_only": True})
    places = [safe, safe.model_copy(update={"name": copy})]
    if not config.safetensors_only:
        places.append(config)
    return tuple(sorted(places, key=lambda one: not is_downloaded(one.name, safetensors_only=one.safetensors_only)))


def _first(places: Sequence[BackboneConfig], load: Load) -> tuple[Backbone | None, list[str]]:
    """The first that loads, or none; and why those before it did not, each `name: reason`."""
    reasons: dict[str, list[str]] = {}
    for place in places:
        try:
            return load(place), []
        except (BackboneError, StorageError) as error:
            reasons.setdefault(_reason(error), []).append(place.name)
            if isinstance(error.__cause__, HubError) and error.__cause__.out_of_reach:
                break
    return None, [f"{' and '.join(dict.fromkeys(names))}: {reason}" for reason, names in reasons.items()]


def _reason(error: OpenMovError) -> str:
    return error.what
