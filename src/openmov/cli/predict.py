"""The verb that says what videos show.

    arguments --> names, Choices --> Predictor --> answers

A new option is a field of one of the groups below; how to answer is also a field of `inference.options.Choices`.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from openmov.cli.options import (
    AtLeastOne,
    Cache,
    DecoderName,
    EncoderWeight,
    Flag,
    FlowMethod,
    GeneralisedName,
    Json,
    LimitSeconds,
    SafetensorsOnly,
    Set,
    Workers,
    app,
    with_answering,
    with_decoder,
    with_flow,
)
from openmov.errors import DecodeError, RecipeError
from openmov.inference.options import Choices

if TYPE_CHECKING:
    from openmov.inference.predictor import Predictor
    from openmov.inference.timeline import TimelineSettings
    from openmov.scoring.unknown import BackgroundTest
    from openmov.text.vocabulary import Vocabulary


@Parameter(name="*")
@dataclass(frozen=True)
class NamesAsked:
    """Among which names."""

    labels: Annotated[
        str | None,
        Parameter(
            help="Names separated by commas (quote a name that has one), or a file of them: one a line, or with ids, "
            "as CSV, JSON or YAML."
        ),
    ] = None
    vocabulary: Annotated[
        str | None,
        Parameter(
            help="Or the classes of a data set: kinetics400, kinetics600, kinetics700, ucf101, hmdb51 or vggsound."
        ),
    ] = None
    prompts: Annotated[
        str | None,
        Parameter(
            help="kinetics700, ucf101, video, person, none, or a text file of templates. [default: the run's, or what "
            "suits the backbone: kinetics700 for CLIP, none for conse]"
        ),
    ] = None


@Parameter(name="*")
@dataclass(frozen=True)
class NetworkAsked:
    """Who is to answer."""

    run: Annotated[
        Path | None,
        Parameter(
            help="Folder of a trained run or of a shared model, or owner/model of the hub; without one, the backbone "
            "alone answers."
        ),
    ] = None
    backbone: Annotated[
        str | None,
        Parameter(
            help="Hub name or local folder of a CLIP, or of an X-CLIP, VideoPrism or PE-AV, which look at whole clips; "
            "conse (needs no hub: pip install openmov[offline]), or auto: CLIP ViT-B/16 from wherever it can be "
            "loaded, else conse; with a run, where its backbone lies now. [default: auto, or the run's]"
        ),
    ] = None
    revision: Annotated[
        str | None, Parameter(help="Of a hub model: a commit, a tag or a branch. [default: the newest]")
    ] = None
    safetensors_only: SafetensorsOnly = False
    sound: Annotated[
        str | None,
        Parameter(
            help="Without a run: hub name or local folder of a CLAP or PE-AV, which hears beside the backbone and "
            "knows words of its own; it never overrules pictures that are confident. [default: none, or PE-AV's own]"
        ),
    ] = None
    weights: Annotated[
        Path | None,
        Parameter(help="With --sound: how much to trust it, as `openmov calibrate` wrote it. [default: a quarter]"),
    ] = None
    modalities: Annotated[
        str | None,
        Parameter(
            help="Without a run: video, or video,flow,audio for an untrained MOV; with a tower that hears also "
            "video,audio or audio. [default: video, and audio where a tower hears]"
        ),
    ] = None
    preset: Annotated[
        Literal["paper", "standard", "fast"] | None,
        Parameter(
            help="How closely to look: paper (4x3 views), standard (4x1) or fast (2x1). [default: the run's own views, "
            "or standard without a run]"
        ),
    ] = None
    views: Annotated[str | None, Parameter(help="Clips x crops, such as 4x3, in place of the preset's.")] = None
    device: Annotated[str, Parameter(help="cpu, cuda, cuda:1, mps, or auto: a GPU where there is one.")] = "auto"
    dtype: Annotated[
        Literal["auto", "fp32", "bf16"],
        Parameter(
            help="Of the products in the image encoders; auto is bf16 where the hardware has it and the backbone bears "
            "it (CLIP does, conse does not)."
        ),
    ] = "auto"
    flow: FlowMethod = None
    decoder: DecoderName = None
    cache: Cache = None
    generalised: GeneralisedName = None
    encoder_weight: EncoderWeight = None
    set_: Set = ()


@Parameter(name="*")
@dataclass(frozen=True)
class OutputAsked:
    """What is to be said, and how."""

    top: Annotated[AtLeastOne, Parameter(help="Answers a file.")] = 5
    workers: Annotated[Workers, Parameter(help="How many files are read at a time, ahead of the network.")] = 2
    limit: LimitSeconds = 600
    json: Json = False
    csv: Annotated[Flag, Parameter(help="Print the result as CSV: one line an answer.")] = False
    report: Annotated[
        Path | None,
        Parameter(help="Also write a page with pictures of each video (.html), and every number beside it (.json)."),
    ] = None


@Parameter(name="*")
@dataclass(frozen=True)
class TimelineOptions:
    """A long video, and whether nothing may fit."""

    timeline: Annotated[
        Flag, Parameter(help="Watch in sliding windows, and say what happens when: segments, as soon as they end.")
    ] = False
    window: Annotated[float | None, Parameter(help="With --timeline: seconds of a window. [default: 4]")] = None
    hop: Annotated[
        float | None, Parameter(help="With --timeline: seconds from window to window. [default: half a window]")
    ] = None
    min_segment: Annotated[
        float | None,
        Parameter(name="--min-segment", help="With --timeline: no segment is shorter, in seconds. [default: a window]"),
    ] = None
    unknown: Annotated[
        Flag,
        Parameter(
            help='Answer "none of these" where a background name fits better than every label; a calibrated run has '
            "its own threshold."
        ),
    ] = False
    background: Annotated[
        str | None,
        Parameter(
            help="With --unknown: names to compete with, separated by commas or in a text file. [default: what the "
            "run was trained on, or the classes of Kinetics-700]"
        ),
    ] = None


@app.command
def predict(
    files: tuple[str, ...] = (),
    /,
    *,
    stdin: Annotated[Flag, Parameter(name=("--stdin", "-"))] = False,
    names: NamesAsked = NamesAsked(),
    network: NetworkAsked = NetworkAsked(),
    output: OutputAsked = OutputAsked(),
    moments: TimelineOptions = TimelineOptions(),
) -> int:
    """Say what videos show, in your own words; 2 if one of them cannot be read.

    Parameters
    ----------
    files
        Media files, folders (with all folders in them), or patterns such as "holiday/*.mp4".
    stdin
        Also those that standard input lists, one a line.
    """
    from openmov.cli import show_answers as answers
    from openmov.inference.predict import find_files, predictor_for
    from openmov.media.decode import limited_decoder
    from openmov.runtime.progress import note
    from openmov.text.label_choice import choose_labels

    form = answers.form_of(as_json=output.json, as_csv=output.csv)
    answers.refuse_page(output.report)
    if not files and not stdin:
        raise DecodeError("predict", "no file is named", "name files or folders, or - for a list on standard input")
    cut = _cut(moments, output)
    labels = choose_labels(names.labels, names.vocabulary, note)
    predictor = predictor_for(_choices(network))
    _refuse_unseen_flow(network, predictor)
    found = find_files(files, from_stdin=stdin, with_sound=predictor.hears)
    vocabulary = predictor.vocabulary(labels, names.prompts)
    test = _background_test(moments, predictor, vocabulary)
    with limited_decoder(output.limit, predictor.decoder) as decoder:
        predictor.read_with(decoder)
        if cut is not None:
            from openmov.cli.show_answers import TimelineAsked, show_timelines

            asked = TimelineAsked(vocabulary, cut, form, output.top, test, output.report)
            return show_timelines(predictor, found, asked)
        how = {"top": output.top, "workers": output.workers}
        return answers.show(predictor, found, vocabulary, form, **how, unknown=test, report=output.report)


def _refuse_unseen_flow(network: NetworkAsked, predictor: "Predictor") -> None:
    if network.flow is not None and not predictor.sees_motion:
        raise RecipeError("--flow", "this network looks at no flow", "add --modalities video,flow, or leave it out")


def _cut(moments: TimelineOptions, output: OutputAsked) -> "TimelineSettings | None":
    from openmov.inference.timeline import DEFAULT_WINDOW_SECONDS, TimelineSettings

    if not moments.timeline:
        given = {
            "--window": moments.window,
            "--hop": moments.hop,
            "--min-segment": moments.min_segment,
        }
        for name in (name for name, value in given.items() if value is not None):
            raise RecipeError(name, "is given without --timeline", "add --timeline, or leave it out")
        return None
    window = DEFAULT_WINDOW_SECONDS if moments.window is None else moments.window
    return TimelineSettings(window, moments.hop, moments.min_segment)


def _background_test(
    moments: TimelineOptions, predictor: "Predictor", vocabulary: "Vocabulary"
) -> "BackgroundTest | None":
    from openmov.runtime.progress import note
    from openmov.text.label_choice import labels_of

    if moments.background is not None and not moments.unknown:
        raise RecipeError("--background", "is given without --unknown", "add --unknown, or leave it out")
    if not moments.unknown:
        return None
    named = None if moments.background is None else labels_of(moments.background, note)
    return predictor.background_test(vocabulary, named)


def _choices(asked: NetworkAsked) -> Choices:
    changes = with_answering(asked.generalised, asked.encoder_weight, asked.set_)
    return Choices(
        run=asked.run,
        backbone=asked.backbone,
        revision=asked.revision,
        safetensors_only=asked.safetensors_only,
        modalities=asked.modalities,
        views=asked.views,
        overrides=with_decoder(asked.decoder, with_flow(asked.flow, changes)),
        cache=asked.cache,
        preset=asked.preset,
        device=asked.device,
        dtype=asked.dtype,
        sound=asked.sound,
        weights=asked.weights,
    )
