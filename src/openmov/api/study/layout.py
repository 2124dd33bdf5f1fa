"""Where studies keep what they made, and the keys under which it is found again.

    WORK/trainings/flow-mov-seed0-1a2b3c4d5e6f/run              the run folder
    WORK/trainings/flow-mov-seed0-1a2b3c4d5e6f/training.json    written last: what the key was made of, what it took
    WORK/measurements/mov-seed0-6f5e4d3c2b1a.json               evaluations of one entrant, one seed, one set of clips

A key is a hash of everything that decides what lies under it: version and source code, recipe, data, backbone. Nothing
is ever looked up by its readable part alone.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

from openmov.api.runs import CALIBRATION_FILE
from openmov.runtime.atomic import write_text

TRAINING_CODE = (
    "types.py",
    "text",
    "media",
    "modalities",
    "data",
    "model",
    "baselines",
    "training",
    "prediction",
    "api/train.py",
    "api/training_data.py",
    "api/calibrating.py",
    "api/wiring.py",
    "api/class_names.py",
    "api/prepare.py",
)
"""Rooms and modules that decide trained weights, and a calibration."""
MEASURING_CODE = (
    *TRAINING_CODE,
    "evaluation/evaluator.py",
    "evaluation/metrics.py",
    "evaluation/protocols.py",
    "evaluation/result.py",
    "api/runs.py",
    "api/answering.py",
    "api/measuring.py",
    "api/test_clips.py",
    "api/cross.py",
    "api/study/answers.py",
    "api/study/measure.py",
    "api/study/temperatures.py",
)
"""Those that decide what is answered, as well."""


@cache
def code_identity(parts: tuple[str, ...]) -> str:
    """Hash of the version and of the source of some rooms and modules."""
    package = Path(str(files("openmov")))
    digest = hashlib.sha256(version("openmov").encode())
    for part in parts:
        root = package / part
        for file in sorted(root.rglob("*.py")) if root.is_dir() else [root]:
            digest.update(file.relative_to(package).as_posix().encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:16]


def key_of(facts: Mapping[str, Any]) -> str:
    """Hash of plain values."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True, ensure_ascii=False).encode()).hexdigest()[:12]


@dataclass(frozen=True)
class TrainingFolder:
    """Where one training lies."""

    path: Path
    """Its own folder."""
    key: str
    """Of all that decides it."""

    @property
    def run(self) -> Path:
        """The run folder."""
        return self.path / "run"

    def finished(self, *, calibrated: bool) -> bool:
        """Whether it is whole, and where asked has its calibration."""
        return self._facts.is_file() and (not calibrated or (self.run / CALIBRATION_FILE).is_file())

    def finish(self, facts: Mapping[str, Any]) -> None:
        """Says that it is whole, and what it was made of. Raises StorageError."""
        write_text(self._facts, json.dumps({"key": self.key, **facts}, indent=1, ensure_ascii=False) + "\n")

    @property
    def seconds(self) -> float:
        """What it took, in the call that finished it; 0 for one that is not whole."""
        return float(json.loads(self._facts.read_text(encoding="utf-8"))["seconds"]) if self._facts.is_file() else 0.0

    @property
    def _facts(self) -> Path:
        return self.path / "training.json"


@dataclass(frozen=True)
class StudyFolders:
    """Where studies keep what they made."""

    work: Path
    """Of all that can be made again."""
    pools: str = "full"
    """Name of the size of ShapesAV: a pool of each lies beside the others."""

    @property
    def clips(self) -> Path:
        """The pool of ShapesAV."""
        return self.work / f"clips-{self.pools}"

    @property
    def others(self) -> Path:
        """The other pool, whose names table 4 asks for."""
        return self.work / f"other-clips-{self.pools}"

    def scenes(self, task: str) -> Path:
        """The pool of ShapesAV-Scenes of a task."""
        return self.work / f"scenes-{task}-{self.pools}"

    def vocabulary(self, arm: str) -> Path:
        """All classes of an arm, each to be trained on (table 7)."""
        return self.work / "vocabularies" / f"{arm}-all.json"

    def training(self, title: str, facts: Mapping[str, Any]) -> TrainingFolder:
        """Of a training that is decided by `facts`."""
        key = key_of(facts)
        return TrainingFolder(self.work / "trainings" / f"{title}-{key}", key)

    def measurement(self, title: str, facts: Mapping[str, Any]) -> Path:
        """Of a measurement that is decided by `facts`."""
        return self.work / "measurements" / f"{title}-{key_of(facts)}.json"

    def others_than(self, used: Sequence[TrainingFolder]) -> int:
        """How many trainings lie there that these studies do not use: of other code, recipes or data."""
        folder = self.work / "trainings"
        there = {entry.name for entry in folder.iterdir()} if folder.is_dir() else set()
        return len(there - {one.path.name for one in used})
