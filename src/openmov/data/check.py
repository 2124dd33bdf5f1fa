"""Looks for faults in what a user hands in: media files, manifests with all their videos, vocabularies, caches."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from openmov.data.manifest import columns_note, load_manifest
from openmov.data.records import FaultyManifest
from openmov.errors import OpenMovError
from openmov.media.decode import PLAIN, Decoder
from openmov.runtime.progress import progress_bar
from openmov.store.cache import verify
from openmov.text.vocabulary import Vocabulary, load_vocabulary

_MANIFESTS = {".csv", ".jsonl"}


@dataclass(frozen=True)
class Finding:
    """Something about one file."""

    where: str
    """Which file."""
    what: str
    """What is wrong or unusual, and what to do."""
    kind: str = ""
    """The same for what is alike; '' where the words say it."""

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


@dataclass(frozen=True)
class Findings:
    """What was found."""

    num_checked: int
    """Files that were opened."""
    faults: tuple[Finding, ...]
    """What is wrong."""
    notes: tuple[Finding, ...]
    """What is unusual but handled."""


def check_files(
    paths: Sequence[Path],
    vocabulary: Path | None,
    cache: Path | None,
    *,
    root: Path | None = None,
    deep: bool = False,
    shown: bool = True,
    decoder: Decoder = PLAIN,
) -> Findings:
    """Everything wrong with these files, at once; raises nothing for a faulty one.

    `root` holds the videos of manifests, in place of their own folders. `deep` decodes every video whole. Damaged
    entries of a cache are listed; they are made anew when next needed.
    """
    faults: list[Finding] = []
    notes: list[Finding] = []
    names = None if vocabulary is None else _vocabulary(vocabulary, faults)
    media: list[Path] = []
    for path in paths:
        if path.suffix == ".json":
            _vocabulary(path, faults)
        elif path.suffix in _MANIFESTS:
            media += _videos(path, root, names, faults, notes)
        else:
            media.append(path)
    with progress_bar("checking", len(media), shown=shown) as show:
        for done, path in enumerate(media, start=1):
            found = decoder.check(path, deep=deep)
            faults += [Finding(str(path), fault) for fault in found.faults]
            notes += [Finding(str(path), note) for note in found.notes]
            show(done)
    if cache is not None and not cache.is_dir():
        faults.append(Finding(str(cache), "no such folder; name the cache folder of prepare or train"))
    elif cache is not None:
        faults += [
            Finding(str(entry), "a damaged cache entry; made anew when next needed, or by openmov prepare --verify")
            for entry in verify(cache)
        ]
    num_lists = sum(path.suffix in _MANIFESTS | {".json"} for path in paths)
    return Findings(num_lists + len(media), tuple(faults), tuple(notes))


def _vocabulary(path: Path, faults: list[Finding]) -> Vocabulary | None:
    try:
        return load_vocabulary(path)
    except OpenMovError as error:
        faults.append(_finding(error))
        return None


def _videos(
    path: Path, root: Path | None, names: Vocabulary | None, faults: list[Finding], notes: list[Finding]
) -> list[Path]:
    """The videos of a manifest, each once, if it has no fault itself."""
    try:
        listed = load_manifest(path, root=root, vocabulary=names)
    except FaultyManifest as error:
        faults += [Finding(str(path), str(fault), fault.kind.name) for fault in error.faults]
        faults += [Finding(str(path), error.hint)] if error.hint else []
        return []
    except OpenMovError as error:
        faults.append(_finding(error))
        return []
    if note := columns_note(listed):
        notes.append(Finding(str(path), note))
    return list(dict.fromkeys(record.path for record in listed.records))


def _finding(error: OpenMovError) -> Finding:
    return Finding(error.where, f"{error.what}; {error.hint}" if error.hint else error.what)
