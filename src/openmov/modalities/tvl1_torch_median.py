"""The median of 3 x 3 or 5 x 5 neighbours of whole tensors, edges repeated, by minima and maxima alone.

Numbers along each row of a window are sorted, then the numbers of each rank down its rows; what is left of the window
is sorted both ways, so that most of its ranks cannot be the median. Exact, and with no copy of every window.
"""

from collections.abc import Callable
from itertools import product

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

_Choice = Callable[[Tensor, Tensor], Tensor]
# Pairs of places to compare and exchange, which sort three and five numbers.
_NETWORKS = {
    3: ((0, 1), (1, 2), (0, 1)),
    5: ((0, 1), (3, 4), (2, 4), (2, 3), (0, 3), (1, 4), (0, 2), (1, 3), (1, 2)),
}


def median(
    planes: Float[Tensor, "pairs channels height width"], size: int
) -> Float[Tensor, "pairs channels height width"]:
    """Of the `size` x `size` neighbours, 3 or 5, of every number."""
    reach, height, width = size // 2, planes.shape[2], planes.shape[3]
    padded = functional.pad(planes, (reach,) * 4, mode="replicate")
    by_rank = _sorted([padded[..., x : x + width] for x in range(size)])
    columns = [_sorted([rank[:, :, y : y + height] for y in range(size)]) for rank in by_rank]
    half = size * size // 2
    # Sorted both ways, (x, y) has (x + 1)(y + 1) - 1 numbers that are no larger, and as many no smaller from the end.
    possible = [
        columns[x][y]
        for x, y in product(range(size), repeat=2)
        if (x + 1) * (y + 1) - 1 <= half and (size - x) * (size - y) - 1 <= half
    ]
    return _middle(possible)


def _sorted(values: list[Tensor]) -> list[Tensor]:
    values = list(values)
    for low, high in _NETWORKS[len(values)]:
        one, two = values[low], values[high]
        values[low], values[high] = torch.minimum(one, two), torch.maximum(one, two)
    return values


def _middle(values: list[Tensor]) -> Tensor:
    """The median of an odd number: among any more than half of them, neither the smallest nor the largest is it."""
    start = len(values) // 2 + 2
    held, waiting = values[:start], values[start:]
    while len(held) > 1:
        held = _without(_without(held, torch.maximum, torch.minimum), torch.minimum, torch.maximum)
        held, waiting = held + waiting[:1], waiting[1:]
    return held[0]


def _without(values: list[Tensor], taken: _Choice, left: _Choice) -> list[Tensor]:
    """All but the largest (or smallest) number of every place."""
    carried, rest = values[0], []
    for value in values[1:]:
        rest.append(left(carried, value))
        carried = taken(carried, value)
    return rest
