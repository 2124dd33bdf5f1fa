"""`openmov dataset`: a folder of a well-known data set to manifest, vocabulary and an account of what is missing."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from openmov.data.benchmarks.building import Built, build
from openmov.data.benchmarks.catalogue import DATASETS
from openmov.errors import ManifestError
from openmov.media.decode import GuardedDecoder
from openmov.runtime.progress import progress_bar


def dataset_names() -> tuple[str, ...]:
    """What there is."""
    return tuple(DATASETS)


def write_dataset(
    name: str,
    videos: Path,
    out: Path,
    annotations: Sequence[Path] = (),
    *,
    workers: int = 2,
    opened: bool = True,
    shown: bool = True,
) -> Built:
    """Writes `manifest.csv`, `vocabulary.json` and what belongs to them into `out`.

    `annotations` are files, or folders of them. A video that hangs or crashes its decoder is a broken one; with
    `opened` false none is opened. Raises ManifestError, StorageError.
    """
    benchmark = DATASETS.get(name)
    listed = [file for path in annotations for file in _annotation_files(path)]
    decoder = GuardedDecoder()
    try:
        bar = partial(progress_bar, "opening videos", shown=shown)
        return build(benchmark, videos, listed, out, workers=workers, decoder=decoder, opened=opened, progress=bar)
    finally:
        decoder.close()


def _annotation_files(path: Path) -> list[Path]:
    """The file itself, or every CSV of a folder; where there is none every JSON, or every text."""
    if not path.is_dir():
        return [path]
    for suffix in (".csv", ".json", ".txt"):
        found = sorted(one for one in path.iterdir() if one.suffix.lower() == suffix)
        if found:
            return found
    raise ManifestError(path, "holds no annotation file", "expected .csv or .json files as the data set publishes them")
