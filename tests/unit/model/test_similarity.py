import math

import pytest
import torch

from openmov.model.class_embeddings import class_probabilities, class_similarity
from openmov.types import ClassEmbeddings

ANGLES = [0, 60, 90, 180]
VECTORS = torch.tensor([[math.cos(math.radians(a)), math.sin(math.radians(a))] for a in ANGLES])
CLASSES = ClassEmbeddings(("right", "slanted", "up", "left"), VECTORS)


@pytest.mark.parametrize("length", [1e-3, 1.0, 250.0])
def test_known_angles_give_known_cosines_whatever_the_length(length: float) -> None:
    found = class_similarity(torch.tensor([[length, 0.0]]), CLASSES)
    torch.testing.assert_close(found, torch.tensor([[1.0, 0.5, 0.0, -1.0]]), atol=1e-6, rtol=0)


def test_probabilities_at_a_known_temperature() -> None:
    two = ClassEmbeddings(("a", "b"), torch.eye(2))
    found = class_probabilities(torch.tensor([[1.0, 0.0]]), two, tau=1 / math.log(3))
    torch.testing.assert_close(found, torch.tensor([[0.75, 0.25]]))


def test_an_embedding_of_zeros_favours_nobody() -> None:
    assert torch.equal(class_probabilities(torch.zeros(1, 2), CLASSES, 0.01), torch.full((1, 4), 0.25))


def test_autocast_and_half_precision_cost_nothing_here() -> None:
    embeddings = torch.randn(3, 2, generator=torch.Generator().manual_seed(0))
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(class_similarity(embeddings, CLASSES), class_similarity(embeddings, CLASSES).float())
        inside = class_similarity(embeddings, CLASSES)
    assert inside.dtype == torch.float32
    assert torch.equal(inside, class_similarity(embeddings, CLASSES))
    assert class_similarity(embeddings.bfloat16(), CLASSES).dtype == torch.float32
