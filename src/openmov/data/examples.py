"""What a person sees and hears of one video: the frames, flow and spectrogram of its middle view, not normalised.

For pictures in reports. Knows nothing of networks and answers.
"""

from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float, UInt8

from openmov.data.reader import ClipDataset
from openmov.data.records import Record
from openmov.data.segment import file_facts, span_within
from openmov.media.decode import Moment, Sizes
from openmov.media.sampling import clip_times
from openmov.modalities.audio import log_mel
from openmov.modalities.flow import compute_flow
from openmov.types import Modality

_LONGEST_SOUND_SECONDS = 10.0


@dataclass(frozen=True)
class ExampleInputs:
    """Pictures and sound of one view; None for what the file lacks."""

    frames: UInt8[np.ndarray, "time height width 3"] | None = field(repr=False)
    """RGB, as decoded: the whole pictures on screen."""
    flow_px: Float[np.ndarray, "time working_height working_width 2"] | None = field(repr=False)
    """Displacement in pixels at the working size; None also where the reader's network does not look at flow."""
    spectrogram: Float[np.ndarray, "bins columns"] | None = field(repr=False)
    """Log-mel, not normalised."""
    sound_seconds: float | None
    """Length of the sound in the spectrogram."""


def example_inputs(reader: ClipDataset, record: Record) -> ExampleInputs:
    """The middle of a record's segment: frames and at most 10 s of sound, whether the reader's network uses them or
    not, and flow if it does.

    Raises DecodeError.
    """
    frames, flow = _pictures(reader, record)
    return ExampleInputs(frames, flow, *_sound(reader, record))


def _pictures(
    reader: ClipDataset, record: Record
) -> tuple[
    UInt8[np.ndarray, "time height width 3"] | None,
    Float[np.ndarray, "time working_height working_width 2"] | None,
]:
    settings, span = reader.pictures, span_within(record, file_facts(record.path, reader.decoder).video)
    if span is None:
        return None, None
    times = clip_times(*span, settings.video.num_frames, settings.video.stride_seconds, 0.5)
    with_flow = Modality.FLOW in reader.modalities
    frames = reader.decoder.read_frames(record.path, times).images
    if not with_flow:
        return frames, None
    sizes = Sizes(settings.video.crop_size, settings.flow.short_side, settings.flow.min_gap_seconds)
    (moment,) = reader.decoder.read_moments(record.path, [Moment(tuple(times.tolist()))], sizes).pictures
    assert moment.pairs is not None
    return frames, compute_flow(moment.pairs, settings.flow, settings.flow_threads)


def _sound(reader: ClipDataset, record: Record) -> tuple[Float[np.ndarray, "bins columns"] | None, float | None]:
    config, span = reader.sound.config, span_within(record, file_facts(record.path, reader.decoder).audio)
    if span is None or span[1] - span[0] < config.window_seconds:
        return None, None
    seconds = min(span[1] - span[0], _LONGEST_SOUND_SECONDS)
    start = (span[0] + span[1] - seconds) / 2
    waveform = reader.decoder.read_waveform(record.path, start, start + seconds, config.rate_hz)
    if waveform is None:
        return None, None
    return log_mel(torch.from_numpy(waveform.samples), config).numpy(), seconds
