"""CLAP (Wu et al. 2023, LAION's) from Hugging Face `transformers`: sound and words in one space, as a SoundTower.

    samples at 48 kHz --clap_spectrogram--> decibels --HTSAT--> projection        words --RoBERTa--> projection

A model with feature fusion, which in training looked at a long sound as a whole and in three pieces, is given each
window as transformers gives it a sound that is not longer: four times the same, fused. Knows nothing of pictures.
"""

import copy
import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from transformers import ClapModel

from openmov.errors import BackboneError
from openmov.modalities.clap_spectrogram import ClapSound, clap_spectrogram
from openmov.model.backbones.base import SoundEncoder
from openmov.model.backbones.contents import FETCH_AGAIN, ModelContents, read_json
from openmov.model.backbones.preprocessing import Preprocessing, folder_identity
from openmov.model.backbones.pretrained import load_model, load_tokenizer, refuse_ids_beyond, shortened
from openmov.model.backbones.source import ModelSource

_TEXT_BATCH = 256
_CHANNELS_FUSED = 4


class CLAPTower:
    """Sound and text tower of one CLAP; every property is as in `SoundTower`."""

    family = "CLAP"
    prompts = "sound"
    cosine = True
    source = ModelSource()

    def __init__(self, name: str, model: Any, tokenizer: Any, sound: ClapSound, identity: str) -> None:
        self._model: Any = model.eval().requires_grad_(False)
        self._tokenizer = tokenizer
        self.name, self.identity, self.sound = name, identity, sound

    @classmethod
    def load(cls, name: str, contents: ModelContents) -> "CLAPTower":
        """In single precision whatever it is stored in. Raises BackboneError where it cannot be used."""
        if not contents.has_vocabulary:
            raise BackboneError(name, "holds no tokenizer", "put the model's tokenizer.json beside its weights")
        sound = _hearing(name, contents)
        identity = _identity(contents, sound)
        model = load_model(name, contents, ClapModel)
        return cls(name, model, load_tokenizer(name, contents.folder), sound, identity)

    @property
    def dim(self) -> int:
        return int(self._model.config.projection_dim)

    @property
    def temperature(self) -> float:
        """Of a sound among names (`logit_scale_a`); CLAP has another for a name among sounds."""
        return math.exp(-float(self._model.logit_scale_a))

    @property
    def rate_hz(self) -> int:
        return self.sound.rate_hz

    @property
    def longest_seconds(self) -> float:
        return self.sound.longest_samples / self.sound.rate_hz

    def sound_encoder(self) -> "CLAPSoundEncoder":
        return CLAPSoundEncoder(*copy.deepcopy((self._model.audio_model, self._model.audio_projection)), self.sound)

    @torch.no_grad()
    def embed_text(self, sentences: Sequence[str]) -> Float[Tensor, "sentences dim"]:
        """Not normalised. Raises BackboneError for sentences that are too long."""
        pieces = [sentences[i : i + _TEXT_BATCH] for i in range(0, len(sentences), _TEXT_BATCH)]
        return torch.cat([self._embed(piece) for piece in pieces])

    def _embed(self, sentences: Sequence[str]) -> Float[Tensor, "sentences dim"]:
        encoded = self._tokenizer(list(sentences), padding=True, return_tensors="pt")
        tokens, mask, text = encoded["input_ids"], encoded["attention_mask"], self._model.config.text_config
        refuse_ids_beyond(self.name, tokens, int(text.vocab_size))
        refuse_long(self.name, sentences, mask, int(text.max_position_embeddings) - int(text.pad_token_id) - 1)
        pooled = self._model.text_model(input_ids=tokens, attention_mask=mask).pooler_output
        projected: Tensor = self._model.text_projection(pooled)
        return projected


class CLAPSoundEncoder(SoundEncoder):
    """HTSAT and its projection: samples at `sound.rate_hz`, no more than `sound.longest_samples` -> (batch, dim)."""

    def __init__(self, audio_model: Any, projection: Any, sound: ClapSound) -> None:
        super().__init__()
        self.audio_model, self.projection, self.sound = audio_model, projection, sound
        self.requires_grad_(False).eval()

    @torch.no_grad()
    def forward(self, samples: Float[Tensor, "batch samples"]) -> Float[Tensor, "batch dim"]:
        mel = clap_spectrogram(samples, self.sound)[:, None]
        fused = bool(self.audio_model.config.enable_fusion)
        # What transformers gives a sound no longer than a window that is embedded alone: it is then called longer.
        longer = torch.ones(len(mel), 1, dtype=torch.bool, device=mel.device) if fused else None
        features = mel.expand(-1, _CHANNELS_FUSED, -1, -1) if fused else mel
        pooled = self.audio_model(input_features=features, is_longer=longer).pooler_output
        projected: Tensor = self.projection(pooled).float()
        return projected


def refuse_long(name: str, sentences: Sequence[str], mask: Tensor, limit: int) -> None:
    """Raises BackboneError for a sentence of more tokens than the text tower has positions for."""
    for sentence, length in zip(sentences, mask.sum(dim=1).tolist(), strict=True):
        if length > limit:
            what = f"{shortened(sentence)!r} is {length} tokens long, {limit} at most fit"
            raise BackboneError(name, what, "shorten the class name")


def _hearing(name: str, contents: ModelContents) -> ClapSound:
    """preprocessor_config.json, as ClapFeatureExtractor reads it. Raises BackboneError."""
    audio: Mapping[str, Any] = contents.config.get("audio_config") or {}
    fused = bool(audio.get("enable_fusion", False))
    path = contents.folder / "preprocessor_config.json"
    found = read_json(name, path) if path.is_file() else {}
    try:
        sound = ClapSound(
            rate_hz=int(found.get("sampling_rate", 48_000)),
            longest_samples=round(float(found.get("max_length_s", 10)) * int(found.get("sampling_rate", 48_000))),
            hop_samples=int(found.get("hop_length", 480)),
            fft_samples=int(found.get("fft_window_size", 1024)),
            mel_bins=int(found.get("feature_size", 64)),
            lowest_hz=float(found.get("frequency_min", 0.0)),
            highest_hz=float(found.get("frequency_max", 14_000.0)),
            padding=found.get("padding", "repeatpad"),
        )
    except (TypeError, ValueError) as error:
        raise BackboneError(name, "preprocessor_config.json does not say how it hears", FETCH_AGAIN) from error
    if sound.padding not in ("repeatpad", "repeat", "pad"):
        raise BackboneError(name, f"pads sounds by {sound.padding!r}, which is not known here", FETCH_AGAIN)
    if sound.mel_bins != int(audio.get("num_mel_bins", 64)):
        what = f"preprocessor_config.json gives {sound.mel_bins} mel bins, and its sound tower takes others"
        raise BackboneError(name, what, FETCH_AGAIN)
    fuses = found.get("truncation", "fusion" if fused else "rand_trunc") == "fusion"
    return replace(sound, mel_scale="htk" if fuses else "slaney")


def _identity(contents: ModelContents, sound: ClapSound) -> str:
    """A hash of weights, words, architecture, and of how it hears."""
    facts = json.dumps([folder_identity(contents, Preprocessing()), asdict(sound)], sort_keys=True)
    return hashlib.sha256(facts.encode()).hexdigest()[:16]
