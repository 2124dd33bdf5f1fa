"""The door to FFmpeg (through PyAV) for reading.

    probe                      what a file holds: streams, sizes, spans
    read_frames                the pictures on screen at given times
    read_frame_pairs           the same, each with its successor in the video (for optical flow)
    read_moments               the pictures of views: crops, and grey pairs for flow, made small as they are decoded
    read_waveform              a span of sound, mono, at a given rate
    FrameStream, SoundStream   the same for long files: forward, one after the other, in little memory
    check_media                faults and peculiarities of a file, for people
    Decoder                    all of these as methods, for whoever reads many files: PLAIN calls them as they are,
                               GuardedDecoder in processes of their own under a time limit

All times are seconds on the file's own clock, which starts where the earliest of its video and sound starts; so
pictures and sound that belong together have the same time. It knows nothing of clips, crops, labels or networks.
"""

from openmov.media.decode.check import MediaCheck, check_media, cut_notes, picture_notes
from openmov.media.decode.decoder import PLAIN, PYAV, Decoder, GuardedDecoder, PlainDecoder, limited_decoder
from openmov.media.decode.frame_stream import FrameStream, StreamedFrame
from openmov.media.decode.frames import FramePairs, Frames, read_frame_pairs, read_frames
from openmov.media.decode.moments import GreyPairs, Moment, MomentPictures, Moments, Sizes, read_moments
from openmov.media.decode.probe import AudioStream, MediaInfo, VideoStream, probe
from openmov.media.decode.sound_stream import SoundStream
from openmov.media.decode.waveform import Waveform, read_waveform

__all__ = [
    "PLAIN",
    "PYAV",
    "AudioStream",
    "Decoder",
    "FramePairs",
    "FrameStream",
    "Frames",
    "GreyPairs",
    "GuardedDecoder",
    "MediaCheck",
    "MediaInfo",
    "Moment",
    "MomentPictures",
    "Moments",
    "PlainDecoder",
    "Sizes",
    "SoundStream",
    "StreamedFrame",
    "VideoStream",
    "Waveform",
    "check_media",
    "cut_notes",
    "limited_decoder",
    "picture_notes",
    "probe",
    "read_frame_pairs",
    "read_frames",
    "read_moments",
    "read_waveform",
]
