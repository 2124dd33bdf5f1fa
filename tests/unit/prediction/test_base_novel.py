import math
from collections.abc import Mapping
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from openmov.model.class_embeddings import class_probabilities
from openmov.scoring.paths import (
    NovelPath,
    average_views,
    base_probabilities,
    novel_probabilities,
    path_weights,
)
from openmov.types import ClassEmbeddings, JointEmbeddings, Modality

V, F, A = Modality.VIDEO, Modality.FLOW, Modality.AUDIO
CLASSES = ClassEmbeddings(("a", "b"), torch.eye(2))
TAU = 1 / math.log(3)
"""At this temperature an embedding along one of two orthogonal classes gives probabilities 3/4 and 1/4."""
TO_A, TO_B = torch.tensor([[5.0, 0.0]]), torch.tensor([[0.0, 0.1]])
FLAT = NovelPath(beta=0.25, tau_x=TAU, tau_v=TAU)


def said(frozen: Tensor | None = None, **fused: Tensor) -> JointEmbeddings:
    return masked({}, frozen, **fused)


def masked(absent: Mapping[Modality, bool], frozen: Tensor | None = None, **fused: Tensor) -> JointEmbeddings:
    embeddings = {Modality(name): x for name, x in fused.items()}
    present = {m: torch.full((len(x),), not absent.get(m, False)) for m, x in embeddings.items()}
    return JointEmbeddings(embeddings, present, frozen)


def test_base_path_is_the_fused_video_alone() -> None:
    found = base_probabilities(said(frozen=TO_B, video=TO_A, flow=TO_B, audio=TO_B), CLASSES, TAU)
    torch.testing.assert_close(found, torch.tensor([[0.75, 0.25]]))


def test_base_path_without_video_is_the_mean_of_the_extras() -> None:
    found = base_probabilities(masked({V: True}, TO_A, video=TO_A, flow=TO_B, audio=TO_B), CLASSES, TAU)
    torch.testing.assert_close(found, torch.tensor([[0.25, 0.75]]))
    found = base_probabilities(said(flow=TO_A, audio=TO_B), CLASSES, TAU)
    torch.testing.assert_close(found, torch.tensor([[0.5, 0.5]]))


def test_novel_path_mixes_frozen_video_and_extra_with_beta() -> None:
    found = novel_probabilities(said(frozen=TO_A, video=TO_B, flow=TO_B), CLASSES, FLAT)
    torch.testing.assert_close(found, torch.tensor([[0.75 * 0.75 + 0.25 * 0.25, 0.75 * 0.25 + 0.25 * 0.75]]))


def test_novel_path_shares_beta_among_extras() -> None:
    found = novel_probabilities(said(frozen=TO_A, video=TO_B, flow=TO_B, audio=TO_A), CLASSES, FLAT)
    torch.testing.assert_close(found, torch.tensor([[0.875 * 0.75 + 0.125 * 0.25, 0.875 * 0.25 + 0.125 * 0.75]]))


def test_each_side_has_its_temperature() -> None:
    config = NovelPath(beta=0.5, tau_x=TAU, tau_v=TAU / 2)  # 9 : 1 for the video
    found = novel_probabilities(said(frozen=TO_A, video=TO_B, flow=TO_B), CLASSES, config)
    torch.testing.assert_close(found, torch.tensor([[(0.9 + 0.25) / 2, (0.1 + 0.75) / 2]]))


def test_the_papers_defaults() -> None:
    """cos 0.6 and 0.8 at 0.003 and 0.01: softmax of differences of 0.2 / 0.003 and 0.2 / 0.01."""
    slanted = torch.tensor([[0.6, 0.8]])
    found = novel_probabilities(said(frozen=slanted, video=TO_A, flow=slanted), CLASSES, NovelPath())
    expected = 0.25 / (1 + math.exp(20)) + 0.75 / (1 + math.exp(0.2 / 0.003))
    assert found[0, 0].item() == pytest.approx(expected, rel=1e-3)


def test_beta_one_and_zero_are_the_extras_and_the_video_alone() -> None:
    embeddings = said(frozen=TO_A, video=TO_B, flow=TO_B)
    only_extra = novel_probabilities(embeddings, CLASSES, replace(FLAT, beta=1.0))
    only_video = novel_probabilities(embeddings, CLASSES, replace(FLAT, beta=0.0))
    torch.testing.assert_close(only_extra, torch.tensor([[0.25, 0.75]]))
    torch.testing.assert_close(only_video, torch.tensor([[0.75, 0.25]]))


