"""What a network sees of each window of a long video, with every frame decoded and embedded once.

Windows that overlap share frames, their embeddings and their flow; the sound is a window's own. What is held does not
depend on the length of the video.
"""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from openmov.config.schema import AudioConfig
from openmov.data.moving import FrameChunk, SoundWindows, WaveformWindows, frame_chunks, grid_times, middle_crop
from openmov.data.pictures import PictureSettings
from openmov.data.sound import Hearing
from openmov.media.decode import FrameStream, MediaInfo, cut_notes
from openmov.media.sampling import Span, WindowGrid
from openmov.types import JointEmbeddings, Modality

CHUNK_FRAMES = 16
"""Frames that are decoded and embedded together."""

Tokens = Mapping[Modality, Float[Tensor, "rows _ dim"]]
_Sound = SoundWindows | WaveformWindows


@runtime_checkable
class StagedNetwork(Protocol):
    """A network whose encoders can be asked apart from the rest."""

    def encode_inputs(self, modality: Modality, inputs: Float[Tensor, "rows ..."]) -> Float[Tensor, "rows _ dim"]:
        """Embeddings of each frame, or of a window of sound."""
        ...

    def join(self, frames: Tokens, present: Mapping[Modality, Bool[Tensor, "rows"]]) -> JointEmbeddings:
        """What becomes of them."""
        ...


@dataclass(frozen=True)
class StreamSettings:
    """How a file becomes the network's inputs."""

    modalities: frozenset[Modality]
    """What the network looks at."""
    pictures: PictureSettings
    """Frames and flow."""
    sound: AudioConfig | Hearing
    """Spectrograms, or what a pretrained tower hears."""
    chunk_frames: int = CHUNK_FRAMES
    """Frames that are decoded and embedded together; changes nothing but speed and memory."""


@dataclass(frozen=True)
class EmbeddedWindow:
    """One window, ready to be answered."""

    span: Span
    """What it covers; shorter than a window where the file ends or breaks off."""
    tokens: Tokens = field(repr=False)
    """One row a view, all of one video."""

    def joined(self, network: StagedNetwork) -> JointEmbeddings:
        """Through the rest of the network, without gradient."""
        rows = len(next(iter(self.tokens.values())))
        with torch.inference_mode():
            return network.join(self.tokens, {m: torch.ones(rows, dtype=torch.bool) for m in self.tokens})


def streams_span(info: MediaInfo, modalities: frozenset[Modality]) -> Span | None:
    """From the first to the last moment of the streams that the modalities need, by the header; None without any."""
    streams = [info.video] if modalities - {Modality.AUDIO} else []
    held = [stream for stream in (*streams, info.audio if Modality.AUDIO in modalities else None) if stream is not None]
    if not held:
        return None
    return Span(min(stream.start_seconds for stream in held), max(stream.end_seconds for stream in held))


class WindowStream:
    """The windows of one file in their order. Iterate once; raises DecodeError."""

    def __init__(
        self, path: Path, info: MediaInfo, grid: WindowGrid, network: StagedNetwork, settings: StreamSettings
    ) -> None:
        self._path, self._info, self._grid, self._network, self._settings = path, info, grid, network, settings
        self.notes: tuple[str, ...] = ()
        """What was odd in the file; known at the end."""

    def __iter__(self) -> Iterator[EmbeddedWindow]:
        with ExitStack() as opened:
            frames = self._frames(opened)
            sound = self._sound(opened)
            for index in range(self._grid.num_windows):
                window = self._window(index, frames, sound)
                if window is None:
                    break
                yield window
            cut = [] if frames is None or self._info.video is None else cut_notes(self._info.video)
            self.notes = () if frames is None else (*cut, *frames.notes)

    def _window(self, index: int, frames: "_Frames | None", sound: _Sound | None) -> EmbeddedWindow | None:
        """None where the file holds nothing of it: it has broken off before."""
        span = self._grid.window(index)
        tokens = {} if frames is None else dict(frames.tokens(self._grid.frames_of(index)))
        heard = None if sound is None else sound(span)
        if heard is not None:
            with torch.inference_mode():
                tokens[Modality.AUDIO] = self._network.encode_inputs(Modality.AUDIO, heard)
            tokens = {m: rows.expand(len(heard), -1, -1) for m, rows in tokens.items()}
        if not tokens:
            return None
        if frames is not None and frames.breaks_off_at is not None and heard is None:
            span = Span(span.start_seconds, min(span.end_seconds, max(frames.breaks_off_at, span.start_seconds)))
        return EmbeddedWindow(span, tokens)

    def _frames(self, opened: ExitStack) -> "_Frames | None":
        video, pictures = self._info.video, self._settings.pictures
        seen = self._settings.modalities & {Modality.VIDEO, Modality.FLOW}
        if video is None or not seen:
            return None
        gap = pictures.flow.min_gap_seconds if Modality.FLOW in seen else None
        stream = opened.enter_context(FrameStream(self._path, grid_times(self._grid, video), min_gap_seconds=gap))
        chunks = frame_chunks(stream, middle_crop(video, pictures), pictures, seen, self._settings.chunk_frames)
        return _Frames(stream, chunks, self._network)

    def _sound(self, opened: ExitStack) -> _Sound | None:
        audio = self._info.audio
        if audio is None or Modality.AUDIO not in self._settings.modalities:
            return None
        wanted = self._settings.sound
        sound: _Sound
        if isinstance(wanted, Hearing):
            sound = WaveformWindows(self._path, audio, wanted, self._grid)
        else:
            sound = SoundWindows(self._path, audio, wanted, self._grid)
        opened.callback(sound.close)
        return sound


class _Frames:
    """Embeddings of the frames that windows to come may look at."""

    def __init__(self, stream: FrameStream, chunks: Iterator[FrameChunk], network: StagedNetwork) -> None:
        self._stream, self._chunks, self._network = stream, chunks, network
        self._held: dict[int, dict[Modality, Float[Tensor, "dim"]]] = {}
        self._last: dict[Modality, Float[Tensor, "dim"]] = {}
        self._count = 0

    @property
    def breaks_off_at(self) -> float | None:
        """Where the pictures end too early, once that has been reached."""
        return self._stream.held_seconds if self._stream.missing_seconds else None

    @property
    def notes(self) -> tuple[str, ...]:
        """What was odd, one phrase each."""
        notes = []
        if self._stream.missing_seconds:
            held, promised = self._stream.held_seconds, self._stream.promised_seconds
            notes.append(f"cut off: {promised:.1f} s are promised, its pictures end at {held:.1f} s")
        if self._stream.num_damaged:
            notes.append(f"damaged packets: {self._stream.num_damaged}")
        return tuple(notes)

    def tokens(self, wanted: range) -> Tokens:
        """(1, frames, dim) for each modality: the frames there are; nothing where there are none."""
        for index in [index for index in self._held if index < wanted.start]:
            del self._held[index]
        while self._count <= wanted[-1] and self._take():
            pass
        there = [self._held[index] for index in wanted if index in self._held]
        return {m: torch.stack([frame[m] for frame in there])[None] for m in (there[0] if there else {})}

    def _take(self) -> bool:
        chunk = next(self._chunks, None)
        if chunk is None:
            return False
        with torch.inference_mode():
            found = {m: self._network.encode_inputs(m, images[None])[0] for m, images in chunk.images.items()}
        for row in chunk.rows:
            if row >= 0:  # else the last picture of the chunk before still stands
                self._last = {m: rows[row] for m, rows in found.items()}
            self._held[self._count] = self._last
            self._count += 1
        return True
