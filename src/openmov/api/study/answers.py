"""How an entrant's embeddings become answers: one function a name, for `Entrant.answer`.

To add one, write a function from runs and their recordings to a Contender and give it a name in ANSWERS; another beta
and tau_v for MOV is a function in `temperatures.py`, with a name in PATHS.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from openmov.api.measuring import Contender, contenders, mov_row
from openmov.api.runs import LoadedRun
from openmov.api.study.temperatures import PATHS, Evidence
from openmov.config.load import change_recipe
from openmov.errors import RecipeError
from openmov.prediction.predictor import Recording
from openmov.studies.study import Entrant

Answer = Callable[[Sequence[LoadedRun], Sequence[Recording]], Contender]
"""Runs of one entrant, with the passes of their networks over the clips."""


def _frozen(runs: Sequence[LoadedRun], recordings: Sequence[Recording]) -> Contender:
    return _of_kind("clip", runs, recordings)


def _calibrated(runs: Sequence[LoadedRun], recordings: Sequence[Recording]) -> Contender:
    return _of_kind("mov_calibrated", runs, recordings)


def _by_recipe(runs: Sequence[LoadedRun], recordings: Sequence[Recording]) -> Contender:
    """The run itself, or the score fusion of several."""
    if len(runs) > 1:
        return _of_kind("score_fusion", runs, recordings)
    return next(one for one in contenders(runs, recordings) if one.kind not in ("clip", "mov_calibrated"))


def _of_kind(kind: str, runs: Sequence[LoadedRun], recordings: Sequence[Recording]) -> Contender:
    return next(one for one in contenders(runs, recordings) if one.kind == kind)


ANSWERS: Mapping[str, Answer] = {"paper": _by_recipe, "frozen": _frozen, "calibrated": _calibrated}
"""By the names that studies use."""


def contender_of(
    entrant: Entrant, runs: Sequence[LoadedRun], recordings: Sequence[Recording], evidence: Evidence
) -> Contender:
    """What is measured, of runs that answer as it says. Raises RecipeError for an answer that is none."""
    if entrant.answer in PATHS:
        (run,), (recording,) = runs, recordings
        return mov_row(run, recording, PATHS[entrant.answer](run, evidence), entrant.answer)
    if entrant.answer not in ANSWERS:
        there = ", ".join((*ANSWERS, *PATHS))
        raise RecipeError("answer", f"{entrant.answer!r} is no way to answer", f"there are {there}")
    return ANSWERS[entrant.answer](runs, recordings)


def answering_with(run: LoadedRun, changes: Sequence[str]) -> LoadedRun:
    """The same run with other fields of `prediction`; what was trained stays as it is."""
    if not changes:
        return run
    fields = change_recipe(run.wiring.recipe, changes).prediction
    recipe = run.wiring.recipe.model_copy(update={"prediction": fields})
    return replace(run, wiring=replace(run.wiring, recipe=recipe))
