"""Under which conditions something was measured: what a result file has to say so that two can be told apart.

Plain values only.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class VideosPresent:
    """How many of the clips that should have been evaluated were."""

    split: str
    """train, val or test."""
    listed: int
    """Clips of the split by the data set's own lists (the manifest's, where it is no known data set)."""
    evaluated: int
    """Clips the figures are about."""
    missing: tuple[str, ...] = field(default=(), repr=False)
    """Ids of listed clips without a file."""
    broken: tuple[str, ...] = field(default=(), repr=False)
    """Ids of listed clips whose file cannot be read."""

    def __str__(self) -> str:
        return f"{self.evaluated:,} of {self.listed:,} {self.split} clips present"


@dataclass(frozen=True)
class Conditions:
    """What an evaluation was made with."""

    prompts: str
    """Name or file of the template set."""
    templates: tuple[str, ...] = field(repr=False)
    """Its sentences."""
    views: str
    """Clips x crops, such as 4x3."""
    checkpoints: Mapping[str, str]
    """SHA-256 of the trained weights, by run; empty where nothing was trained."""
    backbone: str
    """Its name."""
    backbone_identity: str
    """Hash of its weights and preprocessing."""
    manifest: str
    """Hash of the list of videos."""
    versions: Mapping[str, str] = field(repr=False)
    """Of what computes."""
    wall_seconds: float
    """Time to prepare the clips and to embed them."""
    dataset: str = ""
    """Title of the data set, where it is a known one."""
    notes: tuple[str, ...] = ()
    """What a reader must know, such as whose base / novel split it is."""
    videos: VideosPresent | None = None
    """How many of the clips are there."""
    novel_path: Mapping[str, float] = field(default_factory=dict)
    """beta, tau_x and tau_v, where the answers depend on them."""
    revision: str | None = None
    """Full commit hash of the hub's repository the backbone came from; None for one of no hub."""
    licence: str = "unknown"
    """Under which the backbone's weights are published."""

    def to_json(self) -> dict[str, Any]:
        """Plain values for `json.dump`."""
        return asdict(self) | {"said": str(self.videos) if self.videos else ""}

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> "Conditions":
        """What `to_json` gave. Raises KeyError or TypeError for anything else."""
        plain = _with_tuples(fields)
        del plain["said"]
        videos = plain.pop("videos")
        return cls(**plain, videos=None if videos is None else VideosPresent(**_with_tuples(videos)))


def _with_tuples(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()}
