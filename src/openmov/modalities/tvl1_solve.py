"""TV-L1 of a pair as it is called: `tvl1_kernels.levels`, compiled once on a machine and kept on disk by numba.

numba compiles anew when the file of the kept function changes, and looks at no other file. It does look at what that
function encloses; so it encloses a stamp of every source of the compiled code, and no stale code can answer.
Compiling takes about five seconds of one core; at a terminal, a line on stderr says so.
"""

import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, no_type_check

import numba
from numba.core import event

from openmov.modalities.tvl1_kernels import levels
from openmov.runtime.progress import remark

SOURCES = tuple(sorted(Path(__file__).parent.glob("tvl1_*.py")))
"""All files whose code may end up in the compiled function."""


def stamp_of(sources: Iterable[Path]) -> int:
    """A number that changes with the bytes of any of the files."""
    digest = hashlib.sha256()
    for path in sources:
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return int.from_bytes(digest.digest()[:7], "big")


def kept(stamp: int) -> Callable[..., None]:
    """`levels`, kept on disk under a stamp."""

    @numba.njit(nogil=True, fastmath=True, error_model="numpy", cache=True)
    @no_type_check
    def solve(first, second, sizes, numbers, counts, scale_step, flow, state, image, ring, row, columns):
        if stamp:  # read, so that it is enclosed
            levels(first, second, sizes, numbers, counts, scale_step, flow, state, image, ring, row, columns)

    made: Callable[..., None] = solve
    return made


class _Announcement(event.Listener):  # type: ignore[misc]
    """Says that `solve` is being compiled; nothing where it comes from the disk."""

    def on_start(self, event: Any) -> None:
        if event.data["dispatcher"] is solve:
            remark("compiling optical flow, once on this machine (a few seconds)")

    def on_end(self, event: Any) -> None:
        pass


solve = kept(stamp_of(SOURCES))
event.register("numba:compile", _Announcement())