@pytest.mark.parametrize(
    ("absent", "expected"),
    [
        ({}, {V: 0.75, F: 0.125, A: 0.125}),
        ({F}, {V: 0.75, F: 0, A: 0.25}),
        ({A}, {V: 0.75, F: 0.25, A: 0}),
        ({F, A}, {V: 1, F: 0, A: 0}),
        ({V}, {V: 0, F: 0.5, A: 0.5}),
        ({V, F}, {V: 0, F: 0, A: 1}),
        ({V, A}, {V: 0, F: 1, A: 0}),
    ],
)
def test_weight_of_a_missing_modality_passes_to_the_others(
    absent: set[Modality], expected: dict[Modality, float]
) -> None:
    everyone = torch.ones(1, dtype=torch.bool)
    as_rows = path_weights({m: everyone & (m not in absent) for m in Modality}, beta=0.25)
    left_out = path_weights({m: everyone for m in Modality if m not in absent}, beta=0.25)
    assert {m: w.item() for m, w in as_rows.items()} == expected
    assert {m: w.item() for m, w in left_out.items()} == {m: w for m, w in expected.items() if m not in absent}


@pytest.mark.parametrize("beta", [0.0, 0.1, 0.25, 1 / 3, 0.75, 1.0])
def test_weights_sum_to_one_in_every_row(beta: float) -> None:
    cases = torch.cartesian_prod(*[torch.tensor([False, True])] * 3)[1:]
    weights = path_weights({m: cases[:, i] for i, m in enumerate(Modality)}, beta)
    total = torch.stack(list(weights.values())).sum(dim=0)
    torch.testing.assert_close(total, torch.ones(7), atol=1e-6, rtol=0)
    for i, modality in enumerate(Modality):
        assert not weights[modality][~cases[:, i]].any()


def test_a_row_without_any_modality_is_refused() -> None:
    nobody = masked({V: True, F: True}, TO_A, video=TO_A, flow=TO_A)
    for answer in (
        lambda: base_probabilities(nobody, CLASSES, TAU),
        lambda: novel_probabilities(nobody, CLASSES, FLAT),
        lambda: novel_probabilities(JointEmbeddings({}, {}), CLASSES, FLAT),
    ):
        with pytest.raises(ValueError, match="without any of the model's modalities"):
            answer()


@pytest.mark.parametrize("poison", [1e6, float("nan"), float("inf")])
def test_what_stands_for_a_missing_modality_changes_nothing(poison: float) -> None:
    junk = torch.full((1, 2), poison)
    for path in (
        lambda e: base_probabilities(e, CLASSES, TAU),
        lambda e: novel_probabilities(e, CLASSES, FLAT),
    ):
        no_flow = path(masked({F: True}, TO_A, video=TO_B, flow=junk, audio=TO_B))
        assert torch.equal(no_flow, path(said(frozen=TO_A, video=TO_B, audio=TO_B)))
        no_video = path(masked({V: True}, junk, video=junk, flow=TO_A, audio=TO_B))
        torch.testing.assert_close(no_video, path(said(flow=TO_A, audio=TO_B)))


@pytest.mark.parametrize("name", list(Modality))
def test_one_modality_on_its_own_answers_both_paths(name: str) -> None:
    embeddings = said(**{name: TO_B})
    expected = torch.tensor([[0.25, 0.75]])
    torch.testing.assert_close(base_probabilities(embeddings, CLASSES, TAU), expected)
    torch.testing.assert_close(novel_probabilities(embeddings, CLASSES, FLAT), expected)


def test_mov_without_its_extras_answers_novel_classes_with_the_frozen_video() -> None:
    found = novel_probabilities(said(frozen=TO_A, video=TO_B), CLASSES, FLAT)
    torch.testing.assert_close(found, torch.tensor([[0.75, 0.25]]))


def test_rows_are_probabilities_and_independent() -> None:
    generator = torch.Generator().manual_seed(0)
    classes = ClassEmbeddings(tuple("abcde"), torch.nn.functional.normalize(torch.randn(5, 3, generator=generator)))
    fused = {m: torch.randn(4, 3, generator=generator) for m in Modality}
    present = {
        V: torch.tensor([True, False, True, True]),
        F: torch.tensor([True, True, False, False]),
        A: torch.tensor([True, True, True, False]),
    }
    whole = JointEmbeddings(fused, present, torch.randn(4, 3, generator=generator))
    found = novel_probabilities(whole, classes, NovelPath())
    torch.testing.assert_close(found.sum(dim=1), torch.ones(4))
    for i in range(4):
        one = JointEmbeddings(
            {m: x[i : i + 1] for m, x in fused.items()},
            {m: x[i : i + 1] for m, x in present.items()},
            whole.frozen[i : i + 1],
        )
        torch.testing.assert_close(novel_probabilities(one, classes, NovelPath())[0], found[i])
    torch.testing.assert_close(found[3], class_probabilities(whole.frozen, classes, 0.003)[3])


def test_views_of_one_video_are_averaged() -> None:
    rows = torch.tensor([[1.0, 0.0], [0.5, 0.5], [0.0, 1.0], [0.2, 0.8]])
    torch.testing.assert_close(average_views(rows, 2), torch.tensor([[0.75, 0.25], [0.1, 0.9]]))
    assert torch.equal(average_views(rows, 1), rows)
