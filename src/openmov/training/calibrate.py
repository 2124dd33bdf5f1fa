"""Chooses beta and tau_v on base classes alone: a rehearsal of the whole task within them.

    base classes --a fifth plays novel--> train on four fifths --> answers for the rest --grid--> calibration.json

No novel label, name or clip is touched. Or tau_v alone, by entropy, after the training (`match_run`).
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, replace
from pathlib import Path

from openmov.build import Components
from openmov.data.loader import evaluation_batches
from openmov.data.records import Record
from openmov.data.split import pseudo_novel_split
from openmov.errors import ManifestError, RecipeError
from openmov.model import TrainedModel
from openmov.prepare.video import fill_caches
from openmov.runtime.atomic import write_text
from openmov.runtime.run_folder import RunFolder
from openmov.scoring.calibration import Calibration, calibrate, match_entropy
from openmov.scoring.embeddings import BaseNovelRule, Embeddings, record
from openmov.scoring.unknown import Thresholds, calibrate_unknown
from openmov.text.vocabulary import Vocabulary
from openmov.training.data import TrainingData
from openmov.training.runs import CALIBRATION_FILE, load_trained
from openmov.types import ClipBatch

REHEARSAL_FOLDER = "calibration"
"""In a run folder: the run on four fifths of the base classes."""
EVALUATION_BATCH = 32
"""Videos that are looked at together where no gradient is needed."""


def refuse_other_methods(method: str) -> None:
    """Raises RecipeError for a method that has neither beta nor tau_v."""
    if method != "mov":
        raise RecipeError("--calibrate", f"the method {method} has nothing to calibrate", "leave it out")


def rehearsal_split(components: Components, data: TrainingData) -> Vocabulary:
    """Which base classes play base and which novel, by the recipe's seed.

    Raises RecipeError where the recipe's method has neither beta nor tau_v, VocabularyError for a single base class,
    ManifestError where either part is without clips.
    """
    recipe = components.recipe
    refuse_other_methods(recipe.model.method)
    pseudo = pseudo_novel_split(data.vocabulary, seed=recipe.training.seed)
    if not held_out(data, pseudo):
        what = f"has no readable video of the held-out base classes ({', '.join(pseudo.novel[:3])})"
        raise ManifestError(data.manifest, what, "add some, or train without --calibrate")
    if not data.of_classes(pseudo).train:
        raise ManifestError(data.manifest, "has training videos of too few classes", "train without --calibrate")
    return pseudo


def held_out(data: TrainingData, pseudo: Vocabulary) -> list[Record]:
    """Every clip of the classes that play novel, to be looked at as in a test."""
    names = frozenset(pseudo.novel)
    return [replace(clip, split="test") for clip in (*data.train, *data.val) if clip.label in names]


def calibrate_run(
    components: Components,
    data: TrainingData,
    pseudo: Vocabulary,
    run: Path,
    train_part: Callable[[Path, TrainingData], Path],
    *,
    workers: int,
    shown: bool,
    writes: bool = True,
) -> Calibration:
    """Trains the rehearsal by `train_part` (folder, clips -> checkpoint), chooses, and writes the choice into `run`.

    With `writes` False the choice is only returned: of several processes that choose alike, one writes it down.

    Raises ManifestError where no clip of the held-out classes can be read, and what the training raises.
    """
    best = train_part(run / REHEARSAL_FOLDER, data.of_classes(pseudo))
    reader = components.dataset()
    unseen = fill_caches(
        reader, held_out(data, pseudo), training=False, workers=workers, title="preparing held-out classes", shown=shown
    )
    if not unseen.records:
        raise ManifestError(data.manifest, f"no clip of the held-out classes can be read: {unseen.unreadable[0].error}")
    batches = evaluation_batches(reader, unseen.records, EVALUATION_BATCH, [], workers)
    network = load_trained(components, best)
    recording = record(network, batches)
    chosen = calibrate(recording, components.class_embedder(), pseudo, components.novel_path.tau_x)
    thresholds = thresholds_of(components, network, recording, data, pseudo, chosen, workers=workers)
    if writes:
        _write(run, chosen, thresholds)
    return chosen


def match_run(
    components: Components,
    data: TrainingData,
    checkpoint: Path,
    batches: Iterable[ClipBatch],
    run: Path,
    *,
    writes: bool = True,
) -> Calibration:
    """tau_v by matched entropy, from a finished training and its validation clips; the choice is written into `run`.

    Validation clips are of base classes and no weight was fitted to them, though the best epoch was chosen by them.
    """
    recording = record(load_trained(components, checkpoint), batches)
    chosen = match_entropy(recording, components.class_embedder(), data.vocabulary, components.novel_path)
    if writes:
        _write(run, chosen)
    return chosen


def _write(run: Path, chosen: Calibration, thresholds: Thresholds | None = None) -> None:
    facts = asdict(chosen) | {"chosen": asdict(chosen.chosen)}
    facts |= {} if thresholds is None else {"unknown": asdict(thresholds)}
    RunFolder.open(run)  # it may have gone meanwhile, and is not to be made anew for this file alone
    write_text(run / CALIBRATION_FILE, json.dumps(facts, indent=1, ensure_ascii=False) + "\n")


def thresholds_of(
    components: Components,
    network: TrainedModel,
    unseen: Embeddings,
    data: TrainingData,
    pseudo: Vocabulary,
    chosen: Calibration,
    *,
    workers: int,
) -> Thresholds:
    """Where "none of these" begins: on the rehearsal's clips of unseen classes, and on validation clips of its own."""
    own = data.of_classes(pseudo).val
    seen = (
        record(network, evaluation_batches(components.dataset(), own, EVALUATION_BATCH, [], workers)) if own else None
    )
    rule = BaseNovelRule(components.tau, chosen.chosen)
    return calibrate_unknown(unseen, seen, pseudo, components.class_embedder(), rule)
