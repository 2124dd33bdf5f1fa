"""Sound as a picture: log-mel spectrogram, normalisation, windows, SpecAugment (section 4.1 of the paper).

    samples -> log_mel -> normalise_spectrogram -> pad_columns        (stored: `spectrogram`)
            -> crop_columns -> [spec_augment] -> audio_image          (per view)

The spectrogram is Kaldi's fbank as AST uses it (YuanGongND/ast, src/dataloader.py) with MOV's Hamming window in place
of the Hanning one. Rows are mel bins from low to high, columns are time. Statistics are taken over the real columns
of the whole spectrogram, before cropping and padding; padding and masks are then 0, the mean.

Knows nothing of files and of pictures: a sound that is missing is its caller's business.
"""

import numpy as np
import torch
from jaxtyping import Float, Float64
from torch import Tensor

from openmov.config.schema import AudioConfig

AUDIO_VERSION = 1
"""Part of the key of a stored spectrogram; raised when the output of `spectrogram` changes."""

_PRE_EMPHASIS = 0.97
_LOWEST_HZ, _HIGHEST_HZ = 20.0, 8000.0
_POWER_FLOOR = torch.finfo(torch.float32).eps  # Kaldi's, for samples in [-1, 1]
_BLOCK_COLUMNS = 48  # so little that torch shares nothing out: on a busy machine every sharing waits 50 ms
_CONSTANT_STD = 1e-5  # of a log spectrogram; below this it holds float32 rounding and nothing else


def audio_parameters(config: AudioConfig) -> dict[str, object]:
    """What decides the output of `spectrogram`, for its cache key: not the crop and not the masks."""
    return config.model_dump(mode="json", exclude={"crop_columns", "time_mask", "frequency_mask"})


def spectrogram(samples: Float[Tensor, "samples"], config: AudioConfig) -> Float[Tensor, "bins columns"]:
    """The whole sound as the network sees it: log-mel, normalised, padded with zeros to `config.total_columns`."""
    return pad_columns(normalise_spectrogram(log_mel(samples, config)), config.total_columns)


def log_mel(samples: Float[Tensor, "samples"], config: AudioConfig) -> Float[Tensor, "bins columns"]:
    """Natural log of the mel power spectrum of mono samples in [-1, 1] at `config.rate_hz`.

    Only whole windows give columns (Kaldi's snip_edges): 10 s give 998, less than one window gives none.
    Rows of filters between two FFT bins, which hold nothing, are interpolated from their neighbours.
    """
    window, hop, _ = _lengths(config)
    filters = mel_filters(config)
    if len(samples) < window:
        return samples.new_zeros(config.mel_bins, 0)
    frames = samples.unfold(0, window, hop)
    mean = samples.mean(dtype=torch.float64).to(samples.dtype)
    mel = samples.new_empty(config.mel_bins, len(frames))
    for start in range(0, len(frames), _BLOCK_COLUMNS):
        block = slice(start, start + _BLOCK_COLUMNS)
        mel[:, block] = _log_mel_block(frames[block] - mean, filters, config)
    return _fill_empty_rows(mel, filters)


def _lengths(config: AudioConfig) -> tuple[int, int, int]:
    """Samples of a window, of a hop, and of the FFT (the next power of two)."""
    window = max(2, round(config.window_seconds * config.rate_hz))
    return window, max(1, round(config.hop_seconds * config.rate_hz)), 1 << (window - 1).bit_length()


def _log_mel_block(
    frames: Float[Tensor, "columns window"], filters: Float[Tensor, "bins frequencies"], config: AudioConfig
) -> Float[Tensor, "bins columns"]:
    window, _, fft = _lengths(config)
    frames = frames - frames.mean(dim=1, keepdim=True)
    before = torch.cat([frames[:, :1], frames[:, :-1]], dim=1)  # the first sample stands before itself, as in Kaldi
    hamming = torch.hamming_window(window, periodic=False, dtype=frames.dtype)
    spectrum = torch.fft.rfft((frames - _PRE_EMPHASIS * before) * hamming, n=fft)
    power = spectrum.real.square() + spectrum.imag.square()
    mel: Tensor = filters @ power.T
    return mel.clamp_min(_POWER_FLOOR).log()


