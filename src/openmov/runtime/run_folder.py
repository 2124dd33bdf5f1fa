"""The folder of one run: what was asked, how it went, what came of it.

    run.json         fingerprint, name and date: its presence makes a folder a run folder
    recipe.json      the recipe, readable as a recipe
    metrics.jsonl    one line a step, one an epoch
    tensorboard/     the same as curves
    checkpoints/     last, best, epochs/000 ..., previous/00000120 ...
    results/         reports

Knows nothing of recipes or training: a run is told from another by its fingerprint, whatever that was made of.
"""

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from openmov.documents import read_json
from openmov.errors import RunFolderError
from openmov.runtime.atomic import storage_error, storage_errors, write_text

_RUN = "run.json"
_LOCK = ".lock"


@dataclass(frozen=True)
class RunFolder:
    """Paths of one run. Make it with `create` or `open`."""

    path: Path
    """The folder itself."""
    fingerprint: str
    """Equal for two runs if and only if one may go on where the other stopped."""
    name: str
    """Of its recipe, for people."""
    created: str
    """Local date and time, to the second."""

    @classmethod
    def create(cls, path: Path, recipe: Mapping[str, Any], fingerprint: str, *, resume: bool = False) -> "RunFolder":
        """Makes the folder of a new run; with `resume`, opens it if it already holds this very run.

        Raises RunFolderError as `found`, and StorageError.
        """
        folder = cls.found(path, fingerprint, resume=resume)
        if folder is None:
            folder = cls(path, fingerprint, str(recipe.get("name", path.name)), _now())
            about = {"fingerprint": fingerprint, "name": folder.name, "created": folder.created}
            write_text(path / _RUN, json.dumps(about, indent=1, ensure_ascii=False) + "\n")
        if not folder.recipe.is_file():  # also after a kill between the two files
            write_text(folder.recipe, json.dumps(recipe, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
        return folder

    @classmethod
    def found(cls, path: Path, fingerprint: str, *, resume: bool = False) -> "RunFolder | None":
        """This very run, to go on with, or None where a new one may be made. Writes nothing.

        Raises RunFolderError where the folder holds another run or foreign files, or, without `resume`, this run
        already: so a caller can ask before hours of preparation.
        """
        if not (path / _RUN).is_file():
            _refuse_foreign(path)
            return None
        folder = cls.open(path, fingerprint)
        if not resume:
            what = f"already holds this run ({folder.name}, {folder.created})"
            raise RunFolderError(path, what, "go on with --resume, or choose another --out")
        return folder

    @classmethod
    def open(cls, path: Path, fingerprint: str | None = None) -> "RunFolder":
        """Opens the folder of a run; with a fingerprint, only if it is that run's. Raises RunFolderError."""
        try:
            about = read_json(path / _RUN)
            folder = cls(path, *(str(about[key]) for key in ("fingerprint", "name", "created")))
        except (FileNotFoundError, NotADirectoryError) as error:
            hint = "give the folder that was the --out of openmov train"
            raise RunFolderError(path, f"holds no run ({_RUN} is missing)", hint) from error
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise RunFolderError(path / _RUN, f"is damaged ({type(error).__name__})", "choose another --out") from error
        if fingerprint not in (None, folder.fingerprint):
            what = f"holds another run ({folder.name}, {folder.created})"
            raise RunFolderError(path, what, "choose another --out, or resume with the recipe and data of that run")
        return folder

    @property
    def recipe(self) -> Path:
        """The recipe as JSON."""
        return self.path / "recipe.json"

    @property
    def metrics(self) -> Path:
        """One JSON object a line."""
        return self.path / "metrics.jsonl"

    def read_metrics(self) -> list[dict[str, Any]]:
        """The lines that are whole: a training may be writing its next one. Raises RunFolderError."""
        try:
            text = self.metrics.read_text(encoding="utf-8")
            return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]
        except FileNotFoundError:
            return []
        except (OSError, ValueError) as error:
            what, hint = f"is damaged ({type(error).__name__})", "restore it, or delete it and do without the curves"
            raise RunFolderError(self.metrics, what, hint) from error

    @property
    def tensorboard(self) -> Path:
        """Folder of event files."""
        return self.path / "tensorboard"

    @property
    def last(self) -> Path:
        """Checkpoint that training can be resumed from."""
        return self.path / "checkpoints" / "last"

    @property
    def previous(self) -> Path:
        """Folder of those that `last` replaced, by their step, as far as they are kept."""
        return self.path / "checkpoints" / "previous"

    @property
    def best(self) -> Path:
        """Checkpoint of the best epoch by validation (the newest epoch where nothing validates)."""
        return self.path / "checkpoints" / "best"

    @property
    def epochs(self) -> Path:
        """Folder of the weights kept for every epoch."""
        return self.path / "checkpoints" / "epochs"

    def epoch(self, index: int) -> Path:
        """Checkpoint after epoch `index`, counted from 0."""
        return self.epochs / f"{index:03d}"

    @property
    def results(self) -> Path:
        """Folder of evaluations and reports."""
        return self.path / "results"

    @contextmanager
    def locked(self) -> Iterator["RunLock"]:
        """Keeps other processes from writing this run; the system lets go of the lock when the process dies.

        Raises RunFolderError if another process holds it, has made another run there at this very moment, or where a
        part of the folder is a link into another run's.
        """
        with storage_errors(self.path):
            handle = self._lock_file()
        try:
            RunFolder.open(self.path, self.fingerprint)
            _refuse_links_into_others(self.path)
            yield RunLock(self.path, handle)
        finally:
            os.close(handle)

    def _lock_file(self) -> int:
        """Open and locked. In a copy of a run by hard links (cp -al) it gets a lock file of its own."""
        path = self.path / _LOCK
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            # a record lock: unlike flock, workers forked from this process do not keep it alive after a kill
            fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError) as error:
            os.close(handle)
            hint = "wait for it, stop it, or choose another --out"
            raise RunFolderError(self.path, "another process is training into it", hint) from error
        if os.fstat(handle).st_nlink > 1:
            os.close(handle)
            path.unlink()
            return self._lock_file()
        return handle


