"""The verb about well-known data sets: from the folders people have to a manifest and a vocabulary."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from openmov.cli.options import Flag, Json, Workers, app
from openmov.cli.output import say


@app.command
def dataset(
    name: str | None = None,
    /,
    *,
    videos: Path | None = None,
    annotations: Annotated[tuple[Path, ...], Parameter(consume_multiple=True, negative="")] = (),
    out: Path | None = None,
    fast: Flag = False,
    workers: Workers = 2,
    json: Json = False,
) -> None:
    """Make manifest and vocabulary of a well-known data set; without a name, list those there are.

    Missing and broken videos are counted, listed in OUT/manifest.dataset.json, and said in every later result.

    Parameters
    ----------
    name
        kinetics400, kinetics600, kinetics700, vggsound, ucf101, hmdb51, jhmdb, shapesav-motion, -sound or -both,
        shapesav-scenes-motion or -sound, shapesav-scenes-motion-swapped or -sound-swapped.
    videos
        Folder of the videos: class folders, split folders or flat.
    annotations
        Official annotation files, or a folder of them; UCF101, HMDB51 and VGGSound's test list need none.
    out
        Folder for manifest.csv, vocabulary.json and, where there are several, manifest-split1.csv ...
    fast
        Open no video: only empty files count as broken.
    """
    from openmov.api.datasets import dataset_names, write_dataset
    from openmov.cli.show_dataset import show_built
    from openmov.errors import ManifestError

    if name is None:
        say("\n".join(dataset_names()))
        return
    if videos is None or out is None:
        raise ManifestError(name, "a data set needs --videos FOLDER and --out FOLDER", "give both")
    built = write_dataset(name, videos, out, annotations, workers=workers, opened=not fast)
    show_built(built, out, json)
