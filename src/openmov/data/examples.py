"""What a person sees and hears of one video: the frames, flow and spectrogram of one view, not normalised.

For pictures in reports. Knows nothing of networks and answers.
"""

from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float, UInt8

from openmov.data.reader import ClipReader, file_facts
from openmov.data.records import Record
from openmov.media.decode import read_frame_pairs, read_waveform
from openmov.media.sampling import clip_times
from openmov.modalities.audio import log_mel
from openmov.modalities.flow import compute_flow
from openmov.types import Modality

_LONGEST_SOUND_SECONDS = 10.0


@dataclass(frozen=True)
class ExampleInputs:
    """Pictures and sound of one view; None for what the file lacks."""

    frames: UInt8[np.ndarray, "time height width 3"] | None = field(repr=False)
    """RGB, as decoded."""
    flow_px: Float[np.ndarray, "time height width 2"] | None = field(repr=False)
    """Displacement in pixels at the working size."""
    spectrogram: Float[np.ndarray, "bins columns"] | None = field(repr=False)
    """Log-mel, not normalised."""
    sound_seconds: float | None
    """Length of the sound in the spectrogram."""


def example_inputs(reader: ClipReader, record: Record) -> ExampleInputs:
    """The middle view of a video: every modality the file has, whether the reader's network uses it or not.

    Raises DecodeError.
    """
    info = file_facts(record.path)
    frames = flow = None
    if info.video is not None:
        video = reader.pictures.video
        start, end = info.video.start_seconds, info.video.end_seconds
        times = clip_times(start, end, video.num_frames, video.stride_seconds, 0.5)
        pairs = read_frame_pairs(record.path, times, min_gap_seconds=reader.pictures.flow.min_gap_seconds)
        frames = pairs.first.images
        if Modality.FLOW in reader.modalities:
            flow = compute_flow(pairs, reader.pictures.flow)
    sound, seconds = _sound(reader, record)
    return ExampleInputs(frames, flow, sound, seconds)


def _sound(reader: ClipReader, record: Record) -> tuple[Float[np.ndarray, "bins columns"] | None, float | None]:
    info = file_facts(record.path)
    if info.audio is None:
        return None, None
    start = info.audio.start_seconds
    end = min(info.audio.end_seconds, start + _LONGEST_SOUND_SECONDS)
    waveform = read_waveform(record.path, start, end, reader.sound.config.rate_hz)
    if waveform is None:
        return None, None
    mel = log_mel(torch.from_numpy(waveform.samples), reader.sound.config)
    return mel.numpy(), end - start
