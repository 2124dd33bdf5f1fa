"""Who opens the files: plain PyAV, or the same in processes of its own under a time limit.

    reader = ClipDataset(..., decoder=GuardedDecoder(limit_seconds=300))
    ...                                # a file that hangs, or crashes FFmpeg, is a DecodeError about that file
    reader.decoder.close()             # also the way to end what is under way on a Ctrl-C

All decoders give the same pictures at the same times.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import ParamSpec, Protocol, TypeVar, runtime_checkable

from openmov.errors import DecodeError
from openmov.media.decode.check import MediaCheck, check_media
from openmov.media.decode.frames import FramePairs, Frames, Times, read_frame_pairs, read_frames
from openmov.media.decode.moments import Moment, Moments, Sizes, read_moments
from openmov.media.decode.probe import MediaInfo, probe
from openmov.media.decode.waveform import Waveform, read_waveform
from openmov.runtime.workers import CallDiedError, CallOverTimeError, CallsClosedError, GuardedCalls

_Given = ParamSpec("_Given")
_Result = TypeVar("_Result")

PYAV = "pyav"
DEFAULT_LIMIT_SECONDS = 300.0
"""Far more than reading a few pictures takes, however long the video: one without an index is decoded whole."""


@runtime_checkable
class Decoder(Protocol):
    """Reads files; the methods are the functions of `media.decode` of the same names. Safe to use from threads."""

    @property
    def identity(self) -> str:
        """Whose pictures these are: part of the key of what is stored of them, unless they are PyAV's."""
        ...

    def probe(self, path: Path) -> MediaInfo:
        """What the file holds."""
        ...

    def check(self, path: Path, *, deep: bool = False) -> MediaCheck:
        """What is odd about it."""
        ...

    def read_frames(self, path: Path, times_seconds: Times) -> Frames:
        """The pictures on screen at given times."""
        ...

    def read_frame_pairs(self, path: Path, times_seconds: Times, *, min_gap_seconds: float) -> FramePairs:
        """The same, each with its successor."""
        ...

    def read_moments(self, path: Path, moments: Sequence[Moment], sizes: Sizes) -> Moments:
        """The pictures of views, as small as they are needed."""
        ...

    def read_waveform(self, path: Path, start_seconds: float, end_seconds: float, rate_hz: int) -> Waveform | None:
        """A span of the sound."""
        ...

    def close(self) -> None:
        """Ends what is under way; the decoder must not be used any more."""
        ...


class PlainDecoder:
    """FFmpeg in this process."""

    @property
    def identity(self) -> str:
        return PYAV

    def probe(self, path: Path) -> MediaInfo:
        return probe(path)

    def check(self, path: Path, *, deep: bool = False) -> MediaCheck:
        return check_media(path, deep=deep)

    def read_frames(self, path: Path, times_seconds: Times) -> Frames:
        return read_frames(path, times_seconds)

    def read_frame_pairs(self, path: Path, times_seconds: Times, *, min_gap_seconds: float) -> FramePairs:
        return read_frame_pairs(path, times_seconds, min_gap_seconds=min_gap_seconds)

    def read_moments(self, path: Path, moments: Sequence[Moment], sizes: Sizes) -> Moments:
        return read_moments(path, moments, sizes)

    def read_waveform(self, path: Path, start_seconds: float, end_seconds: float, rate_hz: int) -> Waveform | None:
        return read_waveform(path, start_seconds, end_seconds, rate_hz)

    def close(self) -> None:
        """Nothing to end."""


PLAIN = PlainDecoder()
"""What is used where nothing else is said."""


class GuardedDecoder:
    """Another decoder, in processes of their own: as many as there are threads that read at the same time.

    One reading of a file (its facts, the pictures of one video, a span of its sound) that takes longer than the limit,
    or that crashes, is a DecodeError; the next one goes on as if nothing had happened. Pictures cost a copy more.
    After `close`, also in a reading under way, it raises CallsClosedError.
    """

    def __init__(self, limit_seconds: float = DEFAULT_LIMIT_SECONDS, inner: Decoder = PLAIN) -> None:
        """`inner` is sent to the processes: it must be picklable."""
        self._calls = GuardedCalls(limit_seconds, "openmov.media.decode")
        self._inner = inner

    @property
    def identity(self) -> str:
        return self._inner.identity

    def probe(self, path: Path) -> MediaInfo:
        return self._call(path, self._inner.probe, path)

    def check(self, path: Path, *, deep: bool = False) -> MediaCheck:
        try:
            return self._call(path, self._inner.check, path, deep=deep)
        except DecodeError as error:
            return MediaCheck(None, (error.what,), ())

    def read_frames(self, path: Path, times_seconds: Times) -> Frames:
        return self._call(path, self._inner.read_frames, path, times_seconds)

    def read_frame_pairs(self, path: Path, times_seconds: Times, *, min_gap_seconds: float) -> FramePairs:
        return self._call(path, self._inner.read_frame_pairs, path, times_seconds, min_gap_seconds=min_gap_seconds)

    def read_moments(self, path: Path, moments: Sequence[Moment], sizes: Sizes) -> Moments:
        return self._call(path, self._inner.read_moments, path, moments, sizes)

    def read_waveform(self, path: Path, start_seconds: float, end_seconds: float, rate_hz: int) -> Waveform | None:
        return self._call(path, self._inner.read_waveform, path, start_seconds, end_seconds, rate_hz)

    def close(self) -> None:
        self._calls.close()

    def _call(
        self, path: Path, function: Callable[_Given, _Result], *given: _Given.args, **named: _Given.kwargs
    ) -> _Result:
        with _death_is_a_fault_of(path, self._calls.limit_seconds):
            return self._calls.call(function, *given, **named)


@contextmanager
def limited_decoder(limit_seconds: float | int, inner: Decoder = PLAIN) -> Iterator[Decoder]:
    """A guarded decoder, closed at the end of the block; with a limit of 0 the decoder itself, in this process."""
    decoder = GuardedDecoder(float(limit_seconds), inner) if limit_seconds else inner
    try:
        yield decoder
    finally:
        decoder.close()


@contextmanager
def _death_is_a_fault_of(path: Path, limit_seconds: float) -> Iterator[None]:
    try:
        yield
    except CallOverTimeError as error:
        what = f"reading it takes longer than {limit_seconds:g} s"
        raise DecodeError(path, what, "drop it from the manifest, or allow more time") from error
    except CallsClosedError:
        raise
    except CallDiedError as error:
        raise DecodeError(
            path, f"its decoder crashed ({error})", "drop it from the manifest, or fetch it again"
        ) from error
