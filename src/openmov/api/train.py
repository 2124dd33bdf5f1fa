"""Trains the network of a recipe on the base classes of a manifest.

    manifest, vocabulary --base only--> records --prepare--> caches --train--> run folder
                                              [--calibrate: the same on four fifths of the base classes first]

From the vocabulary only the base names go further than `load_base`; videos of novel classes are never opened.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch

from openmov.api.prepare import Prepared, fill_caches
from openmov.api.wiring import Wiring, wire
from openmov.config.schema import PredictionConfig, Recipe
from openmov.data.manifest import load_manifest
from openmov.data.records import Record
from openmov.data.source import TrainingClips, Unreadable, evaluation_batches
from openmov.data.split import hold_out_validation, pseudo_novel_split
from openmov.errors import ManifestError
from openmov.model import JointModel
from openmov.prediction.calibration import Calibration, calibrate
from openmov.prediction.predictor import BaseNovelRule, RecordedScorer, record
from openmov.runtime.atomic import write_text
from openmov.runtime.checkpoint import Provenance, load_checkpoint
from openmov.runtime.run_folder import RunFolder
from openmov.text.vocabulary import Vocabulary, load_vocabulary
from openmov.training.loop import TrainingSummary, train
from openmov.training.objective import BaseObjective

CALIBRATION_FILE = "calibration.json"
_VALIDATION_PER_CLASS = 2
_EVALUATION_BATCH = 32


@dataclass(frozen=True)
class TrainingData:
    """The base clips a run may see."""

    vocabulary: Vocabulary
    """Base names only."""
    train: tuple[Record, ...]
    """Clips the weights are fitted to."""
    val: tuple[Record, ...]
    """Clips of base classes by which the best epoch is chosen."""
    identity: str
    """Hash of the manifest."""


@dataclass(frozen=True)
class TrainingResult:
    """A finished run."""

    folder: Path
    """Where it is."""
    summary: TrainingSummary
    """How it went."""
    calibration: Calibration | None
    """beta and tau_v chosen on held-out base classes, if that was asked for."""
    unreadable: tuple[Unreadable, ...]
    """Videos that could not be read, and were left out."""


def run_training(
    recipe: Recipe,
    manifest: Path,
    vocabulary: Path,
    out: Path,
    *,
    cache_folder: Path,
    resume: bool = False,
    with_calibration: bool = False,
    workers: int = 2,
    shown: bool = True,
) -> TrainingResult:
    """Trains into the run folder `out`. Raises the OpenMovError that says what is wrong, before anything is written.

    With calibration, a second network of the same recipe is trained first, in `out/calibration`, on four fifths of
    the base classes; its answers for the rest decide beta and tau_v.
    """
    data = load_base(manifest, vocabulary, recipe.training.seed)
    wiring = wire(recipe, cache_folder)
    folder = RunFolder.create(out, recipe.model_dump(mode="json"), _fingerprint(wiring, data), resume=resume)
    prepared = _prepared(wiring, data, workers, shown)
    data = _without(data, prepared)
    _write_data_facts(folder, data, prepared)
    chosen = None
    if with_calibration and recipe.model.method == "mov":
        chosen = _calibration(wiring, data, folder, resume=resume, workers=workers, shown=shown)
    summary = _train(wiring, data, folder, resume=resume, workers=workers, shown=shown)
    return TrainingResult(out, summary, chosen, prepared.unreadable)


def load_base(manifest: Path, vocabulary: Path, seed: int) -> TrainingData:
    """The training and validation clips of base classes; without validation clips, some are held out.

    Raises ManifestError and VocabularyError.
    """
    whole = load_vocabulary(vocabulary)
    listed = load_manifest(manifest, vocabulary=whole)
    base = whole.for_protocol("base")
    records = [record for record in listed.records if record.split != "test" and record.label in set(base.names)]
    if not any(record.split == "train" for record in records):
        raise ManifestError(manifest, "lists no training video of a base class", "mend its split and label columns")
    if not any(record.split == "val" for record in records):
        records = list(hold_out_validation(records, per_class=_VALIDATION_PER_CLASS, seed=seed))
    train_records = tuple(record for record in records if record.split == "train")
    val_records = tuple(record for record in records if record.split == "val")
    return TrainingData(base, train_records, val_records, listed.identity)


def load_trained(wiring: Wiring, checkpoint: Path) -> JointModel:
    """The network with the weights of a checkpoint. Raises CheckpointError where they belong to something else."""
    network = wiring.network()
    weights, _ = load_checkpoint(checkpoint)
    network.load_trained_state(weights)
    return network.eval()


def load_calibration(run: Path) -> PredictionConfig | None:
    """beta, tau_x and tau_v as calibrated for a run; None if it was not."""
    path = run / CALIBRATION_FILE
    if not path.is_file():
        return None
    return PredictionConfig.model_validate_json(json.dumps(json.loads(path.read_text(encoding="utf-8"))["chosen"]))


def _train(
    wiring: Wiring, data: TrainingData, folder: RunFolder, *, resume: bool, workers: int, shown: bool
) -> TrainingSummary:
    recipe = wiring.recipe
    embed = wiring.class_embedder()
    network = wiring.network()
    reader = wiring.reader()
    objective = BaseObjective(embed(data.vocabulary), recipe.training.alpha, wiring.tau)
    return train(
        network,
        TrainingClips(reader, data.train, recipe.training.seed, workers),
        objective,
        recipe.training,
        folder,
        _provenance(wiring, data.vocabulary),
        validate=_validator(wiring, data, workers),
        progress=shown,
        resume=resume,
    )


def _validator(wiring: Wiring, data: TrainingData, workers: int) -> Callable[[JointModel], float]:
    """Base accuracy on the validation clips, by the base path."""
    reader, embed = wiring.reader(), wiring.class_embedder()
    rule = BaseNovelRule(wiring.tau, wiring.recipe.prediction)
    truth = torch.tensor([data.vocabulary.index_of(str(record.label)) for record in data.val])

    def validate(network: JointModel) -> float:
        recording = record(network, evaluation_batches(reader, data.val, _EVALUATION_BATCH, [], workers))
        scorer = RecordedScorer(recording, embed, rule)
        (batch,) = recording.batches()
        return (scorer.score(batch, data.vocabulary).argmax(-1) == truth).double().mean().item()

    return validate


def _calibration(
    wiring: Wiring, data: TrainingData, folder: RunFolder, *, resume: bool, workers: int, shown: bool
) -> Calibration:
    """Trains on four fifths of the base classes and chooses beta and tau_v on the clips of the rest."""
    pseudo = pseudo_novel_split(data.vocabulary, seed=wiring.recipe.training.seed)
    known, held_out = frozenset(pseudo.base), frozenset(pseudo.novel)
    part = TrainingData(
        pseudo.for_protocol("base"),
        tuple(record for record in data.train if record.label in known),
        tuple(record for record in data.val if record.label in known),
        data.identity,
    )
    recipe = wiring.recipe.model_copy(update={"name": f"{wiring.recipe.name} (calibration)"})
    rehearsal = RunFolder.create(
        folder.path / "calibration", recipe.model_dump(mode="json"), _fingerprint(wiring, part), resume=resume
    )
    _train(wiring, part, rehearsal, resume=resume, workers=workers, shown=shown)
    network = load_trained(wiring, rehearsal.best)
    unseen = [replace(clip, split="test") for clip in (*data.train, *data.val) if clip.label in held_out]
    reader = wiring.reader()
    fill_caches(reader, unseen, training=False, workers=workers, title="held-out classes", shown=shown)
    recording = record(network, evaluation_batches(reader, unseen, _EVALUATION_BATCH, [], workers))
    chosen = calibrate(recording, wiring.class_embedder(), pseudo, wiring.recipe.prediction.tau_x)
    facts = asdict(chosen) | {"chosen": chosen.chosen.model_dump()}
    write_text(folder.path / CALIBRATION_FILE, json.dumps(facts, indent=1, ensure_ascii=False) + "\n")
    return chosen


def _prepared(wiring: Wiring, data: TrainingData, workers: int, shown: bool) -> Prepared:
    """Training views of the training clips, test views of the validation clips."""
    reader = wiring.reader()
    train_part = fill_caches(
        reader, data.train, training=True, workers=workers, title="preparing training clips", shown=shown
    )
    val_part = fill_caches(
        reader, data.val, training=False, workers=workers, title="preparing validation clips", shown=shown
    )
    return Prepared(train_part.records + val_part.records, train_part.unreadable + val_part.unreadable)


def _without(data: TrainingData, prepared: Prepared) -> TrainingData:
    kept = {record.video_id for record in prepared.records}

    def readable(records: Sequence[Record]) -> tuple[Record, ...]:
        return tuple(record for record in records if record.video_id in kept)

    return replace(data, train=readable(data.train), val=readable(data.val))


def _write_data_facts(folder: RunFolder, data: TrainingData, prepared: Prepared) -> None:
    facts = {
        "manifest": data.identity,
        "vocabulary": {"identity": data.vocabulary.identity, "base": list(data.vocabulary.names)},
        "train_clips": len(data.train),
        "validation_clips": len(data.val),
        "unreadable": [{"file": str(one.record.path), "reason": str(one.error)} for one in prepared.unreadable],
    }
    write_text(folder.path / "data.json", json.dumps(facts, indent=1, ensure_ascii=False) + "\n")


def _provenance(wiring: Wiring, vocabulary: Vocabulary) -> Provenance:
    return Provenance(
        recipe=wiring.recipe.model_dump(mode="json"),
        backbone_name=wiring.backbone.name,
        backbone_identity=wiring.backbone.identity,
        vocabulary_identity=vocabulary.identity,
        base_classes=vocabulary.names,
        prompts=vocabulary.prompts,
    )


def _fingerprint(wiring: Wiring, data: TrainingData) -> str:
    """Equal for two runs if and only if one may go on where the other stopped."""
    recipe = wiring.recipe.model_dump(mode="json")
    facts = [recipe, wiring.backbone.identity, data.vocabulary.identity, data.identity]
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]
