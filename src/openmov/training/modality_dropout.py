"""Takes flow or sound away from some training clips, so that a network learns to answer without them.

Each decision is a function of (video id, epoch, seed, modality): it does not depend on the batch a clip comes in,
nor on anything drawn before. A clip is never left with nothing.
"""

import hashlib
from dataclasses import replace

import torch

from openmov.types import ClipBatch, Modality, extra_modalities


def drop_modalities(batch: ClipBatch, probability: float, epoch: int, seed: int) -> ClipBatch:
    """The batch with each extra modality of each clip marked absent with `probability`; its inputs stay as they are.

    A clip without video keeps at least one extra: the one whose draw was farthest from being dropped.
    """
    if probability == 0:
        return batch
    present = {modality: mask.clone() for modality, mask in batch.present.items()}
    for row, video_id in enumerate(batch.video_ids):
        has_video = Modality.VIDEO in present and bool(present[Modality.VIDEO][row])
        extras = [extra for extra in extra_modalities() if extra in present and bool(present[extra][row])]
        draws = {extra: draw(video_id, epoch, seed, extra) for extra in extras}
        spared = None if has_video or not draws else max(draws, key=lambda extra: draws[extra])
        for extra, value in draws.items():
            if value < probability and extra is not spared:
                present[extra][row] = torch.tensor(False)
    return replace(batch, present=present)


def draw(video_id: str, epoch: int, seed: int, purpose: str) -> float:
    """A number in [0, 1), uniform and independent over its arguments, the same on every machine."""
    text = f"{seed}\0{epoch}\0{purpose}\0{video_id}"
    digest = hashlib.blake2b(text.encode(errors="surrogateescape"), digest_size=8).digest()
    return (int.from_bytes(digest, "big") >> 11) / 2**53
