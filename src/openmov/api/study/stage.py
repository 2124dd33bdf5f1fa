"""Which videos stand for the paper's: ShapesAV, made on the spot, or data sets whose manifests a user has.

flow    Kinetics-700 in the paper     ShapesAV-Motion here, or kinetics700 (400, 600) of `openmov dataset`
audio   VGGSound                      ShapesAV-Sound, or vggsound
first, second   UCF101, HMDB51        two other sets of names on a pool of its own, or ucf101, hmdb51
scenes_flow, scenes_audio, both       sides of our own, which the paper has not: ShapesAV-Scenes, ShapesAV-Both
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from openmov.config.protocols import Protocol
from openmov.studies.scale import Scale


@dataclass(frozen=True)
class Clips:
    """One list of videos and its names."""

    title: str
    """As shown."""
    manifest: Path
    """CSV or JSONL."""
    vocabulary: Path
    """JSON with base and novel names."""


@dataclass(frozen=True)
class Arm:
    """One side of the paper."""

    clips: Clips
    """Trained and tested on."""
    extra: str
    """The modality beside the video; empty where there are several."""
    recipe: str
    """Bundled recipe of the whole model."""
    tests: Mapping[str, Clips] = field(default_factory=dict)
    """Other test clips of its own classes, by their place."""
    per_class: tuple[int, int, int] = (1, 0, 0)
    """Training, validation and test clips of each of 64 classes, where they are known beforehand."""
    parts: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Of each name, the part that `extra` can tell, where names have such a part."""


@dataclass(frozen=True)
class StageNote:
    """What stands for what, for the page."""

    says: str
    """A sentence or two."""
    studies: frozenset[str] = frozenset()
    """Names of the studies that it is about; empty for all."""


@dataclass(frozen=True)
class Stage:
    """All the data of one call."""

    title: str
    """As shown."""
    arms: Mapping[str, Arm]
    """By the paper's side; one that is not given is missing."""
    targets: Mapping[str, Clips]
    """Other data sets, by their place in table 4."""
    cache: Path
    """Of flow, sound and frozen embeddings."""
    larger: str
    """The larger backbone of table 3."""
    overrides: tuple[str, ...] = ()
    """Change every recipe."""
    layers: Mapping[int, str] = field(default_factory=dict)
    """Table 6: what stands for the last n of 12 layers; one that is missing has no counterpart."""
    seeds: int = 1
    """Training seeds."""
    scale: Scale | None = None
    """Of ShapesAV; None for real data, about whose minutes nothing is known beforehand."""
    notes: tuple[StageNote, ...] = ()
    """What stands for what."""
    named: str = ""
    """How the data was named on the command line."""
    protocol: Protocol = "paper"
    """Whose hyper-parameters other people's methods are trained with: the recipe's, or their authors' own."""
    last_word: tuple[str, ...] = ()
    """Of the overrides, those that even their authors' values do not change."""

    def notes_on(self, studies: Collection[str]) -> tuple[str, ...]:
        """What a page about these studies has to say."""
        return tuple(note.says for note in self.notes if not note.studies or note.studies & set(studies))
