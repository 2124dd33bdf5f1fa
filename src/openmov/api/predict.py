"""What `openmov predict` does: choices to a Predictor, files to answers.

With a run, its base names among the labels are base and all others novel; without one, the backbone alone answers
(video), or, if more modalities are asked for, an untrained MOV down the novel path.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from openmov.api.answers import Prediction
from openmov.api.choices import Choices
from openmov.api.inputs import find_files
from openmov.api.label_store import LabelStore
from openmov.api.labels import choose_labels
from openmov.api.predictor import Predictor, views_overrides
from openmov.api.wiring import wire
from openmov.config.load import change_recipe, load_recipe
from openmov.config.presets import preset_overrides
from openmov.config.schema import Recipe
from openmov.errors import DecodeError, RecipeError
from openmov.model.backbones.auto import AUTO, choose_backbone
from openmov.runtime.cache_folder import default_cache_folder

_WITHOUT_RUN = "standard"
_SHORT_SIDE_PER_CROP = 256 / 224  # ViViT: crops of 224 from a short side of 256


def predict(
    paths: str | Path | Iterable[str | Path],
    labels: str | Sequence[str] | None = None,
    *,
    vocabulary: str | None = None,
    prompts: str | None = None,
    run: Path | str | None = None,
    backbone: str | None = None,
    revision: str | None = None,
    safetensors_only: bool = False,
    top: int = 5,
    workers: int = 1,
) -> list[Prediction | DecodeError]:
    """What each file shows, in order; an unreadable file gives its DecodeError. For many calls, `load` once.

    `paths`: one or several files, folders or patterns. `labels`: names, or text as on the command line (`"a, b"`, or a
    text file); or `vocabulary`: a data set's, such as "kinetics400". `prompts`: a template set or file. `backbone`: a
    hub name, a local folder, `conse`, or None for `choose_backbone`; with a run, where the run's backbone lies now.
    `safetensors_only`: refuse a backbone that is published as a pickle.
    Raises VocabularyError, BackboneError, RunFolderError, CheckpointError.
    """
    names = choose_labels(labels, vocabulary)
    predictor = load(run, backbone=backbone, revision=revision, safetensors_only=safetensors_only)
    listed = [paths] if isinstance(paths, str | Path) else list(paths)
    found = find_files(listed, with_sound=predictor.hears)
    return list(predictor.predict(found, predictor.vocabulary(names, prompts), top=top, workers=workers))


def load(
    run: Path | str | None = None,
    *,
    backbone: str | None = None,
    revision: str | None = None,
    safetensors_only: bool = False,
    modalities: str | None = None,
    views: str | None = None,
    overrides: Sequence[str] = (),
    cache: Path | None = None,
    preset: str | None = None,
    device: str = "auto",
    dtype: str = "auto",
) -> Predictor:
    """A Predictor for many calls, from any thread. See `Choices`; raises what `predictor_for` raises."""
    where = None if run is None else Path(run)
    choices = Choices(
        where,
        backbone,
        revision,
        safetensors_only,
        modalities,
        views,
        tuple(overrides),
        cache,
        preset,
        device,
        dtype,
    )
    return predictor_for(choices)


def predictor_for(choices: Choices) -> Predictor:
    """The Predictor of a run, or of a backbone alone: frozen CLIP, or an untrained MOV for several modalities.

    Without a run, crops have the size the backbone was pretrained at, unless an override says otherwise.
    Raises RecipeError for modalities, views, presets, devices or overrides that are none; what Predictor.from_run
    raises.
    """
    store = LabelStore(choices.cache or default_cache_folder())
    looks = _looks(choices)
    backbone = None if choices.backbone == AUTO else choices.backbone
    if choices.run is not None:
        if choices.modalities is not None:
            raise RecipeError("--modalities", "a trained run has its own", "leave it out, or leave out --run")
        return Predictor.from_run(
            choices.run,
            backbone=backbone,
            revision=choices.revision,
            safetensors_only=choices.safetensors_only,
            overrides=(*looks, *choices.overrides),
            labels=store,
            device=choices.device,
            dtype=choices.dtype,
        )
    streams = _streams(choices.modalities)
    chosen = [
        f"backbone.name={json.dumps(backbone or choose_backbone())}",
        f"backbone.revision={json.dumps(choices.revision)}",
        f"backbone.safetensors_only={json.dumps(choices.safetensors_only)}",
        f"model.method={'video_only' if streams == ['video'] else 'mov'}",
        f"model.modalities={json.dumps(streams)}",
    ]
    wiring = wire(load_recipe("kinetics700", [*chosen, *looks, *choices.overrides]), None)
    wiring = wiring.computing(choices.device, choices.dtype)
    sized = _at_size(wiring.recipe, wiring.backbone.image_size, choices.overrides)
    return Predictor.untrained(replace(wiring, recipe=sized, labels=store))


def _looks(choices: Choices) -> tuple[str, ...]:
    """The fields of the preset, then those of `views`, which go over it."""
    preset = choices.preset or (_WITHOUT_RUN if choices.run is None else None)
    fields = () if preset is None else preset_overrides(preset)
    counts = parse_views(choices.views)
    return fields if counts is None else (*fields, *views_overrides(counts))


def parse_views(text: str | None) -> tuple[int, int] | None:
    """`4x3`: clips x crops, of which there are 1 or 3. Raises RecipeError."""
    if text is None:
        return None
    clips, _, crops = text.partition("x")
    if not (clips.isascii() and clips.isdecimal() and int(clips) > 0 and crops in ("1", "3")):
        raise RecipeError("--views", f"{text!r} is no clips x crops", "write 1x1, 4x1 or 4x3")
    return int(clips), int(crops)


def _streams(modalities: str | None) -> list[str]:
    streams = ["video"] if modalities is None else [name.strip() for name in modalities.split(",")]
    if "video" not in streams or not set(streams) <= {"video", "flow", "audio"}:
        what = f"{modalities!r} is not video alone, or video with flow, audio or both"
        raise RecipeError("--modalities", what, "write video, or video,flow,audio")
    return streams


def _at_size(recipe: Recipe, image_size: int, overrides: Sequence[str]) -> Recipe:
    """Crops of the size the backbone was pretrained at, unless an override chooses a size."""
    chosen = any(text.strip().startswith(("video.crop_size", "video.short_side")) for text in overrides)
    if chosen or image_size == recipe.video.crop_size:
        return recipe
    sizes = (f"video.short_side={round(image_size * _SHORT_SIDE_PER_CROP)}", f"video.crop_size={image_size}")
    return change_recipe(recipe, sizes)
