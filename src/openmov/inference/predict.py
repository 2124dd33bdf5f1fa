"""What `openmov predict` does: choices to a Predictor, files to answers.

With a run, its base names among the labels are base and all others novel; without one, the backbone alone answers
(video), or, if more modalities are asked for, an untrained MOV down the novel path.
"""

import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from openmov.build import Components, build_components
from openmov.config.choices import preset_overrides
from openmov.config.load import change_recipe, load_recipe
from openmov.config.schema import Recipe
from openmov.errors import DecodeError, RecipeError
from openmov.inference.answers import Prediction
from openmov.inference.options import Choices
from openmov.inference.predictor import Predictor, views_overrides
from openmov.inference.towers import read_weights, require_both
from openmov.media.find import find_media, parse_list
from openmov.model.backbones import Backbone, load_default
from openmov.model.backbones.auto import AUTO
from openmov.model.backbones.base import ClipBackbone, HearingBackbone
from openmov.runtime.cache_folder import default_cache_folder
from openmov.scoring.paths import NovelPath
from openmov.store.class_vectors import ClassVectors
from openmov.text.label_choice import choose_labels


def find_files(texts: Sequence[str | Path], *, from_stdin: bool = False, with_sound: bool) -> list[Path | DecodeError]:
    """As `find_media`, those listed on standard input last. Raises DecodeError for an empty list there."""
    listed = (*texts, *parse_list(_all_of_stdin())) if from_stdin else texts
    return list(find_media(listed, with_sound=with_sound))


def _all_of_stdin() -> str | bytes:
    """As bytes wherever there are any: names of files need not be text in the encoding of the terminal."""
    stream = getattr(sys.stdin, "buffer", sys.stdin)
    content: str | bytes = stream.read()
    return content


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
    sound: str | None = None,
    top: int = 5,
    workers: int = 1,
) -> list[Prediction | DecodeError]:
    """What each file shows, in order; an unreadable file gives its DecodeError. For many calls, `load` once.

    `paths`: one or several files, folders or patterns. `labels`: names, or text as on the command line (`"a, b"`, or a
    text file); or `vocabulary`: a data set's, such as "kinetics400". `prompts`: a template set or file. `backbone`: a
    hub name, a local folder, `conse`, or None for what `auto` chooses; with a run, where the run's backbone lies now.
    `safetensors_only`: refuse a backbone that is published as a pickle. `sound`: a CLAP or PE-AV that hears beside it.
    Raises VocabularyError, BackboneError, RunFolderError, CheckpointError.
    """
    names = choose_labels(labels, vocabulary)
    predictor = load(run, backbone=backbone, revision=revision, safetensors_only=safetensors_only, sound=sound)
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
    sound: str | None = None,
    weights: Path | None = None,
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
        sound=sound,
        weights=weights,
    )
    return predictor_for(choices)


def predictor_for(choices: Choices) -> Predictor:
    """The Predictor of a run, or of a backbone alone: frozen CLIP, with a pretrained sound tower beside it or without,
    or an untrained MOV for several modalities.

    Without a run, crops have the size the backbone was pretrained at, unless an override says otherwise.
    Raises RecipeError for modalities, views, presets, devices or overrides that are none; what Predictor.from_run
    raises.
    """
    if choices.run is not None:
        for option, value in (("--sound", choices.sound), ("--weights", choices.weights)):
            if value is not None:
                raise RecipeError(
                    option, "is given with a trained run, which answers by itself", "leave one of them out"
                )
        if choices.modalities is not None:
            raise RecipeError("--modalities", "a trained run has its own", "leave it out, or leave out --run")
        return Predictor.from_run(
            choices.run,
            backbone=_backbone(choices),
            revision=choices.revision,
            safetensors_only=choices.safetensors_only,
            overrides=(*_looks(choices), *choices.overrides),
            labels=ClassVectors(choices.cache or default_cache_folder()),
            device=choices.device,
            dtype=choices.dtype,
        )
    components = components_without_run(choices)
    return Predictor.untrained(
        components, None if choices.weights is None else weights_for(choices.weights, components)
    )


def weights_for(path: Path, components: Components) -> NovelPath:
    """What a calibration chose for these towers.

    Raises CheckpointError; RecipeError where there is nothing to weigh.
    """
    require_both(components, "--weights")
    return read_weights(path, components)


