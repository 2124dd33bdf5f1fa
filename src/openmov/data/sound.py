"""The sound of one video as network inputs: whole spectrograms (stored), then windows of them (cut when read).

    sound --spans around the windows--> waveforms --log-mel--> spectrograms --crop [, masks]--> windows

A sound no longer than the recipe's spectrogram (10 s) is one spectrogram, from which all windows are cut. A longer one
is never read whole: each window has a spectrogram of its own around it, so that memory does not grow with its length.
In training that spectrogram lies around the seeded view whose pictures go with it, and the window anywhere in it; where
there are no pictures it is one of a few, drawn. In a test windows are evenly spaced, window i with view i.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor

from openmov.config.schema import AudioConfig
from openmov.data.entries import FileEntries, StoredInput
from openmov.data.records import Record
from openmov.data.segment import span_within
from openmov.media.decode import PLAIN, Decoder, MediaInfo, Waveform
from openmov.media.sampling import View, audio_window_positions, seeded_generator
from openmov.modalities.audio import (
    AUDIO_VERSION,
    audio_image,
    audio_parameters,
    crop_columns,
    spec_augment,
    spectrogram,
)
from openmov.store.cache import ArrayCache

_TOLERANCE = 1.05  # codecs pad: a nominal 10 s may last a little longer
_TRAINING_SPANS = 4
"""Spectrograms of a sound longer than one of them, among which training draws where no pictures go with it."""

_Span = tuple[float, float]


@dataclass(frozen=True)
class Hearing:
    """What a pretrained sound tower is given: mono samples, of which it makes its spectrograms itself."""

    rate_hz: int
    """Samples a second."""
    longest_seconds: float
    """The most that it hears at once."""


class SoundReader:
    """Reads windows of spectrograms, through a cache if there is one. Safe to use from several threads.

    Without a sound stream, with no sample in it, or with less than one column's worth inside the record's segment,
    there is no sound.
    """

    def __init__(self, config: AudioConfig, cache: ArrayCache | None = None, decoder: Decoder = PLAIN) -> None:
        self.config = config
        self.cache = cache
        self.decoder = decoder

    def training_window(
        self,
        record: Record,
        info: MediaInfo,
        epoch: int,
        seed: int,
        entries: FileEntries | None = None,
        view: View | None = None,
    ) -> Float[Tensor, "1 3 bins columns"] | None:
        """A random window with SpecAugment, the same for the same (video id, epoch, seed); None without sound.

        `view` is the pictures' that it goes with: of a long sound, the part around them is heard.
        Raises DecodeError, StorageError.
        """
        generator, span = self._drawn(record, info, epoch, seed, view)
        whole = None if span is None else self._spectrogram(record, span, entries=entries)
        if whole is None:
            return None
        window = crop_columns(whole, float(generator.random()), self.config.crop_columns)
        masked = spec_augment(window, generator, self.config.time_mask, self.config.frequency_mask)
        return audio_image(masked)[None]

    def window_wanted(
        self, record: Record, info: MediaInfo, epoch: int, seed: int, view: View | None = None
    ) -> list[StoredInput]:
        """The one array that `training_window` is made from; none without sound."""
        _, span = self._drawn(record, info, epoch, seed, view)
        return [] if span is None else [self._input(record, span)]

    def _drawn(
        self, record: Record, info: MediaInfo, epoch: int, seed: int, view: View | None
    ) -> tuple[np.random.Generator, _Span | None]:
        """Which spectrogram a window is cut from, and the generator that the rest of it is drawn with."""
        generator = seeded_generator(record.video_id, "sound", epoch, seed)
        spans = self._training_spans(record, info, () if view is None else (view,))
        return generator, spans[int(generator.integers(len(spans)))] if spans else None

    def evaluation_windows(
        self,
        record: Record,
        info: MediaInfo,
        num_windows: int,
        notes: list[str] | None = None,
        entries: FileEntries | None = None,
    ) -> Float[Tensor, "windows ..."] | None:
        """Evenly spaced windows (windows, 3, bins, columns), from the first possible to the last; None without sound.

        What was odd in the sound, as far as it had to be decoded, is added to `notes`: one phrase each.
        Raises DecodeError, StorageError.
        """
        positions = audio_window_positions(num_windows)
        spans = self._spans(record, info, positions)
        oddities = Oddities()
        wholes = {span: self._spectrogram(record, span, oddities, entries) for span in dict.fromkeys(spans)}
        if notes is not None:
            notes += oddities.notes()
        windows = []
        for span, position in zip(spans, positions, strict=False):  # no span without sound
            whole = wholes[span]
            if whole is None:
                return None
            windows.append(audio_image(crop_columns(whole, position, self.config.crop_columns)))
        return torch.stack(windows) if windows else None

    def wanted(
        self,
        record: Record,
        info: MediaInfo,
        num_windows: int,
        *,
        training: bool,
        views: Sequence[View] = (),
        oddities: "Oddities | None" = None,
    ) -> list[StoredInput]:
        """What is stored for training, or for a test of so many windows; an empty array where there is no sound.

        `views` are the pictures' that training will ask for, if any. What is odd in it goes to `oddities`, as far as it
        is made.
        """
        spans = self._training_spans(record, info, views) if training else self._test_spans(record, info, num_windows)
        return [self._input(record, span, oddities) for span in spans]

    def _training_spans(self, record: Record, info: MediaInfo, views: Sequence[View]) -> list[_Span]:
        if not views:
            return list(dict.fromkeys(self._spans(record, info, audio_window_positions(_TRAINING_SPANS))))
        return list(dict.fromkeys(self._around(record, info, [view.middle_seconds for view in views])))

    def _test_spans(self, record: Record, info: MediaInfo, num_windows: int) -> list[_Span]:
        return list(dict.fromkeys(self._spans(record, info, audio_window_positions(num_windows))))

    def _spans(self, record: Record, info: MediaInfo, positions: Sequence[float]) -> list[_Span]:
        """For the window at each position, start and end in seconds of the spectrogram it is cut from.

        Its place in that spectrogram is the same position: then it lies where it would in one of the whole sound.
        """
        heard = self._heard(record, info)
        if heard is None:
            return []
        start, free = heard.span[0], heard.free_seconds
        return [heard.piece(start + position * free) for position in positions]

    def _around(self, record: Record, info: MediaInfo, middles_seconds: Sequence[float]) -> list[_Span]:
        """Start and end in seconds of a spectrogram around each time, as far as the sound goes."""
        heard = self._heard(record, info)
        if heard is None:
            return []
        first, last = heard.span[0], heard.span[0] + heard.free_seconds
        starts = [min(max(middle - heard.longest_seconds / 2, first), last) for middle in middles_seconds]
        return [heard.piece(start) for start in starts]

    def _heard(self, record: Record, info: MediaInfo) -> "_Heard | None":
        span = span_within(record, info.audio)
        if span is None or span[1] - span[0] < self.config.window_seconds:
            return None
        return _Heard(span, self._longest_seconds)

    @property
    def _longest_seconds(self) -> float:
        return (self.config.total_columns - 1) * self.config.hop_seconds + self.config.window_seconds

    def _spectrogram(
        self, record: Record, span: _Span, oddities: "Oddities | None" = None, entries: FileEntries | None = None
    ) -> Float[Tensor, "bins columns"] | None:
        entries = entries or FileEntries(self.cache, record.path)
        stored = entries.get(self._input(record, span, oddities))
        return torch.from_numpy(stored) if stored.size else None

    def _input(self, record: Record, span: _Span, oddities: "Oddities | None" = None) -> StoredInput:
        def compute() -> Float32[np.ndarray, "bins columns"]:
            computed = self._compute(record, span, oddities)
            # A stream that yields nothing is remembered too.
            return np.zeros((0, 0), np.float32) if computed is None else computed.numpy()

        facts = {**audio_parameters(self.config), "start": round(span[0], 6), "end": round(span[1], 6)}
        shape = (self.config.mel_bins, self.config.total_columns)
        return StoredInput("audio", AUDIO_VERSION, facts, 1, shape, "<f4", compute, 4 * math.prod(shape))

    def _compute(
        self, record: Record, span: _Span, oddities: "Oddities | None"
    ) -> Float[Tensor, "bins columns"] | None:
        waveform = self.decoder.read_waveform(record.path, *span, self.config.rate_hz)
        if waveform is None:
            return None
        if oddities is not None:
            oddities.take(waveform)
        return spectrogram(torch.from_numpy(waveform.samples), self.config)


class WaveformReader(SoundReader):
    """Windows of the sound itself, for a pretrained tower; only answers, so nothing is drawn and nothing is stored.

    A sound that the tower hears at once is one window; of a longer one as many are taken as there are views, evenly
    spaced from its beginning to its end, each as long as the tower hears.
    """

    def __init__(self, config: AudioConfig, hearing: Hearing, decoder: Decoder = PLAIN) -> None:
        """`config` says how short a sound is none at all."""
        super().__init__(config, None, decoder)
        self.hearing = hearing

    def evaluation_windows(
        self,
        record: Record,
        info: MediaInfo,
        num_windows: int,
        notes: list[str] | None = None,
        entries: FileEntries | None = None,
    ) -> Float[Tensor, "windows samples"] | None:
        spans = self._spans(record, info, audio_window_positions(num_windows))
        oddities = Oddities()
        heard = {span: self._samples(record, span, oddities) for span in dict.fromkeys(spans)}
        if notes is not None:
            notes += oddities.notes()
        windows = [samples for span in spans if (samples := heard[span]) is not None]
        return torch.stack(windows) if windows else None

    @property
    def _longest_seconds(self) -> float:
        return self.hearing.longest_seconds

    def _samples(self, record: Record, span: _Span, oddities: "Oddities") -> Float[Tensor, "samples"] | None:
        """What the tower hears of a span; of one that is a little longer than that, its middle."""
        waveform = self.decoder.read_waveform(record.path, *span, self.hearing.rate_hz)
        if waveform is None:
            return None
        oddities.take(waveform)
        longest = round(self.hearing.longest_seconds * self.hearing.rate_hz)
        start = max(len(waveform.samples) - longest, 0) // 2
        return torch.from_numpy(waveform.samples[start : start + longest])


@dataclass(frozen=True)
class _Heard:
    """The sound of a record, and how much of it one spectrogram holds."""

    span: _Span
    """Its start and end in seconds."""
    longest_seconds: float
    """The most that a spectrogram holds."""

    @property
    def free_seconds(self) -> float:
        """How far the start of a spectrogram can move; 0 where one holds all of it."""
        free = self.span[1] - self.span[0] - self.longest_seconds
        return free if free > self.longest_seconds * (_TOLERANCE - 1) else 0.0

    def piece(self, start_seconds: float) -> _Span:
        """What a spectrogram that starts there is made of."""
        return (start_seconds, start_seconds + self.longest_seconds) if self.free_seconds else self.span


@dataclass
class Oddities:
    """The worst of what several spans of one sound had missing."""

    missing_seconds: float = 0.0
    num_damaged: int = 0

    def take(self, waveform: Waveform) -> None:
        self.missing_seconds = max(self.missing_seconds, waveform.missing_seconds)
        self.num_damaged = max(self.num_damaged, waveform.num_damaged_packets)

    def notes(self) -> list[str]:
        notes = []
        if self.missing_seconds:
            notes.append(f"sound cut off: {self.missing_seconds:.1f} s are missing, silence stands there")
        if self.num_damaged:
            notes.append(f"damaged packets of sound: {self.num_damaged}")
        return notes
