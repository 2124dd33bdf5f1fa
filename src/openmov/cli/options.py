"""What several verbs have in common: the application, and the options they share. Imports nothing heavy."""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter
from cyclopts.validators import Number

app = App(
    name="openmov",
    help="Open-vocabulary video classification with video frames, optical flow and sound (MOV).",
    help_format="plaintext",
    suppress_keyboard_interrupt=False,
)
"""`openmov`; the verbs add themselves."""

AtLeastOne = Annotated[int, Parameter(validator=Number(gte=1, lte=1_000_000))]
NotNegative = Annotated[int, Parameter(validator=Number(gte=0, lt=2**63))]
Flag = Annotated[bool, Parameter(negative="", show_default=False)]
Json = Annotated[bool, Parameter(name="--json", negative="", show_default=False, help="Print the result as JSON.")]
Set = Annotated[
    tuple[str, ...],
    Parameter(
        name="--set",
        negative="",
        show_default=False,
        help="Change a field of the recipe: --set training.epochs=5; may be given several times.",
    ),
]
Cache = Annotated[Path | None, Parameter(help="Cache folder. [default: $OPENMOV_CACHE or ~/.cache/openmov]")]
RecipeName = Annotated[str, Parameter(help="Bundled recipe, or path of a YAML file.")]
Manifest = Annotated[Path, Parameter(help="CSV or JSONL with the columns path, label and split (train, val, test).")]
Root = Annotated[
    Path | None, Parameter(help="Folder that holds the videos of the manifest. [default: the manifest's own folder]")
]
Names = Annotated[Path, Parameter(help="JSON with base and novel class names, as `openmov split` writes it.")]
FeaturesFolder = Annotated[
    Path | None,
    Parameter(help="Folder of stored video embeddings, as `openmov prepare --features` writes it."),
]
SafetensorsOnly = Annotated[
    bool,
    Parameter(
        name="--safetensors-only",
        negative="",
        show_default=False,
        help="Refuse a backbone whose weights are published as a pickle (.bin), which is otherwise converted once, in "
        "a process of its own, without running what is in it.",
    ),
]
LimitSeconds = Annotated[
    int,
    Parameter(validator=Number(gte=0, lte=10_000_000), help="Seconds after which a video is given up; 0 for no limit."),
]
Workers = Annotated[int, Parameter(validator=Number(gte=1, lte=1024), help="How many videos are read at a time.")]
FlowMethod = Annotated[
    Literal["tvl1", "dis"] | None,
    Parameter(help="Optical flow: tvl1, or OpenCV's fast dis for a preview. [default: the recipe's]"),
]

DecoderName = Annotated[
    Literal["pyav", "torchcodec"] | None,
    Parameter(help="Who decodes pictures: pyav, or torchcodec (an extra). [default: the recipe's]"),
]

GeneralisedName = Annotated[
    Literal["novel", "weighed"] | None,
    Parameter(
        help="Base and novel names together: all down the novel path (the paper's way), or base path and novel path "
        "weighed by how likely the clip is of a base class. [default: the recipe's]"
    ),
]
EncoderWeight = Annotated[
    float | None,
    Parameter(
        name="--encoder-weight",
        validator=Number(gte=0, lte=1),
        help="Share of the fine-tuned weights in the flow and sound encoders, the rest being the backbone's. "
        "[default: the recipe's, 1]",
    ),
]


def with_answering(
    generalised: str | None, encoder_weight: float | None, overrides: tuple[str, ...]
) -> tuple[str, ...]:
    """Changes of the recipe, those of `--generalised` and `--encoder-weight` before the others."""
    chosen = {"prediction.generalised": generalised, "prediction.encoder_weight": encoder_weight}
    return (*(f"{field}={value}" for field, value in chosen.items() if value is not None), *overrides)


def with_decoder(name: str | None, overrides: tuple[str, ...]) -> tuple[str, ...]:
    """Changes of the recipe, that of `--decoder` before the others."""
    return overrides if name is None else (f"video.decoder={name}", *overrides)


def with_safetensors_only(asked: bool, overrides: tuple[str, ...]) -> tuple[str, ...]:
    """Changes of the recipe, that of `--safetensors-only` after the others: nothing takes it back."""
    return (*overrides, "backbone.safetensors_only=true") if asked else overrides


def with_flow(method: str | None, overrides: tuple[str, ...]) -> tuple[str, ...]:
    """Changes of the recipe, those of `--flow` before those of `--set`."""
    return overrides if method is None else (f"flow.method={method}", *overrides)
