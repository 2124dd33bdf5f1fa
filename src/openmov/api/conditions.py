"""Gathers what a result file says of how it was made: hashes, versions, views, prompts, time."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict

from openmov.api.facts import software_facts
from openmov.api.runs import LoadedRun
from openmov.api.test_clips import TestClips
from openmov.evaluation.conditions import Conditions
from openmov.prediction.base_novel import NovelPath
from openmov.runtime.checkpoint import weights_sha256
from openmov.text.prompts import load_prompts


def conditions_of(
    runs: Sequence[LoadedRun],
    clips: TestClips,
    *,
    trained: bool,
    seconds: Mapping[str, float],
    path: NovelPath | None = None,
) -> Conditions:
    """Those of runs of one task that answered together; `seconds` is what each took, by its folder; `path` the novel
    path that answered, where there is one.

    Raises CheckpointError where weights are gone, VocabularyError for prompts that are none.
    """
    wiring, prompts, coverage = runs[0].wiring, clips.vocabulary.prompts, clips.coverage
    views = wiring.recipe.views
    return Conditions(
        prompts=prompts,
        templates=load_prompts(prompts),
        views=f"{views.num_clips}x{views.num_crops}",
        checkpoints={str(run.folder.path): weights_sha256(run.folder.best) for run in runs if trained},
        backbone=wiring.backbone.name,
        backbone_identity=wiring.backbone.identity,
        revision=wiring.backbone.source.revision,
        licence=wiring.backbone.source.licence,
        manifest=clips.manifest_identity,
        versions=software_facts(),
        wall_seconds=round(sum(seconds.get(str(run.folder.path), 0.0) for run in runs), 3),
        dataset=coverage.title if coverage else "",
        notes=coverage.notes if coverage else (),
        novel_path={} if path is None else asdict(path),
    )