def mel_filters(config: AudioConfig) -> Float[Tensor, "bins frequencies"]:
    """Kaldi's triangles, 20-8000 Hz, equally spaced and straight-sided on the HTK mel scale; one row a filter.

    With 128 bins and a 512-point FFT at 16 kHz the row of index 3 is empty.
    """
    _, _, fft = _lengths(config)
    frequencies = np.arange(fft // 2 + 1) * (config.rate_hz / fft)
    highest = min(_HIGHEST_HZ, config.rate_hz / 2)
    lowest_mel, highest_mel = _mel(np.array([_LOWEST_HZ, highest]))
    edges = np.linspace(lowest_mel, highest_mel, config.mel_bins + 2)
    left, centre, right = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    mels = _mel(frequencies)[None]
    rising, falling = (mels - left) / (centre - left), (right - mels) / (right - centre)
    return torch.from_numpy(np.minimum(rising, falling).clip(min=0).astype(np.float32))


def _mel(hertz: Float64[np.ndarray, "n"]) -> Float64[np.ndarray, "n"]:
    return 1127.0 * np.log1p(hertz / 700.0)


def _fill_empty_rows(
    mel: Float[Tensor, "bins columns"], filters: Float[Tensor, "bins frequencies"]
) -> Float[Tensor, "bins columns"]:
    """Left at the floor, one empty row nearly doubles the standard deviation of the spectrogram."""
    full = filters.sum(dim=1) > 0
    kept = np.flatnonzero(full.numpy())
    for row in np.flatnonzero(~full.numpy()):
        below, above = kept[kept < row][-1:], kept[kept > row][:1]
        if below.size and above.size:
            share = float(row - below[0]) / float(above[0] - below[0])
            mel[row] = torch.lerp(mel[below[0]], mel[above[0]], share)
        else:
            mel[row] = mel[(below if below.size else above)[0]]
    return mel


def normalise_spectrogram(mel: Float[Tensor, "bins columns"]) -> Float[Tensor, "bins columns"]:
    """Minus its own mean, over its own (population) standard deviation; a constant one (silence) gives zeros."""
    if mel.numel() == 0:
        return mel.clone()
    exact = mel.double()
    std = exact.std(correction=0)
    if std < _CONSTANT_STD:
        return torch.zeros_like(mel)
    return ((exact - exact.mean()) / std).to(mel.dtype)


def pad_columns(mel: Float[Tensor, "bins columns"], total_columns: int) -> Float[Tensor, "bins padded"]:
    """Zeros after the last column up to `total_columns`; a longer spectrogram is returned as it is."""
    return torch.nn.functional.pad(mel, (0, max(0, total_columns - mel.shape[1])))


def crop_columns(mel: Float[Tensor, "bins columns"], position: float, width: int) -> Float[Tensor, "bins width"]:
    """`width` columns, the first possible ones at position 0 and the last at position 1; padded if there are fewer."""
    padded = pad_columns(mel, width)
    start = round(min(max(position, 0.0), 1.0) * (padded.shape[1] - width))
    return padded[:, start : start + width]


def spec_augment(
    mel: Float[Tensor, "bins columns"], generator: np.random.Generator, time_mask: int, frequency_mask: int
) -> Float[Tensor, "bins columns"]:
    """A copy with one run of columns and one of bins set to 0, each uniformly 0 to `time_mask` / `frequency_mask` wide.

    SpecAugment without warping; goes after normalisation, so that 0 is the mean.
    """
    masked = mel.clone()
    bins, columns = mel.shape
    masked[:, _mask(generator, time_mask, columns)] = 0
    masked[_mask(generator, frequency_mask, bins)] = 0
    return masked


def _mask(generator: np.random.Generator, widest: int, length: int) -> slice:
    width = int(generator.integers(min(widest, length), endpoint=True))
    start = int(generator.integers(length - width, endpoint=True))
    return slice(start, start + width)


def audio_image(mel: Float[Tensor, "bins columns"]) -> Float[Tensor, "3 bins columns"]:
    """One channel copied to three."""
    return mel.repeat(3, 1, 1)
