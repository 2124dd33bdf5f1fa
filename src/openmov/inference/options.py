"""How `predict` is to answer: what the command line and Python hand to `predictor_for`."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Choices:
    """Every choice but the files and the names; the defaults suit a person who makes none."""

    run: Path | None = None
    """Folder of a trained run or shared model, or `owner/model` of the hub; None lets the backbone alone answer."""
    backbone: str | None = None
    """Hub name, local folder, `conse` or `auto`; with a run, where its backbone lies now. None: auto, or the run's."""
    revision: str | None = None
    """Of a hub model: a commit, a tag or a branch; None takes the newest."""
    safetensors_only: bool = False
    """Refuse a backbone whose weights are published as a pickle, instead of converting them once."""
    modalities: str | None = None
    """Without a run: `video`, or `video,flow,audio` for an untrained MOV. None: video."""
    views: str | None = None
    """Clips x crops, such as `4x3`; None takes those of the preset."""
    overrides: tuple[str, ...] = ()
    """Changes to the recipe: `video.num_frames=8`."""
    cache: Path | None = None
    """Folder the vectors of class names are kept in; None: $OPENMOV_CACHE or ~/.cache/openmov."""
    preset: str | None = None
    """`paper`, `standard` or `fast`; None: the run's own views, or without a run `standard`."""
    device: str = "auto"
    """cpu, cuda, cuda:1 or mps; auto: a GPU where there is one."""
    dtype: str = "auto"
    """fp32 or bf16; auto: bf16 where the hardware multiplies it and the backbone bears it."""
    sound: str | None = None
    """Without a run: hub name or local folder of a pretrained tower that hears beside the backbone (CLAP, PE-AV)."""
    weights: Path | None = None
    """Without a run: how much to trust it, as `openmov calibrate` wrote it; None: pictures that are confident stand."""
