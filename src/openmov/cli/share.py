"""Verbs that hand a trained model on: as a folder for others, as a file for other programs."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from openmov.cli.options import app

BackboneNow = Annotated[
    str | None, Parameter(help="Where the run's backbone lies now, if not where it lay in training.")
]


@app.command
def share(run: Path, /, *, out: Path, licence: str | None = None, backbone: BackboneNow = None) -> None:
    """Write a trained run as a folder to give away: weights, config.json and a model card, in Hugging Face's form.

    Parameters
    ----------
    run
        Run folder.
    out
        Folder to make; --run of other verbs reads it, and `huggingface-cli upload` puts it on the hub.
    licence
        What you give the weights away under, such as cc-by-4.0.
    """
    from openmov.api.share import save_pretrained

    print(save_pretrained(run, out, licence=licence, backbone=backbone))
