"""Pretrained towers that answer without training: a backbone's pictures, beside it a sound tower, or a model of both.

    Components --> FrozenTowers (network), TowerNames (class vectors), TowersRule (equation 12) --> NetworkScorer

What a calibration chose is a small JSON file that names the towers it was chosen for.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Any

import torch.nn.functional as F

from openmov.build import ENCODER_CHUNK, ClassNames, Components
from openmov.data.loader import Unreadable, evaluation_batches
from openmov.data.records import Record
from openmov.documents import read_json
from openmov.errors import CheckpointError, ManifestError, RecipeError
from openmov.media.decode import Decoder
from openmov.model.backbones.base import AdaptingClipEncoder, ClipBackbone, HearingBackbone
from openmov.model.encoders import FrozenFrameEncoder
from openmov.model.towers import AUDIO, BOTH, VIDEO, FrozenTowers
from openmov.runtime.own_files import stamped, write_own
from openmov.runtime.progress import progress_bar
from openmov.scoring.embeddings import NetworkScorer, record
from openmov.scoring.paths import NovelPath
from openmov.scoring.towers import TowerCalibration, TowersRule, calibrate_towers
from openmov.text.vocabulary import Vocabulary
from openmov.types import ClassEmbeddings, ClipBatch, Modality

_KIND = "openmov weights of towers"
_BATCH = 16


def answers_by_towers(components: Components) -> bool:
    """Whether a recipe without training is answered so: it hears through a pretrained tower, or sees whole clips."""
    untrained = components.recipe.model.method in ("video_only", "audio_only")
    return untrained and (components.sound is not None or isinstance(components.backbone, ClipBackbone))


def tower_scorer(components: Components, weights: NovelPath | None = None) -> NetworkScorer:
    """`weights` replace the default ones. Raises BackboneError."""
    backbone, sound, modalities = components.backbone, components.sound, components.modalities
    frames = clip = joint = None
    if Modality.VIDEO in modalities:
        if isinstance(backbone, ClipBackbone):
            clip = backbone.clip_encoder()
        else:
            frames = FrozenFrameEncoder(backbone.image_encoder(), backbone.dim, chunk=ENCODER_CHUNK)
    own_sound = sound is not None and components.recipe.backbone.sound is None
    if own_sound and clip is not None and isinstance(backbone, HearingBackbone):
        joint = backbone.joint_encoder()
    network = FrozenTowers(
        frames=frames, clip=clip, sound=None if sound is None else sound.sound_encoder(), joint=joint
    )
    raw = clip is not None and (isinstance(clip, AdaptingClipEncoder) or not _cosine(backbone))
    names = TowerNames.of(components, looks=network.looks, raw=raw, joint=joint is not None)
    prepared = components.answering(network)
    rule = _rule(components, network)
    return NetworkScorer(prepared, names, rule if weights is None else rule.weighed(weights), modalities)


def _rule(components: Components, network: FrozenTowers) -> TowersRule:
    backbone, sound, chosen = components.backbone, components.sound, components.recipe.prediction
    taus: dict[str, float] = {}
    cosine: dict[str, bool] = {}
    if network.looks:
        taus[VIDEO], cosine[VIDEO] = chosen.tau_v or backbone.temperature, _cosine(backbone)
    if sound is not None:
        taus[AUDIO], cosine[AUDIO] = chosen.tau_x or sound.temperature, sound.cosine
        if network.joint is not None:
            assert isinstance(backbone, HearingBackbone)
            taus[BOTH] = backbone.joint_temperature * taus[AUDIO] / sound.temperature
            cosine[BOTH] = _cosine(backbone)
    return TowersRule(network, taus, cosine, chosen.beta)


def _cosine(backbone: object) -> bool:
    return backbone.cosine if isinstance(backbone, ClipBackbone) else True


@dataclass(frozen=True)
class TowerNames:
    """Class names as every stream's own text side embeds them; each is kept under its tower's identity."""

    pictures: ClassNames | None
    """Of the backbone; None where no pictures are looked at."""
    raw: bool
    """Whether the pictures' tower takes names as long as they are."""
    others: Mapping[str, tuple[ClassNames, str | None]] = field(repr=False)
    """By stream: its names, and its template set where that is not the pictures'."""

    @classmethod
    def of(cls, components: Components, *, looks: bool, raw: bool, joint: bool) -> "TowerNames":
        """From what is loaded."""
        backbone, sound = components.backbone, components.sound
        others: dict[str, tuple[ClassNames, str | None]] = {}
        if sound is not None:
            prompts = components.recipe.backbone.sound_prompts or sound.prompts
            others[AUDIO] = (components.class_names(sound, unit=sound.cosine), prompts)
        if joint and isinstance(backbone, HearingBackbone):
            others[BOTH] = (components.class_names(backbone.joint_text(), unit=_cosine(backbone)), None)
        return cls(components.class_names(backbone, unit=not raw) if looks else None, raw, others)

    def __call__(self, vocabulary: Vocabulary) -> ClassEmbeddings:
        """Raises BackboneError for names that a tower refuses, VocabularyError for prompts that are none."""
        own = {
            stream: names(replace(vocabulary, prompts=prompts or vocabulary.prompts)).vectors
            for stream, (names, prompts) in self.others.items()
        }
        if self.pictures is None:
            return ClassEmbeddings(vocabulary.names, F.normalize(own[AUDIO], dim=-1), None, own)
        vectors = self.pictures(vocabulary).vectors
        if self.raw:
            return ClassEmbeddings(vocabulary.names, F.normalize(vectors, dim=-1), None, {VIDEO: vectors, **own})
        return ClassEmbeddings(vocabulary.names, vectors, None, own)


