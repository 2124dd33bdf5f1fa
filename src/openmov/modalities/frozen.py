"""Frozen embeddings as they lie on disk: single precision as it is, or bfloat16 as the upper halves of its bits.

NumPy has no bfloat16: its 16 bits are kept as whole numbers, so that every reader of arrays can carry them about.
Knows nothing of where they lie.
"""

from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Float32, UInt16
from torch import Tensor

Precision = Literal["fp32", "bf16"]
Stored = Float32[np.ndarray, "... dim"] | UInt16[np.ndarray, "... dim"]

BYTES: dict[Precision, int] = {"fp32": 4, "bf16": 2}
"""Of one number."""
DTYPES: dict[Precision, np.dtype[np.float32] | np.dtype[np.uint16]] = {
    "fp32": np.dtype("<f4"),
    "bf16": np.dtype("<u2"),
}
"""Of an array on disk."""


def stored_embeddings(embeddings: Float[Tensor, "... dim"], precision: Precision) -> Stored:
    """What is written. To bfloat16 numbers are rounded to the nearest, at most one part in 256 away."""
    if precision == "fp32":
        return embeddings.float().numpy()
    return embeddings.bfloat16().view(torch.int16).numpy().view(np.uint16)


def embeddings_of(stored: Stored) -> Float32[Tensor, "... dim"]:
    """What was written, in single precision; shares the memory of an array that is."""
    if stored.dtype == np.float32:
        return torch.from_numpy(stored)
    return torch.from_numpy(stored.view(np.int16)).view(torch.bfloat16).float()
