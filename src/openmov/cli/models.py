"""Verbs about backbones: which are known, downloading one ahead, looking at one."""

import sys
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from openmov.cli.options import Json, SafetensorsOnly, app

if TYPE_CHECKING:
    from openmov.inference.models import CheckedModel, ListedModel

models = App(name="models", help="Pretrained backbones: which are known, downloading one ahead, looking at one.")
app.command(models)

Revision = Annotated[str | None, Parameter(help="Of a hub model: a commit, a tag or a branch. [default: the newest]")]


@models.default
def table(*, json: Json = False) -> None:
    """Print the backbones that are known by name; any other hub name or folder works as well."""
    from openmov.cli.output import print_json
    from openmov.inference.models import list_models

    found = list_models()
    if json:
        print_json({"models": [one.to_json() for one in found]})
        return
    _print_table(found)


@models.command
def fetch(
    name: str,
    /,
    *,
    revision: Revision = None,
    safetensors_only: SafetensorsOnly = False,
    json: Json = False,
) -> None:
    """Download a model of the hub ahead; weights that are published as a pickle are converted at once.

    Parameters
    ----------
    name
        Hub repository, such as openai/clip-vit-base-patch16.
    """
    from openmov.cli.output import print_json, say
    from openmov.inference.models import fetch_model, needed_extra

    done = fetch_model(name, revision, safetensors_only=safetensors_only)
    if json:
        told = done.to_json()
        print_json({key: value for key, value in told.items() if key not in ("loads", "fault")})
    else:
        say(f"{name}: {_size(done.num_bytes)} in {done.folder}; {done.source}")
    if extra := needed_extra(name):
        say(f"openmov: note: {name} needs pip install {extra}", file=sys.stderr)


@models.command
def check(
    name: str,
    /,
    *,
    revision: Revision = None,
    safetensors_only: SafetensorsOnly = False,
    json: Json = False,
) -> int:
    """Say what a folder holds and whether it loads, without running it; 2 if it does not.

    Parameters
    ----------
    name
        Folder, or a hub name whose model is in the cache.
    """
    from openmov.cli.output import print_json
    from openmov.inference.models import check_model

    found = check_model(name, revision, safetensors_only=safetensors_only)
    if json:
        print_json(found.to_json())
    else:
        _print_checked(found)
    return 2 if found.fault else 0


def _print_table(found: "tuple[ListedModel, ...]") -> None:
    from rich.console import Console
    from rich.table import Table

    shown = Table(box=None, pad_edge=False, header_style="")
    for column, side in (("name", "left"), ("family", "left"), ("width", "right"), ("picture", "right")):
        shown.add_column(column, justify=side, no_wrap=True)  # type: ignore[arg-type]  # a literal, twice
    for column in ("size", "licence", "names in", "sound", "here"):
        shown.add_column(column, justify="right" if column == "size" else "left", no_wrap=True)
    for one in found:
        model = one.model
        shown.add_row(
            model.name,
            model.family,
            str(model.dim),
            "-" if model.image_size is None else f"{model.image_size} px",
            _size(one.disk_bytes or model.num_bytes),
            f"{model.licence} (non-commercial)" if one.non_commercial else model.licence,
            model.languages if model.languages != "many" else "many languages",
            "yes" if model.hears else "",
            "yes" if one.here else "",
        )
    Console(width=200, highlight=False).print(shown)
    wanting = sorted({one.model.extra for one in found if one.model.extra})
    for extra in wanting:
        names = ", ".join(sorted({one.model.family for one in found if one.model.extra == extra}))
        print(f"{names}: pip install {extra}")


def _print_checked(found: "CheckedModel") -> None:
    from openmov.cli.output import say

    rows: dict[str, Any] = {}
    if found.contents is not None:
        contents = found.contents
        rows["format"] = f"{contents.format}, {contents.model_type}"
        files = ", ".join(file.name for file in contents.weights[:3]) + (" ..." if len(contents.weights) > 3 else "")
        rows["weights"] = f"{files} ({contents.weights_format}, {_size(found.num_bytes)})"
        rows["tokenizer"] = ", ".join(file.name for file in contents.tokenizer_files) or "none in the folder"
    said = f" ({found.source.licence_from})" if found.source.licence_from else ""
    forbids = ", non-commercial" if found.source.non_commercial else ""
    rows["licence"] = f"{found.source.licence}{forbids}{said}"
    if found.source.revision:
        rows["revision"] = found.source.revision
    if not found.fault:
        pictures = f", pictures of {found.image_size} px" if found.image_size else ""
        rows["loads"] = f"yes: {found.family}, width {found.dim}{pictures}"
    say(found.name if found.folder is None else found.folder)
    for key, value in rows.items():
        say(f"  {key:<10} {value}")
    if found.fault:
        say(f"openmov: {found.fault}", file=sys.stderr)


def _size(num_bytes: int | None) -> str:
    """`599 MB`, `1.7 GB`, `-` for unknown."""
    if num_bytes is None:
        return "-"
    return f"{num_bytes / 1e9:.1f} GB" if num_bytes >= 1e9 else f"{max(1, round(num_bytes / 1e6))} MB"
