"""Where a backbone came from: which commit of the hub, and under which licence its weights may be used.

    the model card's front matter  >  a LICENSE file beside the weights  >  what is known of the name  >  "unknown"

Reads text files alone; knows nothing of weights.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from openmov.model.backbones.known import known_licence

UNKNOWN = "unknown"
"""What stands in results where nobody says which licence applies."""

CARD = "README.md"
"""The model card, as the Hugging Face hub calls it."""

_SNAPSHOT = re.compile(r"[0-9a-f]{40}")
_FRONT_MATTER = re.compile(r"\A\s*---\s*\n(.*?)\n---\s*(\n|\Z)", re.DOTALL)
_LICENCE_FILES = ("LICENSE", "LICENSE.txt", "LICENSE.md", "LICENCE", "LICENCE.txt", "LICENCE.md")
# How the texts of the usual ones begin: (words that must all be near the beginning, SPDX name in small letters).
_TEXTS = (
    (("apache license", "version 2.0"), "apache-2.0"),
    (("mit license",), "mit"),
    (("permission is hereby granted, free of charge", 'the software is provided "as is"'), "mit"),
    (("attribution-noncommercial 4.0",), "cc-by-nc-4.0"),
    (("attribution-noncommercial-sharealike 4.0",), "cc-by-nc-sa-4.0"),
    (("attribution 4.0 international",), "cc-by-4.0"),
)
_BEGINNING_CHARACTERS = 2000
# Beside Creative Commons' own "nc": Apple's research licence allows "exclusively for Research Purposes", and Meta's
# FAIR research licence "noncommercial research uses".
_NON_COMMERCIAL = re.compile(r"(^|[-_ .])nc([-_ .]|$)|non-?commercial|apple-amlr|fair-noncommercial|research-only")


@dataclass(frozen=True)
class ModelSource:
    """Which published model answered."""

    licence: str = UNKNOWN
    """Of the weights, as the hub writes licences (`mit`, `apache-2.0`, `cc-by-nc-4.0`), or `unknown`."""
    licence_from: str = ""
    """Who says so: `README.md`, `LICENSE`, `openmov's table`; empty where nobody does."""
    revision: str | None = None
    """Full commit hash of the hub's repository, and that of the pull request whose weights were taken, if they were;
    None for a folder of the user's own and for bundled weights."""

    @property
    def non_commercial(self) -> bool:
        """Whether the licence is one of those known to forbid commercial use."""
        return is_non_commercial(self.licence)

    def to_json(self) -> dict[str, Any]:
        """Plain values for result files."""
        return {
            "revision": self.revision,
            "licence": self.licence,
            "licence_from": self.licence_from,
            "non_commercial": self.non_commercial,
        }

    def __str__(self) -> str:
        """Licence and revision in a few words."""
        licence = f"licence {self.licence}" + (", non-commercial" if self.non_commercial else "")
        short = re.sub("[0-9a-f]{40}", lambda found: found[0][:12], self.revision or "")
        return f"{licence}, revision {short}" if short else licence


def is_non_commercial(licence: str) -> bool:
    """Whether a licence's name is one of those known to forbid commercial use."""
    return _NON_COMMERCIAL.search(licence.lower()) is not None


def source_of(name: str, folder: Path | None, revision: str | None = None) -> ModelSource:
    """Licence and revision of the backbone called `name`, whose files are in `folder` (None: not in a folder).

    `revision` is the commit it was downloaded from; None reads it off a folder of the hub's cache.
    """
    licence, said_by = UNKNOWN, ""
    if folder is not None:
        revision = revision or _cached_revision(folder)
        licence, said_by = _licence_in(folder)
    if licence == UNKNOWN and (known := known_licence(name)) is not None:
        licence, said_by = known, "openmov's table"
    return ModelSource(licence, said_by, revision)


def _cached_revision(folder: Path) -> str | None:
    """The hub's cache keeps a commit's files in models--OWNER--NAME/snapshots/COMMIT."""
    inside = folder.parent.name == "snapshots" and _SNAPSHOT.fullmatch(folder.name)
    return folder.name if inside else None


def _licence_in(folder: Path) -> tuple[str, str]:
    """What the folder's own files say, and which of them."""
    card = _read(folder / CARD)
    licence = _licence_of_card(card) if card is not None else None
    if licence is not None:
        return licence, CARD
    for file in _LICENCE_FILES:
        text = _read(folder / file)
        if text is not None:
            return _licence_of_text(text) or f"see {file}", file
    return UNKNOWN, ""


def _licence_of_card(text: str) -> str | None:
    """`license` of a card's front matter, or `license_name` where that is `other`; a list is joined by "or"."""
    found = _FRONT_MATTER.match(text)
    if found is None:
        return None
    try:
        fields: Any = yaml.safe_load(found[1])
    except yaml.YAMLError:
        return None
    if not isinstance(fields, dict):
        return None
    licence = fields.get("license")
    if licence == "other" and isinstance(fields.get("license_name"), str):
        licence = fields["license_name"]
    names = licence if isinstance(licence, list) else [licence]
    said = [name.strip() for name in names if isinstance(name, str) and name.strip()]
    return " or ".join(said).lower() or None


def _licence_of_text(text: str) -> str | None:
    beginning = " ".join(text[:_BEGINNING_CHARACTERS].lower().split())
    return next((name for words, name in _TEXTS if all(word in beginning for word in words)), None)


def _read(path: Path) -> str | None:
    """A text file's content; None where there is none that can be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
