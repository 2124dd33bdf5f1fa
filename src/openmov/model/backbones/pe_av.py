"""PE-AV (Vyas et al. 2025, Meta's) from Hugging Face `transformers`: video, sound and both, each against words.

    frames  --timm's picture tower, transformer over time--> video --+
                                                                     +--transformer over both--> both
    samples --DAC's encoder, transformer over time---------> sound --+
    words   --ModernBERT--> a head for each of the three

Each of the three has text vectors of its own. Embeddings are not normalised: a name's logit is their product times the
scale of that pair, plus a bias that is the same for every name. Trained with a sigmoid; among names a softmax decides.
The picture tower is timm's, which wants torchvision; the sound side alone needs neither. Knows nothing of files.
"""

import hashlib
import io
import re
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from importlib import import_module
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from transformers import AutoConfig, PeAudioConfig, PeAudioModel, PeAudioVideoModel

from openmov.errors import BackboneError
from openmov.model.backbones.base import ClipEncoder, ImageEncoder, JointEncoder, SoundEncoder
from openmov.model.backbones.clap import refuse_long
from openmov.model.backbones.contents import FETCH_AGAIN, ModelContents, read_json
from openmov.model.backbones.preprocessing import Preprocessing, folder_identity
from openmov.model.backbones.pretrained import (
    fill_model,
    load_model,
    load_tokenizer,
    quiet,
    read_config,
    read_weights,
    refuse_ids_beyond,
)
from openmov.model.backbones.source import ModelSource

RATE_HZ = 48_000
HOP_SAMPLES = 1920
"""Sounds are mirrored at their end up to a multiple of this: a column of the sound tower."""
LONGEST_SECONDS = 30.0
"""Longer sounds are heard in windows; the tower itself would take any length, at a cost that grows with its square."""
NUM_FRAMES = 16
"""Where its files name no number: what the `-16-frame` models look at."""

_TEXT_BATCH = 64
_HALVES = (0.5, 0.5, 0.5)
_INSTALL = "install timm and a torchvision that suits torch, or take its sound side alone: --sound NAME"


class PEAVText:
    """Words for one of the three embeddings: a TextSide."""

    def __init__(self, name: str, identity: str, text_model: Any, head: nn.Module, tokenizer: Any) -> None:
        self._name, self._text, self._head, self._tokenizer = name, text_model, head, tokenizer
        self.identity = identity

    @property
    def dim(self) -> int:
        return int(self._text.config.hidden_size)

    @torch.no_grad()
    def embed_text(self, sentences: Sequence[str]) -> Float[Tensor, "sentences dim"]:
        """Raises BackboneError for sentences that are too long."""
        pieces = [sentences[i : i + _TEXT_BATCH] for i in range(0, len(sentences), _TEXT_BATCH)]
        return torch.cat([self._embed(piece) for piece in pieces])

    def _embed(self, sentences: Sequence[str]) -> Float[Tensor, "sentences dim"]:
        encoded = self._tokenizer(list(sentences), padding=True, return_tensors="pt")
        tokens, mask = encoded["input_ids"], encoded["attention_mask"]
        refuse_ids_beyond(self._name, tokens, int(self._text.config.vocab_size))
        refuse_long(self._name, sentences, mask, int(self._text.config.max_position_embeddings))
        found = self._text(input_ids=tokens, attention_mask=mask, output_hidden_states=True)
        embedded: Tensor = self._head(found.hidden_states[-1][:, 0])
        return embedded.float()


