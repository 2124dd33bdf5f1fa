"""The verb that finds out how much to trust a pretrained sound tower beside the pictures."""

import json as json_module
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from openmov.cli.options import Cache, Json, LimitSeconds, SafetensorsOnly, Set, Workers, app
from openmov.inference.options import Choices


@app.command
def calibrate(
    manifest: Path,
    /,
    *,
    out: Path,
    sound: str | None = None,
    backbone: str | None = None,
    revision: str | None = None,
    safetensors_only: SafetensorsOnly = False,
    vocabulary: Path | None = None,
    split: Literal["train", "val", "test"] = "val",
    prompts: str | None = None,
    preset: Literal["paper", "standard", "fast"] | None = None,
    views: Annotated[str | None, Parameter(help="Clips x crops, such as 4x3, in place of the preset's.")] = None,
    device: str = "auto",
    dtype: Literal["auto", "fp32", "bf16"] = "auto",
    workers: Workers = 2,
    limit: LimitSeconds = 600,
    cache: Cache = None,
    set_: Set = (),
    json: Json = False,
) -> int:
    """Choose how much `predict --sound` trusts the sound beside the pictures, on labelled clips; nothing is trained.

    Parameters
    ----------
    manifest
        CSV or JSONL with the columns path, label and split; its videos are looked at as in a prediction.
    out
        File to write: `predict --weights` reads it.
    sound
        Hub name or local folder of a CLAP or PE-AV. [default: the backbone's own, of a PE-AV]
    backbone
        Hub name or local folder, as of `predict`. [default: auto]
    revision
        Of a hub model: a commit, a tag or a branch. [default: the newest]
    vocabulary
        JSON with the class names that compete. [default: those of the split's labels]
    split
        Of the manifest. Clips that a result is measured on later are not to be calibrated on.
    prompts
        Template set or file for the pictures. [default: what suits the backbone]
    preset
        How closely to look: paper (4x3 views), standard (4x1) or fast (2x1). [default: standard]
    device
        cpu, cuda, cuda:1, mps, or auto: a GPU where there is one.
    dtype
        Of the products in the image encoders.
    """
    from openmov.cli.output import say
    from openmov.data.loader import Unreadable
    from openmov.data.manifest import load_manifest
    from openmov.errors import ManifestError
    from openmov.inference.predict import components_without_run
    from openmov.inference.towers import calibrate_on, require_both, write_weights
    from openmov.media.decode import limited_decoder
    from openmov.runtime.own_files import refuse_foreign
    from openmov.text.vocabulary import Vocabulary, load_vocabulary

    refuse_foreign([out])
    names = None if vocabulary is None else load_vocabulary(vocabulary)
    listed = load_manifest(manifest, vocabulary=names).select(split)
    labels = listed.labels if names is None else names.names
    if len(labels) < 2 or not listed.records:
        what = f"has clips of {len(listed.labels)} classes in its split {split}, and 2 are needed to choose between"
        raise ManifestError(manifest, what, "name another split (--split), or add clips")
    chosen = Choices(
        backbone=backbone,
        revision=revision,
        safetensors_only=safetensors_only,
        views=views,
        overrides=set_,
        cache=cache,
        preset=preset,
        device=device,
        dtype=dtype,
        sound=sound,
    )
    components = components_without_run(chosen)
    require_both(components, "calibrate")
    asked = Vocabulary((), labels, prompts or components.backbone.prompts)
    unreadable: list[Unreadable] = []
    with limited_decoder(limit, components.decoder) as decoder:
        records = [record for record in listed.records if record.label is not None]
        found = calibrate_on(
            components, records, asked, unreadable, manifest=manifest, decoder=decoder, workers=workers, shown=not json
        )
    data = write_weights(out, found, components)
    _say(data, out, as_json=json)
    for line in _lost([str(one.error) for one in unreadable], len(records)):
        say(f"openmov: {line}", file=sys.stderr)
    return 2 if unreadable else 0


def _say(data: dict[str, Any], out: Path, *, as_json: bool) -> None:
    if as_json:
        print(json_module.dumps({key: value for key, value in data.items() if key != "grid"}, indent=1))
        return
    from openmov.cli.output import say

    accuracy = data["accuracy"]
    words = {"together": "together", "video": "pictures alone", "audio": "sound alone", "both": "pictures with sound"}
    print(f"on {data['num_clips']} clips: " + ", ".join(f"{words[key]} {accuracy[key]:.1%}" for key in accuracy))
    say(f"sound weighs {data['beta']:g} (tau_x {data['tau_x']:.4g}, tau_v {data['tau_v']:.4g}): {out}")


def _lost(errors: list[str], listed: int) -> list[str]:
    return [] if not errors else [errors[0], f"{len(errors)} of {listed} clips could not be read"]
