"""Which videos stand for the paper's in a study: ShapesAV (`world.py`), or data sets whose manifests a user has.

flow    Kinetics-700 in the paper     ShapesAV-Motion here, or kinetics700 (400, 600) of `openmov dataset`
audio   VGGSound                      ShapesAV-Sound, or vggsound
first, second   UCF101, HMDB51        two other sets of names on a pool of its own, or ucf101, hmdb51
scenes_flow, scenes_audio, both       tracks of our own, which the paper has not: ShapesAV-Scenes, ShapesAV-Both

    --data kinetics700 --manifest k700/ --data vggsound --manifest vgg/manifest.csv --data ucf101 --manifest ucf/
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from openmov.config.choices import Protocol
from openmov.data.coverage import load_coverage
from openmov.data.manifest import load_manifest
from openmov.errors import DecodeError, ManifestError, RecipeError
from openmov.experiments.scale import Scale
from openmov.media.decode import probe
from openmov.text.vocabulary import load_vocabulary


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
class Track:
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
class DataNote:
    """What stands for what, for the page."""

    says: str
    """A sentence or two."""
    studies: frozenset[str] = frozenset()
    """Names of the studies that it is about; empty for all."""


@dataclass(frozen=True)
class StudyData:
    """All the data of one call."""

    title: str
    """As shown."""
    tracks: Mapping[str, Track]
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
    notes: tuple[DataNote, ...] = ()
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


ROLES = {
    "kinetics700": "flow",
    "kinetics600": "flow",
    "kinetics400": "flow",
    "vggsound": "audio",
    "ucf101": "first",
    "hmdb51": "second",
}
"""What each data set stands for: a side of the paper, or a place in table 4."""
_RECIPES = {"flow": "kinetics700", "audio": "vggsound"}
_LARGER = "openai/clip-vit-large-patch14"
_LAYERS = {count: str(count) for count in (1, 3, 6, 9)}
_LISTENED = 16
"""Videos that are opened to see whether they have sound."""


def user_data(
    data: Sequence[str], manifests: Sequence[Path], cache: Path, *, seeds: int, overrides: tuple[str, ...]
) -> StudyData:
    """The data sets named, each with its manifest, in order.

    Raises RecipeError for a data set that is none or stands for what another does, ManifestError for a folder or list
    that is not what `openmov dataset` makes of it, or whose videos lack what it is here for.
    """
    if len(data) != len(manifests):
        what = f"{len(data)} data sets and {len(manifests)} manifests"
        raise RecipeError("--data", what, "give each --data its --manifest, in the same order")
    roles = [_role(name) for name in data]
    twice = next((role for role in roles if roles.count(role) > 1), None)
    if twice is not None:
        both = " and ".join(name for name, role in zip(data, roles, strict=True) if role == twice)
        raise RecipeError("--data", f"{both} stand for the same", "give one of them")
    listed = {role: _clips(name, path) for name, role, path in zip(data, roles, manifests, strict=True)}
    tracks = {role: _arm(role, clips) for role, clips in listed.items() if role in _RECIPES}
    if not tracks:
        what = f"{' and '.join(data)} can only be asked, and nothing is there to train on"
        raise RecipeError("--data", what, "add --data kinetics700 or --data vggsound, with its --manifest")
    return StudyData(
        title=", ".join(clips.title for clips in listed.values()),
        tracks=tracks,
        targets={role: clips for role, clips in listed.items() if role not in _RECIPES},
        cache=cache,
        larger=_LARGER,
        overrides=("training.keep_epochs=false", *overrides),
        layers=_LAYERS,
        seeds=seeds,
        named=" ".join(f"--data {name} --manifest {path}" for name, path in zip(data, manifests, strict=True)),
    )


def _role(name: str) -> str:
    if name not in ROLES:
        raise RecipeError("--data", f"{name!r} is not a data set of the studies", f"write shapesav, {', '.join(ROLES)}")
    return ROLES[name]


def _clips(name: str, path: Path) -> Clips:
    """Raises ManifestError."""
    hint = f"write it with openmov dataset {name} VIDEOS --out FOLDER, and give that folder"
    if path.is_dir():
        there = sorted(entry.name for entry in path.iterdir())[:4]
        path = path / "manifest.csv"
        if not path.is_file():
            found = ", ".join(there) + (" ..." if len(there) == 4 else "") or "nothing"
            raise ManifestError(path.parent, f"is not a data set: found {found}, expected manifest.csv", hint)
    if not path.is_file():
        raise ManifestError(path, "is not there", hint)
    vocabulary = path.with_name("vocabulary.json")
    if not vocabulary.is_file():
        raise ManifestError(path.parent, "holds no vocabulary.json beside the manifest", hint)
    coverage = load_coverage(path)
    if coverage is not None and coverage.dataset != name:
        raise ManifestError(path, f"is of {coverage.dataset}, not of {name}", f"write --data {coverage.dataset}")
    return Clips(coverage.title if coverage else name, path, vocabulary)


def _arm(role: str, clips: Clips) -> Track:
    if role == "audio":
        _require_sound(clips)
    return Track(clips, role, _RECIPES[role])


def _require_sound(clips: Clips) -> None:
    """Opens some training videos of base classes. Raises ManifestError where none of them has sound."""
    names = load_vocabulary(clips.vocabulary)
    records = load_manifest(clips.manifest, vocabulary=names).select("train", names.base).records
    step = max(1, len(records) // _LISTENED)
    looked = records[::step][:_LISTENED]
    if looked and not any(_has_sound(record.path) for record in looked):
        what = f"none of {len(looked)} training videos looked at has sound, which {clips.title} is here for"
        raise ManifestError(clips.manifest, what, "give videos with their sound tracks")


def _has_sound(path: Path) -> bool:
    try:
        return probe(path).audio is not None
    except DecodeError:  # counted and listed when it is to be trained on
        return False
