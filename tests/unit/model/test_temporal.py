from collections.abc import Callable

import pytest
import torch
from torch import nn

from openmov.model.heads import Attention, AudioHead, TemporalTransformer

Wake = Callable[[nn.Module], None]
TOKENS = torch.randn(2, 5, 12, generator=torch.Generator().manual_seed(0))


def head(**options: int) -> TemporalTransformer:
    torch.manual_seed(0)
    return TemporalTransformer(12, num_layers=2, num_heads=3, mlp_ratio=4.0, **options)


def test_every_head_starts_as_the_identity() -> None:
    for module in (head(), head(max_frames=5), AudioHead(12, mlp_ratio=4.0)):
        assert torch.equal(module(TOKENS), TOKENS)


def test_the_literal_audio_head_does_not() -> None:
    mapped = AudioHead(12, mlp_ratio=4.0, literal=True)(TOKENS)
    assert not torch.allclose(mapped, TOKENS, atol=0.1)
    assert mapped.std() > 0.01


def test_two_layers_of_four_times_the_width() -> None:
    shapes = {name: tuple(weight.shape) for name, weight in head().named_parameters()}
    assert {name.split(".")[1] for name in shapes} == {"0", "1"}
    assert [shape for name, shape in shapes.items() if name.endswith("mlp.1.0.weight")] == [(48, 12)] * 2


def test_without_positions_the_order_of_frames_is_lost(wake: Wake) -> None:
    blind, seeing = head(), head(max_frames=5)
    wake(blind), wake(seeing)
    backwards = TOKENS.flip(1)
    torch.testing.assert_close(blind(backwards).flip(1), blind(TOKENS), atol=1e-5, rtol=1e-5)
    assert not torch.allclose(seeing(backwards).flip(1), seeing(TOKENS), atol=1e-2)
    assert not torch.allclose(blind(TOKENS), TOKENS, atol=1e-2)


def test_frames_inform_each_other_and_clips_do_not(wake: Wake) -> None:
    transformer = head()
    wake(transformer)
    before, changed = transformer(TOKENS), TOKENS.clone()
    changed[0, 0] = TOKENS[1, 0]
    after = transformer(changed)
    assert not torch.allclose(after[0, 4], before[0, 4], atol=1e-3)
    torch.testing.assert_close(after[1], before[1])


def test_more_frames_than_positions_are_refused() -> None:
    assert head(max_frames=4)(TOKENS[:, :4]).shape == (2, 4, 12)
    with pytest.raises(ValueError, match="5 frames, but positions were made for 4"):
        head(max_frames=4)(TOKENS)


def test_attention_equals_the_textbook(wake: Wake) -> None:
    """One head by hand: softmax(Q K^T / sqrt(d)) V."""
    torch.manual_seed(1)
    attention = Attention(12, 1)
    wake(attention)
    queries, sources = TOKENS, TOKENS.flip(0)[:, :3]
    weights = torch.softmax(attention.query(queries) @ attention.key(sources).mT / 12**0.5, dim=-1)
    expected = attention.output(weights @ attention.value(sources))
    torch.testing.assert_close(attention(queries, sources), expected, atol=1e-5, rtol=1e-5)


def test_heads_that_do_not_divide_the_width_are_refused() -> None:
    with pytest.raises(ValueError, match="5 heads do not divide a width of 12"):
        Attention(12, 5)
