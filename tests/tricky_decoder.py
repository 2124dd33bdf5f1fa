"""A decoder that hangs or crashes on files of certain names; a module of its own, for processes import it by name."""

import os
import signal
import time
from pathlib import Path
from typing import Any

from openmov.media.decode import Frames, MediaCheck, MediaInfo, Moments, PlainDecoder, Sizes


class TrickyDecoder(PlainDecoder):
    """Never returns from a file named hang*, nor from one named crash*."""

    def probe(self, path: Path) -> MediaInfo:
        _stumble(path)
        return super().probe(path)

    def check(self, path: Path, *, deep: bool = False) -> MediaCheck:
        _stumble(path)
        return super().check(path, deep=deep)

    def read_frames(self, path: Path, times_seconds: Any) -> Frames:
        _stumble(path)
        return super().read_frames(path, times_seconds)

    def read_moments(self, path: Path, moments: Any, sizes: Sizes) -> Moments:
        _stumble(path)
        return super().read_moments(path, moments, sizes)


def _stumble(path: Path) -> None:
    if path.name.startswith("hang"):
        while True:
            time.sleep(1000)
    if path.name.startswith("crash"):
        os.kill(os.getpid(), signal.SIGSEGV)
