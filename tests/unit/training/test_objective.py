"""Equation 9, with weights and losses known by hand."""

import math

import pytest
import torch

from openmov.errors import ManifestError, VocabularyError
from openmov.training.objective import BaseObjective, modality_weights
from openmov.types import ClassEmbeddings, JointEmbeddings, Modality

V, F, A = Modality.VIDEO, Modality.FLOW, Modality.AUDIO
NAMES = ("left", "right")
CLASSES = ClassEmbeddings(NAMES, torch.eye(2))


def mask(*rows: bool) -> torch.Tensor:
    return torch.tensor(rows)


def at_angle(degrees: float, length: float = 3.0) -> torch.Tensor:
    radians = math.radians(degrees)
    return length * torch.tensor([[math.cos(radians), math.sin(radians)]])


def entropy(cos_right: float, cos_wrong: float, tau: float) -> float:
    return math.log(1 + math.exp((cos_wrong - cos_right) / tau))


def test_unit_vectors_at_known_angles_give_known_losses() -> None:
    # video at 60 degrees from the right class (30 from the wrong one), flow on the right class
    embeddings = JointEmbeddings({V: at_angle(60), F: at_angle(0)}, {V: mask(True), F: mask(True)})
    loss = BaseObjective(CLASSES, alpha=0.25, tau=0.5)(embeddings, ("left",))
    video, flow = entropy(0.5, math.sqrt(0.75), 0.5), entropy(1.0, 0.0, 0.5)
    assert loss.sums[V] == pytest.approx(video, abs=1e-6)
    assert loss.sums[F] == pytest.approx(flow, abs=1e-6)
    assert loss.total.item() == pytest.approx(0.25 * video + 0.75 * flow, abs=1e-6)
    assert loss.count == 1


def test_lengths_do_not_matter() -> None:
    def total(length: float) -> float:
        embeddings = JointEmbeddings({V: at_angle(20, length)}, {V: mask(True)})
        return BaseObjective(CLASSES, 0.5, 0.1)(embeddings, ("left",)).total.item()

    assert total(1e-3) == pytest.approx(total(1e3), rel=1e-5)


@pytest.mark.parametrize(
    ("has", "expected"),
    [
        ((True, True, True), (0.4, 0.3, 0.3)),
        ((True, False, True), (0.4, 0.0, 0.6)),  # a missing extra's weight goes to the other
        ((True, False, False), (1.0, 0.0, 0.0)),  # to the video if none is left
        ((False, True, True), (0.0, 0.5, 0.5)),  # a missing video's to the extras
        ((False, True, False), (0.0, 1.0, 0.0)),
        ((False, False, False), (0.0, 0.0, 0.0)),
    ],
)
def test_modality_weights(has: tuple[bool, bool, bool], expected: tuple[float, float, float]) -> None:
    weights = modality_weights(dict(zip((V, F, A), (mask(h) for h in has), strict=True)), alpha=0.4)
    assert tuple(weights[m].item() for m in (V, F, A)) == pytest.approx(expected)


@pytest.mark.parametrize("modality", list(Modality))
def test_one_modality_alone_weighs_everything(modality: Modality) -> None:
    assert modality_weights({modality: mask(True, True)}, 0.4)[modality].tolist() == [1.0, 1.0]


def test_weights_are_per_clip() -> None:
    weights = modality_weights({V: mask(True, True), F: mask(True, False), A: mask(True, True)}, 0.5)
    assert torch.equal(weights[F], torch.tensor([0.25, 0.0]))
    assert torch.equal(weights[A], torch.tensor([0.25, 0.5]))


@pytest.mark.parametrize("poison", [1e6, math.inf, math.nan])
def test_what_stands_in_absent_rows_changes_nothing(poison: float) -> None:
    def run(filler: float) -> tuple[float, torch.Tensor]:
        flow = torch.tensor([[1.0, 2.0], [filler, filler]], requires_grad=True)
        video = torch.tensor([[1.0, 0.5], [0.2, 1.0]])
        embeddings = JointEmbeddings({V: video, F: flow}, {V: mask(True, True), F: mask(True, False)})
        loss = BaseObjective(CLASSES, 0.5, 0.1)(embeddings, ("left", "right"))
        loss.total.backward()
        assert flow.grad is not None
        return loss.total.item(), flow.grad

    (clean, gradient), (poisoned, other) = run(0.0), run(poison)
    assert clean == poisoned
    assert torch.equal(gradient, other)
    assert torch.equal(other[1], torch.zeros(2))
    assert gradient[0].abs().sum() > 0  # the law above is not the law of a dead gradient


def test_parts_add_up_to_the_whole() -> None:
    generator = torch.Generator().manual_seed(0)
    video, flow = torch.randn(6, 2, generator=generator), torch.randn(6, 2, generator=generator)
    has_flow = mask(True, False, True, True, False, True)
    labels = ("left", "right") * 3
    objective = BaseObjective(CLASSES, 0.5, 0.1)

    def part(rows: slice) -> tuple[float, int]:
        embeddings = JointEmbeddings(
            {V: video[rows], F: flow[rows]}, {V: torch.ones(6, dtype=torch.bool)[rows], F: has_flow[rows]}
        )
        loss = objective(embeddings, labels[rows])
        return loss.total.item(), loss.count

    whole, parts = part(slice(None)), [part(slice(0, 1)), part(slice(1, 4)), part(slice(4, 6))]
    assert whole[0] == pytest.approx(sum(total for total, _ in parts), abs=1e-5)
    assert whole[1] == sum(count for _, count in parts) == 6


def test_a_clip_with_nothing_is_not_counted() -> None:
    embeddings = JointEmbeddings({F: torch.ones(2, 2)}, {F: mask(True, False)})
    loss = BaseObjective(CLASSES, 0.5, 0.1)(embeddings, ("left", "right"))
    assert loss.count == 1
    assert loss.per_clip[1] == 0


def test_a_novel_name_offered_to_training_raises() -> None:
    embeddings = JointEmbeddings({V: torch.ones(2, 2)}, {V: mask(True, True)})
    objective = BaseObjective(CLASSES, 0.5, 0.1)
    assert objective(embeddings, ("left", "right")).count == 2
    with pytest.raises(VocabularyError, match=r"clip9.*'up' is not among the 2 base classes"):
        objective(embeddings, ("left", "up"), ("clip3", "clip9"))
    with pytest.raises(ManifestError, match="clip9: has no label"):
        objective(embeddings, ("left", None), ("clip3", "clip9"))


def test_bfloat16_embeddings_get_a_float32_loss() -> None:
    embeddings = JointEmbeddings({V: torch.ones(1, 2, dtype=torch.bfloat16)}, {V: mask(True)})
    assert BaseObjective(CLASSES, 0.5, 0.1)(embeddings, ("left",)).total.dtype == torch.float32


@pytest.mark.parametrize(("alpha", "tau"), [(-0.1, 0.1), (1.1, 0.1), (0.5, 0.0)])
def test_impossible_weights_raise(alpha: float, tau: float) -> None:
    with pytest.raises(ValueError, match="alpha"):
        BaseObjective(CLASSES, alpha, tau)