def components_without_run(choices: Choices) -> Components:
    """Backbone, and sound tower if one is asked for, as `predict` asks them where nothing was trained.

    Raises RecipeError, BackboneError.
    """
    streams = _streams(choices.modalities)
    method = f"{streams[0]}_only" if len(streams) == 1 else "mov"
    chosen = [
        f"backbone.revision={json.dumps(choices.revision)}",
        f"backbone.safetensors_only={json.dumps(choices.safetensors_only)}",
        f"backbone.sound={json.dumps(choices.sound)}",
        f"model.method={method}",
        f"model.modalities={json.dumps(streams)}",
    ]
    named = _backbone(choices)
    if named is not None:
        chosen.append(f"backbone.name={json.dumps(named)}")
    recipe = load_recipe("kinetics700", [*chosen, *_looks(choices), *choices.overrides])
    asked, loaded = recipe.backbone, None
    _refuse_unheard(asked.sound, choices.modalities, streams)
    if named is None and choices.revision is None and not _overridden("backbone.name", choices.overrides):
        loaded = load_default(safetensors_only=asked.safetensors_only)
        recipe = change_recipe(recipe, [f"backbone.name={json.dumps(loaded.name)}"])
    components = build_components(recipe, None, backbone=loaded, hears=True).computing(choices.device, choices.dtype)
    backbone, sound = components.backbone, components.sound
    if choices.dtype == "bf16" and isinstance(backbone, ClipBackbone):
        raise RecipeError("--dtype", f"{backbone.name} embeds clips in fp32 alone", "leave it out")
    if sound is None and isinstance(backbone, HearingBackbone) and (choices.modalities is None or "audio" in streams):
        sound = backbone.sound_tower()
    if sound is None and streams == ["audio"]:
        raise _no_such_streams(choices.modalities)
    if sound is not None and streams != ["audio"]:  # the tower hears, and no encoder of MOV
        recipe = change_recipe(recipe, ["model.method=video_only", 'model.modalities=["video"]'])
    recipe = _as_trained(_at_size(recipe, backbone.image_size, choices.overrides), backbone, choices.overrides)
    store = ClassVectors(choices.cache or default_cache_folder())
    return replace(components, recipe=recipe, labels=store, sound=sound)


def _backbone(choices: Choices) -> str | None:
    return None if choices.backbone == AUTO else choices.backbone


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
    if not (clips.isascii() and clips.isdecimal() and len(clips) <= 4 and int(clips) > 0 and crops in ("1", "3")):
        raise RecipeError("--views", f"{text!r} is no clips x crops", "write 1x1, 4x1 or 4x3")
    return int(clips), int(crops)


def _streams(modalities: str | None) -> list[str]:
    streams = ["video"] if modalities is None else [name.strip() for name in modalities.split(",")]
    alone = streams in (["video"], ["audio"])
    if not alone and ("video" not in streams or not set(streams) <= {"video", "flow", "audio"}):
        raise _no_such_streams(modalities)
    return streams


def _no_such_streams(modalities: str | None) -> RecipeError:
    what = f"{modalities!r} is not video alone, or video with flow, audio or both"
    hint = "write video, or video,flow,audio; audio alone needs a tower that knows words (--sound)"
    return RecipeError("--modalities", what, hint)


def _refuse_unheard(sound: str | None, modalities: str | None, streams: Sequence[str]) -> None:
    """Raises RecipeError for streams that do not go with a pretrained sound tower."""
    if sound is None or modalities is None:
        return
    if "audio" not in streams:
        raise RecipeError("--sound", f"is given, and --modalities {modalities} has no audio", "leave one of them out")
    if "flow" in streams:
        what = "is given with flow, which means nothing before training"
        raise RecipeError("--sound", what, "write --modalities video,audio, or leave it out")


def _as_trained(recipe: Recipe, backbone: Backbone, overrides: Sequence[str]) -> Recipe:
    """A tower that looks at whole clips gets the frames it was trained on, spread over the whole video, unless an
    override says otherwise."""
    if not isinstance(backbone, ClipBackbone):
        return recipe
    wanted = {"video.num_frames": str(backbone.num_frames), "video.sampling": "whole"}
    given = [text.split("=")[0].strip() for text in overrides]
    return change_recipe(recipe, [f"{field}={value}" for field, value in wanted.items() if field not in given])


def _overridden(field: str, overrides: Sequence[str]) -> bool:
    return any(text.partition("=")[0].strip() == field for text in overrides)


def _at_size(recipe: Recipe, image_size: int, overrides: Sequence[str]) -> Recipe:
    """Crops of the size the backbone was pretrained at, unless an override chooses a size."""
    chosen = any(_overridden(f"video.{field}", overrides) for field in ("crop_size", "short_side"))
    if chosen or image_size == recipe.video.crop_size:
        return recipe
    sizes = (f"video.short_side={round(image_size * _SHORT_SIDE_PER_CROP)}", f"video.crop_size={image_size}")
    return change_recipe(recipe, sizes)
