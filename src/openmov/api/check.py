"""Looks for faults in what a user hands in: media files, manifests with all their videos, vocabularies, caches."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from openmov.data.manifest import find_faults, load_manifest
from openmov.errors import OpenMovError
from openmov.media.decode import PLAIN, Decoder
from openmov.runtime.progress import progress_bar
from openmov.store.cache import verify
from openmov.text.vocabulary import Vocabulary, load_vocabulary

_MANIFESTS = {".csv", ".jsonl"}


@dataclass(frozen=True)
class Findings:
    """What was found."""

    num_checked: int
    """Files that were opened."""
    faults: tuple[str, ...]
    """One line each: where, what, what to do."""
    notes: tuple[str, ...]
    """What is unusual but handled."""


def check_files(
    paths: Sequence[Path],
    vocabulary: Path | None,
    cache: Path | None,
    *,
    deep: bool = False,
    shown: bool = True,
    decoder: Decoder = PLAIN,
) -> Findings:
    """Everything wrong with these files, at once; raises nothing for a faulty one.

    `deep` decodes every video whole. Damaged entries of a cache are listed; they are made anew when next needed.
    """
    faults: list[str] = []
    names = None if vocabulary is None else _vocabulary(vocabulary, faults)
    media: list[Path] = []
    for path in paths:
        if path.suffix == ".json":
            _vocabulary(path, faults)
        elif path.suffix in _MANIFESTS:
            media += _videos(path, names, faults)
        else:
            media.append(path)
    notes: list[str] = []
    with progress_bar("checking", len(media), shown=shown) as show:
        for done, path in enumerate(media, start=1):
            found = decoder.check(path, deep=deep)
            faults += [f"{path}: {fault}" for fault in found.faults]
            notes += [f"{path}: {note}" for note in found.notes]
            show(done)
    if cache is not None and not cache.is_dir():
        faults.append(f"{cache}: no such folder; name the cache folder of prepare or train")
    elif cache is not None:
        faults += [
            f"{entry}: a damaged cache entry; made anew when next needed, or by openmov prepare --verify"
            for entry in verify(cache)
        ]
    num_lists = sum(path.suffix in _MANIFESTS | {".json"} for path in paths)
    return Findings(num_lists + len(media), tuple(faults), tuple(notes))


def _vocabulary(path: Path, faults: list[str]) -> Vocabulary | None:
    try:
        return load_vocabulary(path)
    except OpenMovError as error:
        faults.append(str(error))
        return None


def _videos(manifest: Path, names: Vocabulary | None, faults: list[str]) -> list[Path]:
    """The videos of a manifest, if it has no fault itself."""
    try:
        found = find_faults(manifest, vocabulary=names)
        faults += [f"{manifest}: {fault}" for fault in found]
        return [] if found else [record.path for record in load_manifest(manifest, vocabulary=names).records]
    except OpenMovError as error:
        faults.append(str(error))
        return []
