"""An ensemble in the space of weights: fine-tuned encoders, drawn back towards the weights they started from.

    theta(w) = w * fine-tuned + (1 - w) * pretrained      for h_f and h_a; heads and fusion stay as trained

Open-VCLIP does this to the video encoder, which MOV keeps frozen; here it is for the flow and sound encoders. At w = 1
the weights are those of the run, to the bit, at w = 0 the backbone's. Knows nothing of files.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

ENCODERS = "encoders."
"""How the names of encoder weights begin."""


def drawn_back(trained: Mapping[str, Tensor], pretrained: Mapping[str, Tensor], weight: float) -> dict[str, Tensor]:
    """`trained`, its encoders' weights mixed with those of the same names in `pretrained`.

    Raises ValueError for a weight outside [0, 1], KeyError where `pretrained` lacks an encoder weight.
    """
    if not 0 <= weight <= 1:
        raise ValueError(f"the weight of the fine-tuned encoders is {weight}, not from 0 to 1")
    if weight == 1:
        return dict(trained)
    return {
        name: torch.lerp(pretrained[name], tensor, weight) if name.startswith(ENCODERS) else tensor
        for name, tensor in trained.items()
    }
