"""The curves of a training on Weights & Biases, where the recipe names a project. The door to wandb.

A service that cannot be reached must not stop a training: that is said once, and the training goes on without it. With
WANDB_MODE=offline, wandb's own switch, everything is kept in the run folder for `wandb sync`.
"""

import hashlib
import importlib.util
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol, runtime_checkable

from openmov.errors import RecipeError
from openmov.runtime.progress import warn
from openmov.runtime.run_folder import RunFolder

_CONNECT_SECONDS = 30
_GOODBYE_SECONDS = 60.0


@runtime_checkable
class Curves(Protocol):
    """Takes numbers by name."""

    def add(self, numbers: Mapping[str, int | float], step: int) -> None:
        """Those of one step."""
        ...


class NoCurves:
    """Keeps nothing."""

    def add(self, numbers: Mapping[str, int | float], step: int) -> None:
        return


class WandbCurves:
    """Hands numbers to wandb's own process until that refuses; make it with `wandb_curves`."""

    def __init__(self, run: Any) -> None:
        self._run = run
        self._refused = False

    def add(self, numbers: Mapping[str, int | float], step: int) -> None:
        """Those of one step."""
        if self._refused:
            return
        try:
            self._run.log(dict(numbers), step=step)
        except _faults() as error:
            self._refused = True
            _say(error)

    def close(self) -> None:
        """Waits a minute at most for what is still to be sent; the run folder keeps it."""
        sending = threading.Thread(target=self._finish, name="openmov-wandb-goodbye", daemon=True)
        sending.start()
        sending.join(_GOODBYE_SECONDS)

    def _finish(self) -> None:
        try:
            self._run.finish()
        except _faults() as error:
            if not self._refused:
                _say(error)


def require_wandb(project: str | None) -> None:
    """Before anything is prepared. Raises RecipeError where a project is named and wandb is not installed."""
    if project is not None and importlib.util.find_spec("wandb") is None:
        raise RecipeError("training.wandb", "wandb is not installed", "pip install openmov[wandb], or leave it out")


@contextmanager
def wandb_curves(project: str | None, folder: RunFolder, recipe: Mapping[str, Any]) -> Iterator[Curves]:
    """Curves of the run `folder`, going on where they stopped; none without a project, or where wandb refuses."""
    if project is None:
        yield NoCurves()
        return
    try:
        curves = WandbCurves(_begin(project, folder, recipe))
    except _faults() as error:
        _say(error)
        yield NoCurves()
        return
    try:
        yield curves
    finally:
        curves.close()


def _begin(project: str, folder: RunFolder, recipe: Mapping[str, Any]) -> Any:
    import wandb

    settings = wandb.Settings(init_timeout=_CONNECT_SECONDS, silent=True, console="off")
    return wandb.init(
        project=project,
        name=folder.path.name,
        id=hashlib.sha256(f"{folder.fingerprint} {folder.created}".encode()).hexdigest()[:16],
        resume="allow",
        dir=str(folder.path),
        config=dict(recipe),
        settings=settings,
    )


def _faults() -> tuple[type[Exception], ...]:
    """What wandb raises where its service cannot be had or knows no key; all else is a bug."""
    from wandb.errors import Error

    return (Error, OSError)


def _say(error: Exception) -> None:
    first = (str(error).splitlines() or [type(error).__name__])[0]
    warn(f"Weights & Biases cannot be had ({first[:120]}); the training goes on without it")
