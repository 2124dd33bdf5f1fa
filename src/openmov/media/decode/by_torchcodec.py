"""The only way to torchcodec: another way to the same pictures, for who has it and its FFmpeg.

It is asked for pictures by their number, which the time stamps of the file's packets give (read through PyAV, as is the
sound), and its answers must carry the times asked for. What it cannot be asked for, or answers otherwise, is read with
PyAV, and the log says so: pictures to be turned or stretched, streams whose first pictures need others before them.
Where both come from one FFmpeg, pictures are the same to the bit; another version may differ by a level here and there.
"""

import importlib
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from av.video.reformatter import VideoReformatter
from jaxtyping import Float64, UInt8

from openmov.errors import RecipeError
from openmov.media.decode.decoder import PlainDecoder
from openmov.media.decode.frames import FramePairs, Frames, Times, read_frame_pairs, read_frames
from openmov.media.decode.geometry import Geometry
from openmov.media.decode.moments import Moment, Moments, Sizes, read_moments
from openmov.media.decode.picture import Picture
from openmov.media.decode.reader import TIME_TOLERANCE_SECONDS
from openmov.media.decode.walk import LOOK_BACK_PICTURES, Found, SuccessorSearch, WalkingReader

_log = logging.getLogger(__name__)
_BATCH = 32
_Read = TypeVar("_Read")


class _UnsuitedError(Exception):
    """This file is one for PyAV."""


def demand_torchcodec() -> None:
    """Raises RecipeError where it is not installed, or finds no FFmpeg of its own."""
    try:
        importlib.import_module("torchcodec.decoders")
    except ImportError as error:
        hint = "pip install openmov[torchcodec], or leave out --decoder"
        raise RecipeError("--decoder", "torchcodec is not installed", hint) from error
    except (RuntimeError, OSError) as error:
        hint = "install FFmpeg (apt install ffmpeg) and a torchcodec that suits your torch, or leave out --decoder"
        raise RecipeError(
            "--decoder", "torchcodec does not load: it lacks FFmpeg, or torch is of another kind", hint
        ) from error


class TorchcodecDecoder(PlainDecoder):
    """Pictures by torchcodec, the rest by PyAV. Raises RecipeError where torchcodec cannot be had."""

    @property
    def identity(self) -> str:
        return "torchcodec"

    def __init__(self) -> None:
        demand_torchcodec()

    def read_frames(self, path: Path, times_seconds: Times) -> Frames:
        return _or_plain(path, lambda opens: read_frames(path, times_seconds, opens=opens))

    def read_frame_pairs(self, path: Path, times_seconds: Times, *, min_gap_seconds: float) -> FramePairs:
        return _or_plain(
            path,
            lambda opens: read_frame_pairs(path, times_seconds, min_gap_seconds=min_gap_seconds, opens=opens),
        )

    def read_moments(self, path: Path, moments: Sequence[Moment], sizes: Sizes) -> Moments:
        return _or_plain(path, lambda opens: read_moments(path, moments, sizes, opens=opens))


def _or_plain(path: Path, read: Callable[[type[WalkingReader]], _Read]) -> _Read:
    try:
        return read(TorchcodecReader)
    except _UnsuitedError as reason:
        _log.info("%s: read with PyAV, for torchcodec %s", path, reason)
        return read(WalkingReader)


@dataclass(frozen=True, eq=False)
class _LazyPicture(Picture):
    """A picture that is fetched when it is first looked at."""

    fetch: Callable[[], UInt8[np.ndarray, "height width 3"]]

    @cached_property
    def image(self) -> UInt8[np.ndarray, "height width 3"]:
        return self.fetch()


