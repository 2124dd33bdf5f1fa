"""Verbs that hand a trained model on: as a folder for others, as a file for other programs."""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from openmov.cli.options import SafetensorsOnly, app
from openmov.cli.output import say

BackboneNow = Annotated[
    str | None, Parameter(help="Where the run's backbone lies now, if not where it lay in training.")
]


@app.command
def share(
    run: Path,
    /,
    *,
    out: Path,
    licence: str | None = None,
    backbone: BackboneNow = None,
    safetensors_only: SafetensorsOnly = False,
) -> None:
    """Write a trained run as a folder to give away: weights, config.json and a model card, in Hugging Face's form.

    Parameters
    ----------
    run
        Run folder.
    out
        Folder to make; --run of other verbs reads it, and `huggingface-cli upload` puts it on the hub.
    licence
        What you give the weights away under, such as cc-by-4.0.
    """
    from openmov.inference.sharing import save_pretrained

    say(save_pretrained(run, out, licence=licence, backbone=backbone, safetensors_only=safetensors_only))


@app.command
def export(
    run: Path,
    /,
    *,
    out: Path,
    format: Literal["torch-export", "onnx"] = "onnx",
    labels: str | None = None,
    vocabulary: str | None = None,
    prompts: str | None = None,
    modalities: str | None = None,
    backbone: BackboneNow = None,
    safetensors_only: SafetensorsOnly = False,
) -> None:
    """Write a trained model as one file for programs without openmov, and compare what it answers.

    Parameters
    ----------
    run
        Folder of a run or of a shared model, or owner/model of the hub.
    out
        File to write; OUT.json beside it says what goes in and what comes out.
    format
        onnx needs `pip install 'openmov[export]'`; torch-export is read by torch.export.load.
    labels
        Names (with commas between, or a text file) whose probabilities the file gives; without, embeddings alone.
    vocabulary
        Or the classes of a data set, such as kinetics400.
    prompts
        Template set of the names. [default: the run's]
    modalities
        For clips that have just these: video, or video,flow. [default: all of the model's]
    """
    from openmov.inference.export import export_model
    from openmov.text.label_choice import choose_labels

    names = choose_labels(labels, vocabulary) if labels or vocabulary else ()
    streams = None if modalities is None else [name.strip() for name in modalities.split(",")]
    done = export_model(
        run,
        out,
        format,
        labels=names,
        prompts=prompts,
        modalities=streams,
        backbone=backbone,
        safetensors_only=safetensors_only,
    )
    say(f"{done.path}: {', '.join(done.inputs)} -> {', '.join(done.outputs)}; within {done.worst:.1e} of PyTorch")