@dataclass(frozen=True)
class RunLock:
    """The lock on a run's folder; `RunFolder.locked` makes it."""

    path: Path
    """The folder."""
    handle: int
    """The open lock file."""

    def require_folder(self) -> None:
        """Raises RunFolderError where the folder has gone meanwhile, or another is in its place; StorageError."""
        try:
            there = (self.path / _LOCK).stat()
        except (FileNotFoundError, NotADirectoryError):
            there = None
        except OSError as error:
            raise storage_error(self.path, error) from error
        held = os.fstat(self.handle)
        if there is None or (there.st_dev, there.st_ino) != (held.st_dev, held.st_ino):
            what = "has gone while it was being trained into, and its checkpoints with it"
            raise RunFolderError(self.path, what, "see what removed it, and train anew")


def _refuse_foreign(path: Path) -> None:
    if not path.exists():
        return
    if not path.is_dir():
        raise RunFolderError(path, "is a file", "choose another --out")
    # a kill while run.json was being written leaves only its temporary
    foreign = sorted(entry.name for entry in path.iterdir() if not entry.name.startswith(".run."))
    if foreign:
        shown = ", ".join(foreign[:3]) + (" ..." if len(foreign) > 3 else "")
        raise RunFolderError(path, f"holds other files ({shown})", "choose another --out, or an empty folder")


def _refuse_links_into_others(path: Path) -> None:
    """A link to another disk is fine; one into another run would write over that."""
    whole = path.resolve()
    for name in ("checkpoints", "checkpoints/last", "checkpoints/best", "checkpoints/epochs", "results", "tensorboard"):
        part = (path / name).resolve()
        if part.is_relative_to(whole):
            continue
        for folder in (part, *part.parents):
            if (folder / _RUN).is_file() and folder != whole:
                what = f"is a link into another run ({folder}), which would be written over"
                raise RunFolderError(path / name, what, "copy the folder in its place, or choose another --out")


def _now() -> str:
    return datetime.now().astimezone().strftime("%Y-%m-%d %H:%M:%S")
