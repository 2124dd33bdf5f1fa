"""Where studies keep what they made, and the keys under which it is found again.

    WORK/trainings/flow-mov-seed0-1a2b3c4d5e6f/run              the run folder
    WORK/trainings/flow-mov-seed0-1a2b3c4d5e6f/training.json    written last: what the key was made of, what it took
    WORK/measurements/mov-seed0-6f5e4d3c2b1a.json               evaluations of one method, one seed, one set of clips

A key is a hash of everything that decides what lies under it: version and source code, recipe, data, backbone. Nothing
is ever looked up by its readable part alone.
"""

import ast
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

from openmov.runtime.atomic import write_text
from openmov.training.runs import CALIBRATION_FILE

TRAINING = "openmov.training.train"
"""Everything this module imports, however indirectly, may decide trained weights, the best epoch and a calibration."""
MEASURING = "openmov.experiments.measure"
"""And this one what is answered."""
_DATA_SUFFIXES = (".json", ".yaml", ".txt", ".csv")


@cache
def code_identity(module: str) -> str:
    """Hash of the version, of the source of a module and of all of ours it imports, and of the small data files
    (prompts, recipes, class lists) in their packages.

    The list is read off the import statements, those inside functions too, so that no file can be forgotten.
    """
    package = Path(str(files("openmov")))
    sources = sorted(imported_sources(package, module))
    data = {
        file
        for folder in {source.parent for source in sources}
        for file in folder.iterdir()
        if file.suffix in _DATA_SUFFIXES
    }
    digest = hashlib.sha256(version("openmov").encode())
    for file in (*sources, *sorted(data)):
        digest.update(file.relative_to(package).as_posix().encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:16]


def imported_sources(package: Path, module: str) -> set[Path]:
    """The files of `package` that importing and running a module of it can reach."""
    found: set[Path] = set()
    waiting = [module]
    while waiting:
        source = _source(package, waiting.pop())
        if source is not None and source not in found:
            found.add(source)
            waiting += _imports(source, package.name)
            inside = source.relative_to(package.parent).with_suffix("").parts
            waiting += [".".join(inside[:length]) for length in range(1, len(inside))]  # __init__ of its packages
    return found


def _source(package: Path, module: str) -> Path | None:
    path = package.parent.joinpath(*module.split("."))
    return next((file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file()), None)


def _imports(source: Path, name: str) -> Iterator[str]:
    """Modules of ours that are named in import statements; `from a import b` may name the module a.b."""
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] == name)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == name:
            yield str(node.module)
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


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
        return self._read() is not None and (not calibrated or (self.run / CALIBRATION_FILE).is_file())

    def finish(self, facts: Mapping[str, Any]) -> None:
        """Says that it is whole, and what it was made of. Raises StorageError."""
        write_text(self._facts, json.dumps({"key": self.key, **facts}, indent=1, ensure_ascii=False) + "\n")

    @property
    def seconds(self) -> float:
        """What it took, in the call that finished it; 0 for one that is not whole."""
        facts = self._read()
        return 0.0 if facts is None else float(facts.get("seconds", 0.0))

    def _read(self) -> dict[str, Any] | None:
        """What `finish` wrote; None where nothing did, or a power cut emptied it."""
        try:
            facts = json.loads(self._facts.read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError, ValueError):
            return None
        return facts if isinstance(facts, dict) else None

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

    def vocabulary(self, track: str) -> Path:
        """All classes of an track, each to be trained on (table 7)."""
        return self.work / "vocabularies" / f"{track}-all.json"

    def training(self, title: str, facts: Mapping[str, Any]) -> TrainingFolder:
        """Of a training that is decided by `facts`."""
        key = key_of(facts)
        return TrainingFolder(self.work / "trainings" / f"{title}-{key}", key)

    def measurement(self, title: str, facts: Mapping[str, Any]) -> Path:
        """Of a measurement that is decided by `facts`."""
        return self.work / "measurements" / f"{title}-{key_of(facts)}.json"

    def unused_trainings(self, used: Sequence[TrainingFolder]) -> int:
        """How many trainings lie there that these studies do not use: of other code, recipes or data."""
        folder = self.work / "trainings"
        there = {entry.name for entry in folder.iterdir()} if folder.is_dir() else set()
        return len(there - {one.path.name for one in used})