def calibrate_on(
    components: Components,
    records: Sequence[Record],
    vocabulary: Vocabulary,
    unreadable: list[Unreadable],
    *,
    manifest: Path,
    decoder: Decoder | None = None,
    workers: int = 1,
    shown: bool = True,
) -> TowerCalibration:
    """How much to trust what is heard, on labelled clips, each looked at and heard as in a prediction.

    What cannot be read is added to `unreadable`. Raises ManifestError where no clip is left, RecipeError where there is
    nothing to weigh, BackboneError for names that a tower refuses.
    """
    require_both(components, "calibrate")
    scorer = tower_scorer(components)
    assert isinstance(scorer.rule, TowersRule)
    scorer.embed_classes(vocabulary)  # what is wrong with the names is said before a file is opened
    reader = components.dataset(decoder=decoder)
    with progress_bar("calibrating", len(records), shown=shown) as progress:
        # One clip a batch: sounds are of different lengths, and a clip's embeddings are all that is kept of it.
        batches = _counted(evaluation_batches(reader, records, 1, unreadable, workers), unreadable, progress)
        first = next(batches, None)
        if first is None:
            raise ManifestError(
                manifest, "has no readable clip to calibrate on", "name a split that has some (--split)"
            )
        recording = record(scorer.model, chain([first], batches))
    return calibrate_towers(recording, scorer.embed_classes, vocabulary, scorer.rule)


def _counted(
    batches: Iterator[ClipBatch], unreadable: Sequence[Unreadable], progress: Callable[[int], None]
) -> Iterator[ClipBatch]:
    for done, batch in enumerate(batches, start=1):
        yield batch
        progress(done + len(unreadable))


def require_both(components: Components, asked: str) -> None:
    """Raises RecipeError where there are not both pictures and a pretrained tower that hears, to weigh."""
    if components.sound is None:
        raise RecipeError(asked, "weighs sound against pictures, and nothing hears", "add --sound")
    if Modality.VIDEO not in components.modalities:
        raise RecipeError(asked, "weighs sound against pictures, and none are looked at", "leave out --modalities")


def write_weights(path: Path, found: TowerCalibration, components: Components) -> dict[str, Any]:
    """What was chosen, and for which towers; also returned. Raises StorageError."""
    data = {
        "kind": _KIND,
        "backbone": _who(components)[0],
        "sound": _who(components)[1],
        **asdict(found.chosen),
        "num_clips": found.num_clips,
        "accuracy": dict(found.accuracy),
        "grid": [asdict(point) for point in found.grid],
    }
    write_own({path: json.dumps(stamped(data), indent=1, ensure_ascii=False) + "\n"})
    return data


def read_weights(path: Path, components: Components) -> NovelPath:
    """beta and both temperatures. Raises CheckpointError for another file, or one that other towers were given."""
    try:
        data = read_json(path)
        chosen = NovelPath(float(data["beta"]), float(data["tau_x"]), float(data["tau_v"]))
        known = data["kind"] == _KIND and 0 <= chosen.beta <= 1 and chosen.tau_x > 0 and chosen.tau_v > 0
    except OSError as error:
        raise CheckpointError(path, "cannot be read", "give a file that openmov calibrate wrote") from error
    except (ValueError, TypeError, KeyError) as error:
        raise CheckpointError(path, "is not a file of weights", "give one that openmov calibrate wrote") from error
    if not known:
        raise CheckpointError(path, "is not a file of weights", "give one that openmov calibrate wrote")
    for role, now in zip(("backbone", "sound"), _who(components), strict=True):
        stored = data.get(role)
        if not isinstance(stored, dict) or stored.get("identity") != now["identity"]:
            given = stored.get("name") if isinstance(stored, dict) else None
            what = f"was chosen for another {role} ({given}), not {now['name']}"
            raise CheckpointError(path, what, "calibrate these towers (openmov calibrate), or leave it out")
    return chosen


def _who(components: Components) -> tuple[dict[str, str], dict[str, str]]:
    assert components.sound is not None
    backbone, sound = components.backbone, components.sound
    return (
        {"name": backbone.name, "identity": backbone.identity},
        {"name": sound.name, "identity": sound.identity},
    )
