"""Position embeddings for pictures of another size than the pretrained one."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


def interpolate_positions(
    positions: Float[Tensor, "tokens channels"], grid: tuple[int, int]
) -> Float[Tensor, "new_tokens channels"]:
    """Position embeddings for a grid of (rows, columns) patches: bilinear, pixel centres aligned (align_corners False).

    Row 0 belongs to the class token and stays; the others are a square grid, row by row. The pretrained grid gives
    back the same tensor. Paper, section 3.1 (the spectrogram's positional embeddings).
    """
    side = int((len(positions) - 1) ** 0.5)
    if grid == (side, side):
        return positions
    square = positions[1:].reshape(side, side, -1).permute(2, 0, 1)[None]
    resized = F.interpolate(square.float(), size=grid, mode="bilinear", align_corners=False)
    return torch.cat([positions[:1], resized[0].flatten(1).T.to(positions.dtype)])
