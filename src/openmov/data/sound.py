"""The sound of one video as network inputs: whole spectrograms (stored), then windows of them (cut when read).

A sound no longer than the recipe's spectrogram (10 s) is one spectrogram, from which windows are cut. A longer one is
never read whole: each window has a spectrogram of its own around it, evenly spaced over the sound, so that memory
does not grow with its length.
"""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from openmov.config.schema import AudioConfig
from openmov.data.records import Record
from openmov.media.decode import MediaInfo, read_waveform
from openmov.media.sampling import audio_window_positions, seeded_generator
from openmov.modalities.audio import (
    AUDIO_VERSION,
    audio_image,
    audio_parameters,
    crop_columns,
    spec_augment,
    spectrogram,
)
from openmov.modalities.cache import ArrayCache, content_hash, step_key

_TOLERANCE = 1.05  # codecs pad: a nominal 10 s may last a little longer
_TRAINING_SPANS = 4
"""Spectrograms of a sound longer than one of them, among which training draws."""


class SoundReader:
    """Reads windows of spectrograms, through a cache if there is one."""

    def __init__(self, config: AudioConfig, cache: ArrayCache | None = None) -> None:
        self.config = config
        self.cache = cache

    def training_window(
        self, record: Record, info: MediaInfo, epoch: int, seed: int
    ) -> Float[Tensor, "1 3 bins columns"] | None:
        """A random window with SpecAugment, the same for the same (video id, epoch, seed); None without sound."""
        generator = seeded_generator(record.video_id, "sound", epoch, seed)
        spans = self._spans(record, info, num_windows=_TRAINING_SPANS)
        if not spans:
            return None
        whole = self._spectrogram(record, *spans[int(generator.integers(len(spans)))])
        if whole is None:
            return None
        window = crop_columns(whole, float(generator.random()), self.config.crop_columns)
        masked = spec_augment(window, generator, self.config.time_mask, self.config.frequency_mask)
        return audio_image(masked)[None]

    def evaluation_windows(
        self, record: Record, info: MediaInfo, num_windows: int
    ) -> Float[Tensor, "windows 3 bins columns"] | None:
        """Evenly spaced windows; None without sound."""
        spans = self._spans(record, info, num_windows)
        wholes = [self._spectrogram(record, *span) for span in spans]
        if not wholes or any(whole is None for whole in wholes):
            return None
        positions = audio_window_positions(num_windows) if len(wholes) == 1 else (0.5,) * num_windows
        sources = wholes * num_windows if len(wholes) == 1 else wholes
        windows = [
            audio_image(crop_columns(whole, position, self.config.crop_columns))
            for whole, position in zip(sources, positions, strict=True)
            if whole is not None
        ]
        return torch.stack(windows)

    def store(self, record: Record, info: MediaInfo, num_windows: int, *, training: bool) -> int:
        """Fills the cache with what training, or a test of so many windows, will ask for; how many spectrograms."""
        spans = self._spans(record, info, _TRAINING_SPANS if training else num_windows)
        return sum(self._spectrogram(record, *span) is not None for span in spans)

    def _spans(self, record: Record, info: MediaInfo, num_windows: int) -> list[tuple[float, float]]:
        """Start and end in seconds of the spectrograms to compute."""
        if info.audio is None:
            return []
        start = info.audio.start_seconds if record.start_seconds is None else record.start_seconds
        end = info.audio.end_seconds if record.end_seconds is None else record.end_seconds
        longest = self.config.total_columns * self.config.hop_seconds + self.config.window_seconds
        if end - start <= longest * _TOLERANCE:
            return [(start, end)] if end > start else []
        middle = (start + end - longest) / 2
        starts = [middle] if num_windows == 1 else np.linspace(start, end - longest, num_windows).tolist()
        return [(first, first + longest) for first in starts]

    def _spectrogram(self, record: Record, start: float, end: float) -> Float[Tensor, "bins columns"] | None:
        if self.cache is None:
            return self._compute(record, start, end)
        facts = {**audio_parameters(self.config), "start": round(start, 6), "end": round(end, 6)}
        key = step_key(content_hash(record.path), "audio", AUDIO_VERSION, facts)
        stored = self.cache.load(key)
        if stored is not None:
            return torch.from_numpy(stored) if stored.size else None
        computed = self._compute(record, start, end)
        empty = np.zeros((0, 0), np.float32)  # a stream that yields nothing is remembered too
        self.cache.store(key, empty if computed is None else computed.numpy())
        return computed

    def _compute(self, record: Record, start: float, end: float) -> Float[Tensor, "bins columns"] | None:
        waveform = read_waveform(record.path, start, end, self.config.rate_hz)
        return None if waveform is None else spectrogram(torch.from_numpy(waveform.samples), self.config)
