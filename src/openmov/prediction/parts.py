"""A recording made in parts by several processes, put together again to the bit.

Parts are cut between batches, never within one, so that every batch is the one a single process would have looked at:
products of matrices of another height may differ in the last bit.
"""

import json
from collections.abc import Iterable

import torch

from openmov.prediction.predictor import Recording, joined
from openmov.runtime.checkpoint import tensors_from_bytes, tensors_to_bytes
from openmov.runtime.distributed import World
from openmov.types import JointEmbeddings

_ABOUT = "about"


def own_part(world: World, count: int, batch_size: int) -> range:
    """Which of `count` clips this process looks at: whole batches, contiguous, in the order of the processes."""
    batches = world.share(-(-count // batch_size))
    return range(batches.start * batch_size, min(count, batches.stop * batch_size))


def gathered(world: World, part: Recording | None) -> Recording:
    """The recording of all processes, in their order, the same everywhere; None where this process had no clip.

    Raises ValueError where none had any, OpenMovError where one has stopped.
    """
    parts = world.gather_bytes(b"" if part is None else _to_bytes(part))
    return _joined(_from_bytes(data) for data in parts if data)


def _joined(parts: Iterable[Recording]) -> Recording:
    found = list(parts)
    if len({part.views for part in found}) != 1:
        raise ValueError("no clip to record" if not found else "clips with different numbers of views")
    return Recording(
        tuple(video_id for part in found for video_id in part.video_ids),
        tuple(label for part in found for label in part.labels),
        found[0].views,
        joined([part.embeddings for part in found]),
    )


def _to_bytes(part: Recording) -> bytes:
    about = json.dumps([part.video_ids, part.labels, part.views]).encode()
    return tensors_to_bytes(part.embeddings.tensors() | {_ABOUT: torch.frombuffer(bytearray(about), dtype=torch.uint8)})


def _from_bytes(data: bytes) -> Recording:
    tensors = tensors_from_bytes(data)
    ids, labels, views = json.loads(tensors.pop(_ABOUT).numpy().tobytes())
    return Recording(tuple(ids), tuple(labels), views, JointEmbeddings.from_tensors(tensors))
