"""What produced a result: versions, machine, seeds, prompts, hashes."""

import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from openmov.build import Components
from openmov.evaluation.result import Conditions
from openmov.report.content import FactGroup
from openmov.runs.clips import EvalClips
from openmov.runtime.checkpoint import weights_sha256
from openmov.scoring.paths import NovelPath
from openmov.text.prompts import load_prompts
from openmov.training.runs import LoadedRun

_PACKAGES = ("openmov", "torch", "transformers", "av", "numba", "numpy")


def software_facts() -> Mapping[str, str]:
    """Versions of what computes."""
    return {"python": platform.python_version()} | {name: version(name) for name in _PACKAGES}


def machine_facts() -> Mapping[str, str]:
    """What it ran on."""
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "cores": str(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()),
        "torch threads": str(torch.get_num_threads()),
    }


def licence_in_words(backbone: Mapping[str, Any]) -> str:
    """Of a backbone as `Predictor.backbone_json` describes it: `cc-by-nc-4.0, non-commercial (README.md)`."""
    said = f" ({backbone['licence_from']})" if backbone["licence_from"] else ""
    return f"{backbone['licence']}{', non-commercial' if backbone['non_commercial'] else ''}{said}"


def recipe_facts(components: Components) -> Mapping[str, str]:
    """The lines of a recipe a reader asks for first."""
    recipe, training = components.recipe, components.recipe.training
    video = recipe.video
    return {
        "recipe": recipe.name,
        "backbone": f"{components.backbone.name} ({components.backbone.identity[:12]}; {components.backbone.source})",
        "modalities": " + ".join(recipe.model.modalities),
        "frames": f"{video.num_frames}, {video.stride_seconds:g} s apart, {video.crop_size} px",
        "training": f"{training.epochs} epochs, batch {training.batch_size}, learning rate {training.learning_rate:g}",
        "views": f"{recipe.views.num_clips} x {recipe.views.num_crops} at test, {recipe.views.train_seeds} in training",
        "seed": str(training.seed),
        "temperature": f"{components.tau:.4g}",
    }


def measured_facts(conditions: Conditions | None) -> Mapping[str, str]:
    """What one result was measured with, where that is known."""
    if conditions is None:
        return {}
    weights = {f"weights of {Path(run).name}": sha256 for run, sha256 in conditions.checkpoints.items()}
    commit = {"revision": conditions.revision} if conditions.revision else {}
    backbone = {
        "backbone": f"{conditions.backbone} ({conditions.backbone_identity})",
        "licence": conditions.licence,
        **commit,
    }
    time = {"wall time": f"{conditions.wall_seconds:.1f} s to prepare and embed the clips"}
    prompts = {"prompts": f"{conditions.prompts}, {len(conditions.templates)} templates"}
    return {"views": conditions.views, **prompts, **weights, **backbone, **time}


def fact_groups(
    wirings: Mapping[str, Components],
    data: Mapping[str, Mapping[str, str]],
    measured: Mapping[str, Conditions | None] | None = None,
) -> tuple[FactGroup, ...]:
    """All of it, for the report: a group a recipe, a data set and a measurement, then software and machine."""
    groups = [
        FactGroup(f"Recipe: {title}", tuple(recipe_facts(components).items())) for title, components in wirings.items()
    ]
    groups += [FactGroup(f"Data: {title}", tuple(facts.items())) for title, facts in data.items()]
    for title, conditions in (measured or {}).items():
        if conditions is not None:
            groups.append(FactGroup(f"Measured: {title}", tuple(measured_facts(conditions).items())))
    groups.append(FactGroup("Software", tuple(software_facts().items())))
    groups.append(FactGroup("Machine", tuple(machine_facts().items())))
    return tuple(groups)


def conditions_of(
    runs: Sequence[LoadedRun],
    clips: EvalClips,
    *,
    trained: bool,
    seconds: Mapping[str, float],
    path: NovelPath | None = None,
) -> Conditions:
    """Those of runs of one task that answered together; `seconds` is what each took, by its folder; `path` the novel
    path that answered, where there is one.

    Raises CheckpointError where weights are gone, VocabularyError for prompts that are none.
    """
    components, prompts, coverage = runs[0].components, clips.vocabulary.prompts, clips.coverage
    views = components.recipe.views
    return Conditions(
        prompts=prompts,
        templates=load_prompts(prompts),
        views=f"{views.num_clips}x{views.num_crops}",
        checkpoints={str(run.folder.path): weights_sha256(run.folder.best) for run in runs if trained},
        backbone=components.backbone.name,
        backbone_identity=components.backbone.identity,
        revision=components.backbone.source.revision,
        licence=components.backbone.source.licence,
        manifest=clips.manifest_identity,
        versions=software_facts(),
        wall_seconds=round(sum(seconds.get(str(run.folder.path), 0.0) for run in runs), 3),
        dataset=coverage.title if coverage else "",
        notes=coverage.notes if coverage else (),
        novel_path={} if path is None else asdict(path),
    )
