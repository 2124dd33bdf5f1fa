"""How much of a data set is there: written beside a manifest, and read again wherever a result is made from it.

    manifest.csv                the videos that are there
    manifest.dataset.json       whose they are, where they lie, and which ones are missing or broken

A manifest without such a file is the whole of what it lists. Knows nothing of how videos were found.
"""

import hashlib
import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError

from openmov.errors import ManifestError, StorageError
from openmov.runtime.atomic import write_text
from openmov.runtime.own_files import MADE_BY, stamped

FORMAT_VERSION = 1
"""Of the file."""
_SUFFIX = ".dataset.json"
_STRICT = ConfigDict(extra="forbid")


@dataclass(frozen=True)
class LostVideo:
    """A listed clip that cannot be used."""

    clip_id: str
    """As the data set calls it."""
    split: str
    """train, val or test."""
    label: str
    """Its class."""
    reason: str = ""
    """What is wrong with its file; empty where there is none."""


@dataclass(frozen=True)
class Coverage:
    """What of a data set a manifest holds."""

    __pydantic_config__ = _STRICT

    dataset: str
    """Name of the data set."""
    title: str
    """As its authors write it."""
    root: str
    """Folder of the videos, relative to the manifest's folder, or absolute."""
    listed: dict[str, int]
    """Clips of each split, by the official lists."""
    listed_by_class: dict[str, dict[str, int]] = field(repr=False)
    """The same of each class: split, then name."""
    missing: tuple[LostVideo, ...] = field(repr=False)
    """Listed clips without a file."""
    broken: tuple[LostVideo, ...] = field(repr=False)
    """Listed clips whose file cannot be read."""
    empty_classes: tuple[str, ...] = ()
    """Classes without a single video; they stay possible answers."""
    sources: tuple[tuple[str, str], ...] = ()
    """Name and SHA-256 of every list."""
    notes: tuple[str, ...] = ()
    """What else a reader of results must know."""
    official_splits: tuple[str, ...] = ()
    """Manifests of the official splits beside this one."""
    manifest_sha256: str = ""
    """Of the manifest's bytes, as they were written: one that was edited since is the user's."""

    def present(self, split: str) -> int:
        """Clips of a split that can be used."""
        lost = sum(video.split == split for video in (*self.missing, *self.broken))
        return self.listed.get(split, 0) - lost

    def summary(self) -> dict[str, Any]:
        """What a result has to say of it, without the lists."""
        present = [self.said(split) for split in self.listed]
        return {"title": self.title, "present": present, "sources": list(self.sources), "notes": list(self.notes)}

    def said(self, split: str) -> str:
        """`14,012 of 15,446 test clips present`."""
        return f"{self.present(split):,} of {self.listed.get(split, 0):,} {split} clips present"


_COVERAGE = TypeAdapter(Coverage)


def coverage_path(manifest: Path) -> Path:
    """Where the coverage of a manifest is."""
    return manifest.with_suffix(_SUFFIX)


def write_coverage(manifest: Path, coverage: Coverage) -> None:
    """Writes it beside the manifest. Raises StorageError."""
    write_text(coverage_path(manifest), coverage_text(coverage))


def coverage_text(coverage: Coverage) -> str:
    """What `write_coverage` writes."""
    fields = stamped({"format_version": FORMAT_VERSION, **asdict(coverage)})
    return json.dumps(fields, indent=1, ensure_ascii=False) + "\n"


def refuse_other_manifest(manifest: Path) -> None:
    """Raises StorageError unless writing this manifest and its account loses nothing of the user's.

    There is nothing, or both are as openmov wrote them; the account says so by the digest of the manifest.
    """
    what = "is there, and is not as openmov wrote it"
    hint = "move it away, or choose another --out"
    try:
        account = load_coverage(manifest)
        content = manifest.read_bytes() if os.path.lexists(manifest) else b""
    except ManifestError as error:
        raise StorageError(coverage_path(manifest), what, hint) from error
    except OSError as error:
        raise StorageError(manifest, f"is there and cannot be read ({error.strerror})", hint) from error
    if content and (account is None or account.manifest_sha256 != hashlib.sha256(content).hexdigest()):
        raise StorageError(manifest, what, hint)


def load_coverage(manifest: Path) -> Coverage | None:
    """What lies beside the manifest; None where nothing does. Raises ManifestError for a damaged file."""
    path = coverage_path(manifest)
    hint = "write it anew with openmov dataset"
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
        fields = {name: value for name, value in fields.items() if name not in MADE_BY}
        version = fields.pop("format_version")
        if version != FORMAT_VERSION:
            raise ManifestError(path, f"is of format version {version}, not {FORMAT_VERSION}", hint)
        return _COVERAGE.validate_python(fields)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, ValidationError) as error:
        raise ManifestError(path, f"is damaged ({type(error).__name__})", hint) from error


def declared_root(manifest: Path) -> Path | None:
    """The folder that holds a manifest's videos, where its coverage says so. Raises ManifestError."""
    coverage = load_coverage(manifest)
    if coverage is None:
        return None
    root = (manifest.parent / coverage.root).resolve()
    if not root.is_dir():
        what = f"the folder of its videos, {root}, is not there"
        raise ManifestError(manifest, what, "bring it back, or write the manifest anew with openmov dataset")
    return root


def relative_root(videos: Path, manifest: Path) -> str:
    """How a manifest names the folder of its videos."""
    return os.path.relpath(videos.resolve(), manifest.parent.resolve())
