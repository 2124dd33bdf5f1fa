"""The videos and class names a training may see: those of base classes, and none of the test split.

From the vocabulary only the base names leave this module; videos of novel classes are never opened.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from openmov.build import Components
from openmov.data.coverage import load_coverage
from openmov.data.manifest import load_manifest
from openmov.data.records import Record
from openmov.data.split import hold_out_validation
from openmov.documents import read_json
from openmov.errors import ManifestError, RunFolderError, VocabularyError
from openmov.prepare.video import Prepared, fill_caches
from openmov.runtime.atomic import write_text
from openmov.runtime.distributed import ALONE, World
from openmov.runtime.run_folder import RunFolder
from openmov.store.cache import content_hash
from openmov.text.vocabulary import Vocabulary, load_vocabulary

DATA_FILE = "data.json"
"""In a run folder: which videos it saw, and which it could not read."""
VIDEOS_FILE = "videos.json"
"""In a run folder: hash of the bytes of every video that the run began with, by its id."""
_VALIDATION_PER_CLASS = 2


@dataclass(frozen=True)
class TrainingData:
    """The base clips a run may see."""

    vocabulary: Vocabulary
    """Base names only."""
    train: tuple[Record, ...] = field(repr=False)
    """Clips the weights are fitted to."""
    val: tuple[Record, ...] = field(repr=False)
    """Clips of base classes by which the best epoch is chosen."""
    manifest: Path
    """Where they are listed."""
    identity: str
    """Hash of the manifest."""

    def of_classes(self, vocabulary: Vocabulary) -> "TrainingData":
        """The clips of some of the base classes alone."""
        names = frozenset(vocabulary.base)
        kept = {part: _where(getattr(self, part), names) for part in ("train", "val")}
        return replace(self, vocabulary=vocabulary.for_protocol("base"), train=kept["train"], val=kept["val"])

    def without(self, prepared: Prepared) -> "TrainingData":
        """Those that could be read. Raises ManifestError where that leaves no training or no validation clip."""
        lost = {one.record.video_id for one in prepared.unreadable}
        kept = {
            part: tuple(record for record in getattr(self, part) if record.video_id not in lost)
            for part in ("train", "val")
        }
        for part, name in (("train", "training"), ("val", "validation")):
            if not kept[part]:
                why = f"none of its {name} videos of base classes can be read: {prepared.unreadable[0].error}"
                raise ManifestError(self.manifest, why)
        return replace(self, train=kept["train"], val=kept["val"])


def load_base(
    manifest: Path,
    vocabulary: Path,
    seed: int,
    *,
    check_files: bool = True,
    root: Path | None = None,
    say: Callable[[str], None] | None = None,
) -> TrainingData:
    """The training and validation clips of base classes; without validation clips, two a class are held out.

    With `check_files` False videos need not be there: all that is looked at is stored elsewhere. `root` holds the
    videos, in place of the manifest's folder; `say` is told what is peculiar and no fault.

    Raises ManifestError and VocabularyError.
    """
    whole = load_vocabulary(vocabulary)
    if not whole.base:
        hint = "draw base and novel classes with openmov split"
        raise VocabularyError(vocabulary, "names no base class, and only those are trained on", hint)
    listed = load_manifest(manifest, root=root, vocabulary=whole, check_files=check_files, say=say)
    base = whole.for_protocol("base")
    names = frozenset(base.names)
    records = [record for record in listed.records if record.split != "test" and record.label in names]
    if not any(record.split == "train" for record in records):
        raise ManifestError(manifest, "lists no training video of a base class", "fix its split and label columns")
    if not any(record.split == "val" for record in records):
        records = list(hold_out_validation(records, per_class=_VALIDATION_PER_CLASS, seed=seed))
    train_records = tuple(record for record in records if record.split == "train")
    val_records = tuple(record for record in records if record.split == "val")
    return TrainingData(base, train_records, val_records, manifest, listed.identity)


def prepare_training(
    components: Components, data: TrainingData, *, workers: int, shown: bool, world: World = ALONE
) -> Prepared:
    """Stores the training views of the training clips and the test views of the validation clips.

    Several processes first store a part each; then every one goes through all clips and finds them stored, so that
    all of them know the same readable ones. Raises StorageError.
    """
    if world.size > 1:
        _store(components, replace(data, train=_part(world, data.train), val=_part(world, data.val)), workers, shown)
        world.wait()
    return _store(components, data, workers, shown)


def _part(world: World, records: tuple[Record, ...]) -> tuple[Record, ...]:
    share = world.share(len(records))
    return records[share.start : share.stop]


def _store(components: Components, data: TrainingData, workers: int, shown: bool) -> Prepared:
    reader = components.dataset()
    parts = [
        fill_caches(reader, records, training=training, workers=workers, title=f"preparing {name} clips", shown=shown)
        for records, training, name in ((data.train, True, "training"), (data.val, False, "validation"))
    ]
    return Prepared(
        tuple(record for part in parts for record in part.records),
        tuple(one for part in parts for one in part.unreadable),
    )


def write_data_facts(
    folder: RunFolder, data: TrainingData, prepared: Prepared, *, contents: bool, writes: bool = True
) -> None:
    """Notes in the run folder what is trained on, or with `writes` False only compares.

    `contents` says that the videos' own bytes decide what is learned; their hashes are known from the preparation.
    Raises RunFolderError where a run resumed began with other videos, or one of them is another file now.
    """
    path = folder.path / DATA_FILE
    coverage = load_coverage(data.manifest)
    facts = {
        "manifest": data.identity,
        "dataset": None if coverage is None else coverage.summary(),
        "vocabulary": {"identity": data.vocabulary.identity, "base": list(data.vocabulary.names)},
        "train_clips": len(data.train),
        "validation_clips": len(data.val),
        "unreadable": [
            {"id": one.record.video_id, "file": str(one.record.path), "reason": str(one.error)}
            for one in prepared.unreadable
        ],
    }
    before = _read_json(path)
    if before is not None and _readable(before, path) != _readable(facts, path):
        what = f"began with other readable videos ({DATA_FILE} lists those it could not read)"
        raise RunFolderError(folder.path, what, "restore them, or choose another --out")
    hashes = _same_videos(folder, data) if contents else None
    if writes:
        write_text(path, json.dumps(facts, indent=1, ensure_ascii=False) + "\n")
        if hashes is not None:
            write_text(folder.path / VIDEOS_FILE, json.dumps(hashes, indent=0, ensure_ascii=False) + "\n")


def _same_videos(folder: RunFolder, data: TrainingData) -> dict[str, str]:
    """The hashes of all videos. Raises RunFolderError naming those that are other files than the run began with."""
    records = (*data.train, *data.val)
    hashes = {record.video_id: content_hash(record.path) for record in records}
    before = _read_json(folder.path / VIDEOS_FILE)
    others = [] if before is None else [one for one in records if before.get(one.video_id) != hashes[one.video_id]]
    if others:
        more = f" and {len(others) - 1} more" if len(others) > 1 else ""
        what = f"began with another video under this name: {others[0].path}{more}"
        raise RunFolderError(folder.path, what, "put the earlier one back, or choose another --out")
    return hashes


def _read_json(path: Path) -> dict[str, Any] | None:
    """None where there is no such file. Raises RunFolderError."""
    try:
        fields = read_json(path)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise _damaged(path, type(error).__name__) from error
    if not isinstance(fields, dict):
        raise _damaged(path, type(fields).__name__)
    return fields


def _damaged(path: Path, why: str) -> RunFolderError:
    hint = "restore it, or delete it to go on with the videos that are there now"
    return RunFolderError(path, f"is damaged ({why})", hint)


def _readable(facts: dict[str, Any], path: Path) -> tuple[Any, ...]:
    """What must be equal for a training to go on to the same weights. Raises RunFolderError."""
    try:
        return facts["train_clips"], facts["validation_clips"], {one["id"] for one in facts["unreadable"]}
    except (KeyError, TypeError) as error:
        raise _damaged(path, type(error).__name__) from error


def _where(records: Sequence[Record], labels: frozenset[str]) -> tuple[Record, ...]:
    return tuple(record for record in records if record.label in labels)
