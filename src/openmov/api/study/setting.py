"""From what a user names to the data of the studies."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from openmov.api.study.agenda import Work
from openmov.api.study.given import given_stage
from openmov.api.study.layout import StudyFolders
from openmov.api.study.stage import Stage, StageNote
from openmov.api.study.world import UNDER_OWN, UNDER_OWN_SAID, world_stage
from openmov.api.wiring import default_cache_folder
from openmov.config.protocols import Protocol
from openmov.errors import RecipeError
from openmov.studies.scale import FULL, QUICK

WORLD = "shapesav"
"""What the synthetic world is called."""


def set_stage(
    data: Sequence[str],
    manifests: Sequence[Path],
    work: Path,
    cache: Path | None,
    seeds: int | None,
    overrides: Sequence[str],
    *,
    quick: bool,
    workers: int,
    protocol: Protocol = "paper",
) -> tuple[Stage, Work]:
    """The data that was named, and how to work on it. Raises RecipeError, ManifestError."""
    folders = StudyFolders(work)
    if WORLD not in data:
        if quick:
            raise RecipeError("--quick", "is a size of ShapesAV", "leave it out, or use --set training.epochs=1")
        stage = given_stage(
            data, manifests, cache or default_cache_folder(), seeds=seeds or 1, overrides=tuple(overrides)
        )
        return _with_notes(replace(stage, protocol=protocol, last_word=tuple(overrides))), Work(folders, workers)
    if len(data) > 1 or manifests:
        raise RecipeError("--data", f"{WORLD} is made on the spot, alone", "leave out --manifest and other --data")
    scale = QUICK if quick else FULL
    folders = replace(folders, pools=scale.name)
    stage = world_stage(folders, scale, tuple(overrides))
    stage = replace(stage, seeds=seeds or scale.seeds, cache=cache or stage.cache)
    stage = replace(stage, protocol=protocol, last_word=(*UNDER_OWN, *overrides))
    at_a_time = 1 if torch.cuda.is_available() else workers
    return _with_notes(stage, UNDER_OWN_SAID), Work(folders, workers, scale=scale, at_a_time=at_a_time)


def _with_notes(stage: Stage, *more: str) -> Stage:
    """Says on every page whose hyper-parameters they are, where they are not the recipe's."""
    return (
        stage
        if stage.protocol == "paper"
        else replace(stage, notes=(*stage.notes, StageNote(_OWN_SAID), *map(StageNote, more)))
    )


_OWN_SAID = (
    "CoOp, CLIP-Adapter, ActionCLIP, X-CLIP and ViFi-CLIP are trained with their authors' hyper-parameters as far as a "
    "recipe can express them (docs/hyperparameters.md; decision 24 names those that are assumptions), everything else "
    "as always."
)


def command_of(names: Sequence[str], stage: Stage, overrides: Sequence[str]) -> str:
    """The command line that makes the same again."""
    seeds = f" --seeds {stage.seeds}" if stage.scale is None or stage.seeds != stage.scale.seeds else ""
    sets = "".join(f" --set {override}" for override in overrides)
    own = "" if stage.protocol == "paper" else f" --protocol {stage.protocol}"
    return f"openmov study {' '.join(names)} {stage.named}{seeds}{own}{sets}"