class PEAVTower:
    """The sound side of a PE-AV; every property is as in `SoundTower`."""

    family = "PE-AV"
    prompts = "sound"
    cosine = False
    rate_hz = RATE_HZ
    longest_seconds = LONGEST_SECONDS
    source = ModelSource()

    def __init__(self, name: str, model: Any, tokenizer: Any, identity: str) -> None:
        """`model` is a PeAudioModel."""
        self._model: Any = model.eval().requires_grad_(False)
        self._text = PEAVText(name, f"{identity}-audio", model.text_model, model.text_audio_head, tokenizer)
        self.name, self.identity = name, self._text.identity
        self.temperature = _temperature(name, model.text_audio_logit_scale)

    @classmethod
    def load(cls, name: str, contents: ModelContents) -> "PEAVTower":
        """From a `pe_audio` folder, or the sound side of a `pe_audio_video` one, without its pictures.

        Raises BackboneError.
        """
        _refuse_no_words(name, contents)
        identity = folder_identity(contents, Preprocessing())
        if contents.model_type == "pe_audio":
            model = load_model(name, contents, PeAudioModel)
        else:
            model = _sound_side(name, contents)
        return cls(name, model, load_tokenizer(name, contents.folder), identity)

    @property
    def dim(self) -> int:
        return self._text.dim

    def embed_text(self, sentences: Sequence[str]) -> Float[Tensor, "sentences dim"]:
        """As `PEAVText`."""
        return self._text.embed_text(sentences)

    def sound_encoder(self) -> "PEAVSoundEncoder":
        """Shares its weights."""
        return PEAVSoundEncoder(self._model.audio_encoder, self._model.audio_head)


class PEAVBackbone:
    """All of a PE-AV: a ClipBackbone that hears; every property is as in `Backbone`, of its pictures."""

    family = "PE-AV"
    prompts = "video"
    cosine = False
    suits_bf16 = False
    source = ModelSource()

    def __init__(
        self, name: str, model: Any, tokenizer: Any, preprocessing: Preprocessing, sizes: tuple[int, int], identity: str
    ) -> None:
        """`model` is a PeAudioVideoModel; `sizes` are the side of its pictures in pixels, and its number of frames."""
        self._model: Any = model.eval().requires_grad_(False)
        self._tokenizer, self._identity = tokenizer, identity
        self.name, self.preprocessing = name, preprocessing
        self.mean, self.std = preprocessing.mean, preprocessing.std
        self.image_size, self.num_frames = sizes
        head = model.video_model.text_video_head
        looks = hashlib.sha256(repr((preprocessing, sizes)).encode()).hexdigest()[:8]
        self._text = PEAVText(name, f"{identity}-video-{looks}", model.text_model, head, tokenizer)
        self.identity = self._text.identity
        self.temperature = _temperature(name, model.video_model.text_video_logit_scale)
        self.joint_temperature = _temperature(name, model.text_audio_video_logit_scale)

    @classmethod
    def load(cls, name: str, contents: ModelContents) -> "PEAVBackbone":
        """In single precision whatever it is stored in. Raises BackboneError where it cannot be used, or timm not."""
        _refuse_no_words(name, contents)
        vision = _vision_config(contents)
        timm = vision.get("model_type", "timm_wrapper") == "timm_wrapper"
        if timm:
            _require_timm(name)
        processor = _video_processor(name, contents)
        preprocessing = Preprocessing(
            _numbers(processor.get("image_mean")), _numbers(processor.get("image_std")), "squash", "bilinear"
        )
        sizes = (_image_size(name, processor, vision), int(processor.get("num_frames") or NUM_FRAMES))
        identity = folder_identity(contents, Preprocessing())  # of the sound side too, whoever loads it
        with redirect_stdout(io.StringIO()):  # transformers 5.24 prints a complaint about its own docstrings
            config = read_config(name, contents.folder, PeAudioVideoModel)
            state = read_weights(name, contents.weights)
            if timm:
                _set_width(config, state)
            else:  # transformers takes every picture tower of a config.json for one of timm's
                config.audio_video_config.video_config.vision_config = AutoConfig.for_model(**vision)
            model = fill_model(name, PeAudioVideoModel, config, state)
        return cls(name, model, load_tokenizer(name, contents.folder), preprocessing, sizes, identity)

    @property
    def dim(self) -> int:
        return self._text.dim

    @property
    def patch_size(self) -> int:
        vision = self._model.config.audio_video_config.video_config.vision_config
        named = re.search(r"patch(\d+)", getattr(vision, "architecture", ""))
        return int(named[1]) if named else int(getattr(vision, "patch_size", 1))

    @property
    def tau_x(self) -> float:
        return self.temperature

    @property
    def tau_v(self) -> float:
        return self.temperature

    @property
    def num_heads(self) -> int:
        return int(self._model.config.text_config.num_attention_heads)

    def embed_text(self, sentences: Sequence[str]) -> Float[Tensor, "sentences dim"]:
        """Words for pictures, as `PEAVText`."""
        return self._text.embed_text(sentences)

    def image_encoder(self) -> ImageEncoder:
        """Raises BackboneError: there is none."""
        what = "is a PE-AV, which embeds whole clips and no frame on its own"
        raise BackboneError(self.name, what, "take a CLIP, or ask it without training (predict --backbone)")

    def clip_encoder(self) -> "PEAVClipEncoder":
        """Shares its weights."""
        video = self._model.video_model
        return PEAVClipEncoder(video.video_encoder, video.video_head, self.num_frames)

    def sound_tower(self) -> PEAVTower:
        """Shares its weights."""
        tower = PEAVTower(self.name, self._model.audio_model, self._tokenizer, self._identity)
        tower.source = self.source
        return tower

    def joint_encoder(self) -> "PEAVJointEncoder":
        """Shares its weights."""
        return PEAVJointEncoder(self._model)

    def joint_text(self) -> PEAVText:
        """Words for pictures with their sound."""
        head = self._model.text_audio_video_head
        return PEAVText(self.name, f"{self._identity}-both", self._model.text_model, head, self._tokenizer)


