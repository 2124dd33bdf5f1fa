"""How fast a training goes and what memory it takes, by the clock and the books of this process.

Knows nothing of losses or clips.
"""

import resource
import sys
import time
from dataclasses import dataclass

import torch

_MAXRSS_BYTES = 1 if sys.platform == "darwin" else 1024


@dataclass(frozen=True)
class StepPace:
    """Of one step."""

    seconds: float
    """Since the step before."""
    clips_per_second: float
    """Clips of the step, in all processes, over that time."""
    data_wait_share: float
    """Share of that time this process waited for clips."""
    memory_bytes: int
    """The most this process has held so far: on the accelerator if it trains there, else in main memory."""

    @property
    def figures(self) -> dict[str, float | int]:
        """For the metrics."""
        return {name: getattr(self, name) for name in ("clips_per_second", "data_wait_share", "memory_bytes")}


class Pace:
    """Of a whole training, or of the part that one call does."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stepped_at = time.monotonic()
        self.wait_seconds = 0.0
        """Waited for clips in all."""

    def restart(self) -> None:
        """What came since the last step, such as a validation, belongs to no step."""
        self._stepped_at = time.monotonic()

    def step(self, clips: int, wait_seconds: float) -> StepPace:
        """A step of so many clips has been done."""
        seconds = max(1e-9, time.monotonic() - self._stepped_at)
        self._stepped_at += seconds
        self.wait_seconds += wait_seconds
        return StepPace(seconds, clips / seconds, min(1.0, wait_seconds / seconds), peak_memory_bytes(self._device))


def peak_memory_bytes(device: torch.device) -> int:
    """The most this process has held: allocated on an accelerator, resident otherwise."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _MAXRSS_BYTES
