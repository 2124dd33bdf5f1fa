"""Random ClipBatches for any test to build."""

from collections.abc import Mapping, Sequence

import torch

from openmov.types import ClipBatch, Modality


def make_batch(
    *modalities: Modality,
    size: int = 3,
    views: int = 1,
    num_frames: int = 2,
    image_size: int = 32,
    spectrogram: tuple[int, int] = (16, 40),
    absent: Mapping[Modality, Sequence[int]] | None = None,
    absent_value: float = 0.0,
    seed: int = 0,
) -> ClipBatch:
    """Clips with standard normal inputs; rows named in `absent` lack that modality, `absent_value` in its place."""
    generator = torch.Generator().manual_seed(seed)
    shapes = {
        Modality.VIDEO: (num_frames, 3, image_size, image_size),
        Modality.FLOW: (num_frames, 3, image_size, image_size),
        Modality.AUDIO: (3, *spectrogram),
    }
    inputs, present = {}, {}
    for modality, shape in shapes.items():  # the same numbers whichever modalities are asked for
        values = torch.randn(size, views, *shape, generator=generator)
        if modality not in modalities:
            continue
        missing = torch.zeros(size, dtype=torch.bool)
        missing[list((absent or {}).get(modality, ()))] = True
        values[missing] = absent_value
        inputs[modality], present[modality] = values, ~missing
    return ClipBatch(tuple(f"clip{i}" for i in range(size)), inputs, present)


def rows(batch: ClipBatch, *indices: int) -> ClipBatch:
    """The batch of these clips alone, in this order."""
    chosen = torch.tensor(indices)
    return ClipBatch(
        tuple(batch.video_ids[i] for i in indices),
        {m: x[chosen] for m, x in batch.inputs.items()},
        {m: x[chosen] for m, x in batch.present.items()},
        None if batch.frozen is None else batch.frozen[chosen],
    )
