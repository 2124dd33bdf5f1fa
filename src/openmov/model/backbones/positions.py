"""Position embeddings for pictures of another size than the pretrained one."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


def interpolate_positions(
    positions: Float[Tensor, "tokens channels"], grid: tuple[int, int], *, class_tokens: int = 1
) -> Float[Tensor, "new_tokens channels"]:
    """Position embeddings for a grid of (rows, columns) patches: bilinear, pixel centres aligned (align_corners False).

    The first `class_tokens` rows belong to class tokens and stay; the others are a square grid, row by row. The
    pretrained grid gives back the same tensor. Paper, section 3.1 (the spectrogram's positional embeddings).
    """
    side = int((len(positions) - class_tokens) ** 0.5)
    if grid == (side, side):
        return positions
    square = positions[class_tokens:].reshape(side, side, -1).permute(2, 0, 1)[None]
    resized = F.interpolate(square.float(), size=grid, mode="bilinear", align_corners=False)
    return torch.cat([positions[:class_tokens], resized[0].flatten(1).T.to(positions.dtype)])
