"""Verbs about what is kept on disk."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from openmov.cli.options import Cache, Json, app
from openmov.cli.output import print_json, say

caches = App(name="cache", help="What is kept on disk: how much, and making it less.")
app.command(caches)


@caches.command
def show(*, cache: Cache = None, json: Json = False) -> None:
    """Print what the cache folder holds, by kind."""
    from openmov.runtime.cache_folder import default_cache_folder
    from openmov.store.usage import show_caches

    folder = cache or default_cache_folder()
    _print("holds", folder, [asdict(one) for one in show_caches(folder)], json)


@caches.command
def clear(
    kind: str | None = None,
    /,
    *,
    keep: Annotated[str, Parameter(show_default=False)] = "0",
    cache: Cache = None,
    json: Json = False,
) -> None:
    """Remove what is kept, and say what was removed; nothing is asked, for all of it can be made again.

    Parameters
    ----------
    kind
        labels (vectors of class names), videos (flow, sound and embeddings) or weights (converted from a pickle);
        without one, all.
    keep
        Leave so much of each kind, such as 20GB: what was used longest ago goes first. [default: nothing is left]
    """
    from openmov.runtime.cache_folder import default_cache_folder
    from openmov.store.usage import clear_caches, parse_size

    folder = cache or default_cache_folder()
    _print("removed from", folder, [asdict(one) for one in clear_caches(folder, kind, parse_size(keep))], json)


def _print(what: str, folder: Path, kinds: list[dict[str, object]], as_json: bool) -> None:

    if as_json:
        print_json({"folder": str(folder), "kinds": [{**one, "folder": str(one["folder"])} for one in kinds]})
        return
    say(f"{folder}" if what == "holds" else f"{what} {folder}")
    for one in kinds:
        say(f"  {one['kind']:7} {one['num_entries']:8,} entries {float(str(one['num_bytes'])) / 1e6:10,.1f} MB")
