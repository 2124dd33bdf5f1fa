from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from openmov.model.fusion import AsymmetricFusion, CrossAttention, SymmetricFusion
from openmov.types import Modality

V, F, A = Modality.VIDEO, Modality.FLOW, Modality.AUDIO
Wake = Callable[[nn.Module], None]


@pytest.fixture
def fusion(wake: Wake) -> AsymmetricFusion:
    torch.manual_seed(0)
    module = AsymmetricFusion(12, extras=(F, A), num_heads=3, mlp_ratio=4.0)
    wake(module)
    return module


def streams(seed: int = 0) -> tuple[dict[Modality, Tensor], Tensor, dict[Modality, Tensor]]:
    generator = torch.Generator().manual_seed(seed)
    lengths = {V: 4, F: 4, A: 1}
    attended = {m: torch.randn(2, n, 12, generator=generator) for m, n in lengths.items()}
    frozen = torch.randn(2, 4, 12, generator=generator)
    return attended, frozen, {m: torch.ones(2, dtype=torch.bool) for m in lengths}


def test_before_training_everything_is_the_plain_average() -> None:
    attended, frozen, present = streams()
    fused = AsymmetricFusion(12, extras=(F, A), num_heads=3, mlp_ratio=4.0)(attended, frozen, present)
    for modality, tokens in attended.items():
        assert torch.equal(fused[modality], tokens.mean(dim=1))


def test_it_is_the_equations(fusion: AsymmetricFusion) -> None:
    attended, frozen, present = streams()
    into, out, mlps = fusion.into_video, fusion.from_video, fusion.mlps
    v_t = attended[V] + into["flow"](attended[V], attended[F]) + into["audio"](attended[V], attended[A])
    f_t = attended[F] + out["flow"](attended[F], frozen)
    a_t = attended[A] + out["audio"](attended[A], frozen)
    expected = {m: (t + mlps[m.value](t)).mean(dim=1) for m, t in ((V, v_t), (F, f_t), (A, a_t))}
    fused = fusion(attended, frozen, present)
    assert list(fused) == [V, F, A]
    for modality in expected:
        torch.testing.assert_close(fused[modality], expected[modality])


def test_symmetric_differs_in_what_flow_and_sound_attend_to_alone(fusion: AsymmetricFusion) -> None:
    symmetric = SymmetricFusion(12, extras=(F, A), num_heads=3, mlp_ratio=4.0)
    symmetric.load_state_dict(fusion.state_dict())
    attended, frozen, present = streams()
    ours, theirs = fusion(attended, frozen, present), symmetric(attended, frozen, present)
    assert torch.equal(theirs[V], ours[V])
    assert not torch.allclose(theirs[F], ours[F], atol=1e-3)
    # given the trained video where the frozen one belongs, the paper's fusion is the symmetric one
    swapped = fusion(attended, attended[V], present)
    for modality in (V, F, A):
        assert torch.equal(theirs[modality], swapped[modality])
    torch.testing.assert_close(symmetric(attended, frozen + 1, present), theirs, rtol=0, atol=0)


def test_query_and_source_have_norms_of_their_own(wake: Wake) -> None:
    cross = CrossAttention(12, 3)
    wake(cross)
    attended, frozen, _ = streams()
    before = cross(attended[F], frozen)
    for norm in (cross.query_norm, cross.source_norm):
        with torch.no_grad():
            norm.weight[:6] *= 3
        after = cross(attended[F], frozen)
        assert not torch.allclose(after, before, atol=1e-3)
        before = after


def test_extras_hear_the_frozen_video_and_never_the_trained_one(fusion: AsymmetricFusion) -> None:
    attended, frozen, present = streams()
    before = fusion(attended, frozen, present)
    after = fusion({**attended, V: attended[V] + 1.5}, frozen, present)
    assert torch.equal(after[F], before[F])
    assert torch.equal(after[A], before[A])
    assert not torch.allclose(after[V], before[V], atol=1e-2)
    other = fusion(attended, frozen.flip(1) * 2 + 1 * frozen[:, :1], present)
    assert torch.equal(other[V], before[V])
    assert not torch.allclose(other[F], before[F], atol=1e-3)


@pytest.mark.parametrize("poison", [1e6, float("nan"), float("inf")])
@pytest.mark.parametrize("lacking", [V, F, A])
def test_what_stands_for_a_missing_modality_changes_nothing(
    fusion: AsymmetricFusion, lacking: Modality, poison: float
) -> None:
    attended, frozen, present = streams()
    present[lacking] = torch.tensor([True, False])
    clean = fusion(attended, frozen, present)
    attended[lacking] = torch.where(present[lacking][:, None, None], attended[lacking], poison)
    if lacking is V:
        frozen = torch.where(present[V][:, None, None], frozen, poison)
    poisoned = fusion(attended, frozen, present)
    for modality in set(Modality) - {lacking}:
        assert torch.equal(poisoned[modality], clean[modality])
    assert torch.equal(poisoned[lacking][0], clean[lacking][0])


@pytest.mark.parametrize("lacking", [V, F, A])
def test_a_masked_modality_is_as_good_as_none(fusion: AsymmetricFusion, lacking: Modality) -> None:
    attended, frozen, present = streams()
    present[lacking] = torch.zeros(2, dtype=torch.bool)
    masked = fusion(attended, frozen, present)
    whole = fusion(attended, frozen, {m: torch.ones(2, dtype=torch.bool) for m in Modality})
    del attended[lacking], present[lacking]
    without = fusion(attended, None if lacking is V else frozen, present)
    assert set(without) == set(Modality) - {lacking}
    for modality in without:
        torch.testing.assert_close(masked[modality], without[modality], atol=0, rtol=0)
    affected = F if lacking is V else V
    assert not torch.allclose(whole[affected], without[affected], atol=1e-3)


def test_one_sound_token_is_a_linear_map_the_same_for_every_frame(fusion: AsymmetricFusion) -> None:
    attended, _, _ = streams()
    cross = fusion.into_video["audio"]
    branch = cross(attended[V], attended[A])
    expected = cross.attention.output(cross.attention.value(cross.source_norm(attended[A])))
    torch.testing.assert_close(branch, expected.expand_as(branch), atol=1e-6, rtol=1e-5)