class PEAVClipEncoder(ClipEncoder):
    """(batch, time, 3, height, width) -> (batch, dim)."""

    def __init__(self, encoder: Any, head: nn.Module, num_frames: int) -> None:
        super().__init__()
        self.encoder, self.head, self.num_frames = encoder, head, num_frames
        self.requires_grad_(False).eval()

    @torch.no_grad()
    def forward(self, frames: Float[Tensor, "batch time 3 height width"]) -> Float[Tensor, "batch dim"]:
        parts = [self.head(self.encoder(clip.contiguous()).pooler_output) for clip in torch.split(frames, 1)]
        return torch.cat(parts).float()


class PEAVSoundEncoder(SoundEncoder):
    """Samples at 48 kHz of any length -> (batch, dim)."""

    def __init__(self, encoder: Any, head: nn.Module) -> None:
        super().__init__()
        self.encoder, self.head = encoder, head
        self.requires_grad_(False).eval()

    @torch.no_grad()
    def forward(self, samples: Float[Tensor, "batch samples"]) -> Float[Tensor, "batch dim"]:
        embedded: Tensor = self.head(self.encoder(mirrored(samples)[:, None]).pooler_output)
        return embedded.float()


class PEAVJointEncoder(JointEncoder):
    """Pictures with their sound; what each says alone comes with it at no cost."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.encoder, self.head = model.audio_video_encoder, model.audio_video_head
        self.video_head, self.audio_head = model.video_model.video_head, model.audio_model.audio_head
        self.requires_grad_(False).eval()

    @torch.no_grad()
    def forward(
        self, frames: Float[Tensor, "batch time 3 height width"], samples: Float[Tensor, "batch samples"]
    ) -> tuple[Float[Tensor, "batch dim"], Float[Tensor, "batch dim"], Float[Tensor, "batch dim"]]:
        parts = [self._one(*pair) for pair in zip(torch.split(frames, 1), torch.split(samples, 1), strict=True)]
        video, sound, both = (torch.cat(embedded).float() for embedded in zip(*parts, strict=True))
        return video, sound, both

    def _one(self, frames: Tensor, samples: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        found = self.encoder(input_values=mirrored(samples)[:, None], pixel_values_videos=frames.contiguous())
        video = self.video_head(found.video_model_output.pooler_output)
        return video, self.audio_head(found.audio_model_output.pooler_output), self.head(found.pooler_output)


def mirrored(samples: Float[Tensor, "batch samples"]) -> Float[Tensor, "batch whole"]:
    """Up to a multiple of HOP_SAMPLES, going on backwards from the last sample, as PeAudioFeatureExtractor does."""
    length = samples.shape[1]
    whole = -(-length // HOP_SAMPLES) * HOP_SAMPLES
    turn = max(2 * (length - 1), 1)
    place = torch.arange(whole, device=samples.device) % turn
    return samples[:, torch.where(place < length, place, turn - place)]


def _sound_side(name: str, contents: ModelContents) -> Any:
    """A PeAudioModel out of a whole PE-AV, of which no picture tower is made."""
    joint: Mapping[str, Any] = contents.config.get("audio_video_config") or {}
    state = read_weights(name, contents.weights)
    with quiet():
        try:
            config = PeAudioConfig(
                text_config=contents.config.get("text_config"), audio_config=joint.get("audio_config")
            )
        except (TypeError, ValueError) as error:
            raise BackboneError(name, "its config.json is not one of its kind", FETCH_AGAIN) from error
    # Weights that serve twice stand in the file once, under either name.
    twice = {"audio_encoder.": "audio_video_encoder.embedder.audio_encoder.", "text_model.": "text_model."}
    found: dict[str, Tensor] = {}
    for start, other in twice.items():
        found |= {start + key.removeprefix(other): value for key, value in state.items() if key.startswith(other)}
    own = "audio_model."
    found |= {key.removeprefix(own): value for key, value in state.items() if key.startswith(own)}
    return fill_model(name, PeAudioModel, config, found)


def _vision_config(contents: ModelContents) -> Mapping[str, Any]:
    joint = contents.config.get("audio_video_config") or {}
    video = joint.get("video_config") or {} if isinstance(joint, dict) else {}
    vision = video.get("vision_config") or {} if isinstance(video, dict) else {}
    return vision if isinstance(vision, dict) else {}


def _set_width(config: Any, state: Mapping[str, Tensor]) -> None:
    """How wide the picture tower's embeddings are, by the layer they go into.

    transformers 5.24 forgets the `num_classes` of a timm config that stands inside another one.
    """
    widths = {value.shape[1] for key, value in state.items() if key.endswith("video_encoder.embedder.proj.weight")}
    if len(widths) == 1:
        config.audio_video_config.video_config.vision_config.num_labels = widths.pop()


def _require_timm(name: str) -> None:
    try:
        import_module("timm")
    except (ImportError, RuntimeError, OSError) as error:  # torchvision beside another torch: RuntimeError, OSError
        reason = str(error).splitlines()[0][:100] if str(error) else type(error).__name__
        what = f"needs timm for its pictures, which cannot be imported here ({reason})"
        raise BackboneError(name, what, _INSTALL.replace("NAME", name)) from error


def _video_processor(name: str, contents: ModelContents) -> Mapping[str, Any]:
    folder = contents.folder
    if (folder / "video_preprocessor_config.json").is_file():
        return read_json(name, folder / "video_preprocessor_config.json")
    if (folder / "processor_config.json").is_file():
        found = read_json(name, folder / "processor_config.json").get("video_processor", {})
        return found if isinstance(found, dict) else {}
    return {}


def _image_size(name: str, processor: Mapping[str, Any], vision: Mapping[str, Any]) -> int:
    size = processor.get("size") or {}
    architecture = re.search(r"_(\d+)$", str(vision.get("architecture", "")))
    for found in (size.get("height"), vision.get("image_size"), architecture and architecture[1]):
        if found:
            return int(found)
    raise BackboneError(name, "does not say how large its pictures are", FETCH_AGAIN)


def _numbers(values: Any) -> tuple[float, float, float]:
    if isinstance(values, list | tuple) and len(values) == 3:
        return float(values[0]), float(values[1]), float(values[2])
    return _HALVES


def _temperature(name: str, scale: Tensor) -> float:
    value = float(scale)
    if value <= 0:
        raise BackboneError(name, f"its logit scale is {value:g}, which is not above 0", FETCH_AGAIN)
    return 1.0 / value


def _refuse_no_words(name: str, contents: ModelContents) -> None:
    if not contents.has_vocabulary:
        raise BackboneError(name, "holds no tokenizer", "put the model's tokenizer.json beside its weights")
