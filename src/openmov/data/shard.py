"""One of n parts of a list of videos, for as many machines that do not know of each other.

A video's part follows from its id alone. So the parts of a list are disjoint and together the whole list, and a video
stays in its part when the list is put into another order, grows or loses others. Their sizes differ as chance has it:
650,000 videos in 64 parts are 10,156 each, give or take 100.
"""

import hashlib
import re
from dataclasses import dataclass

from openmov.errors import ManifestError


@dataclass(frozen=True)
class Shard:
    """Part `number` of `count`; 3/64."""

    number: int
    """From 1."""
    count: int
    """Of all parts."""

    @classmethod
    def parse(cls, text: str) -> "Shard":
        """`3/64`. Raises ManifestError for anything else."""
        found = re.fullmatch(r"(\d{1,9})/(\d{1,9})", text)
        if found is None or not 1 <= int(found[1]) <= int(found[2]):
            raise ManifestError("--shard", f"{text!r} is no part of a whole", "write 1/64 to 64/64")
        return cls(int(found[1]), int(found[2]))

    def holds(self, video_id: str) -> bool:
        """Whether a video is in this part."""
        digest = hashlib.blake2b(video_id.encode(errors="surrogateescape"), digest_size=8).digest()
        return int.from_bytes(digest, "big") % self.count == self.number - 1

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"


WHOLE = Shard(1, 1)
"""All of the list."""