class TorchcodecReader(WalkingReader):
    """Finds pictures by their numbers instead of walking; the time stamps are PyAV's."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        try:
            self._open(path)
        except _UnsuitedError:
            self.close()
            raise

    def _open(self, path: Path) -> None:
        self._stamps = self._all_times()
        first = self.peek()
        if first is None or not len(self._stamps):
            raise _UnsuitedError("finds nothing in it")
        if not self.is_plain:
            raise _UnsuitedError("would follow its time stamps, which are wrong")
        geometry, stored = first.geometry, (first.frame.width, first.frame.height)
        if geometry != Geometry(*stored) or first.time_seconds > self._stamps[0] + TIME_TOLERANCE_SECONDS:
            raise _UnsuitedError("does not turn, stretch or count its pictures as a player does")
        self._geometry_of_all, self._reformat = geometry, VideoReformatter()
        decoders = importlib.import_module("torchcodec.decoders")
        try:
            self._decoder: Any = decoders.VideoDecoder(str(path.absolute()), dimension_order="NHWC")
        except (RuntimeError, ValueError) as error:
            raise _UnsuitedError("cannot open it") from error
        if len(self._decoder) != len(self._stamps):
            raise _UnsuitedError("counts other pictures in it")

    def found(self, targets: Float64[np.ndarray, "unique"], min_gap_seconds: float | None = None) -> Iterator[Found]:
        """As `walk`."""
        late = np.searchsorted(self._stamps, targets + TIME_TOLERANCE_SECONDS, side="right") - 1
        shown = np.clip(late, 0, len(self._stamps) - 1)
        pictures: dict[int, _LazyPicture] = {}
        numbers = np.unique(shown)
        for start in range(0, len(numbers), _BATCH):
            batch = numbers[start : start + _BATCH]
            wanted = batch if min_gap_seconds is None else np.union1d(batch, self._next(batch, min_gap_seconds))
            pictures = self._fetched(wanted)
            for number in batch.tolist():
                here = tuple(np.flatnonzero(shown == number).tolist())
                pair = (pictures[number],) * 2
                if min_gap_seconds is not None:
                    pair = self._pair(number, pictures, min_gap_seconds)
                yield Found(here, pictures[number], *pair, number == len(self._stamps) - 1)

    def _pair(self, number: int, known: dict[int, _LazyPicture], min_gap_seconds: float) -> Any:
        def at(other: int) -> _LazyPicture:
            return known[other] if other in known else known.setdefault(other, self._numbered(other))

        earlier = tuple(at(other) for other in range(max(number - LOOK_BACK_PICTURES, 0), number))
        search = SuccessorSearch(at(number), earlier, min_gap_seconds)
        for later in range(number + 1, len(self._stamps)):
            if search.offer(at(later)):
                break
        return search.pair()

    def _next(self, numbers: Any, min_gap_seconds: float) -> Any:
        """The first pictures far enough after these."""
        far = self._stamps[numbers] + min_gap_seconds - TIME_TOLERANCE_SECONDS
        return np.minimum(np.searchsorted(self._stamps, far), len(self._stamps) - 1)

    def _fetched(self, numbers: Any) -> dict[int, _LazyPicture]:
        try:
            batch = self._decoder.get_frames_at(numbers.tolist())
        except (RuntimeError, ValueError, IndexError) as error:
            raise _UnsuitedError("cannot read it") from error
        self._compare(batch.pts_seconds.numpy(), numbers)
        images = batch.data.numpy()
        return {number: self._numbered(number, image) for number, image in zip(numbers.tolist(), images, strict=True)}

    def _numbered(self, number: int, image: UInt8[np.ndarray, "height width 3"] | None = None) -> _LazyPicture:
        def fetch() -> UInt8[np.ndarray, "height width 3"]:
            return self._one(number) if image is None else image

        return _LazyPicture(
            float(self._stamps[number]), self.step_seconds, None, self._reformat, self._geometry_of_all, fetch
        )

    def _one(self, number: int) -> UInt8[np.ndarray, "height width 3"]:
        picture: UInt8[np.ndarray, "height width 3"] = self._fetched(np.array([number]))[number].image
        return picture

    def _compare(self, their_seconds: Float64[np.ndarray, "time"], numbers: Any) -> None:
        ours = self._stamps[numbers] + self.source.origin_seconds
        if (np.abs(their_seconds - ours) > TIME_TOLERANCE_SECONDS).any():
            raise _UnsuitedError("gives pictures of other times")

    def _all_times(self) -> Float64[np.ndarray, "pictures"]:
        """When each picture comes on screen, from the packets; nothing is decoded."""
        stream, stamps = self.source.video, []
        for packet in self._packets():
            if packet.size and packet.pts is None:
                raise _UnsuitedError("has no time stamps to go by")
            if packet.size and not packet.is_discard:
                stamps.append(self.source.seconds(stream, packet.pts))
        self.source.reopen()
        self._untouched = True
        self._reset(None)
        return np.sort(np.array(stamps, np.float64))
