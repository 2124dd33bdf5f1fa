from pathlib import Path

import pytest
import torch

from openmov.errors import BackboneError
from openmov.model.backbones.clip import CLIPBackbone
from tiny_backbones import WORDS, make_tiny_clip_folder


def test_it_says_what_it_is(backbone: CLIPBackbone, clip_folder: Path) -> None:
    assert backbone.name == str(clip_folder)
    assert (backbone.dim, backbone.image_size, backbone.patch_size, backbone.num_heads) == (32, 32, 8, 2)
    assert (backbone.mean, backbone.std) == ((0.5, 0.4, 0.3), (0.2, 0.25, 0.3))
    assert backbone.temperature == pytest.approx(0.05)


@pytest.mark.parametrize(("dim", "text_heads", "expected"), [(64, 8, 8), (96, 12, 12), (40, 12, 4)])
def test_heads_of_new_layers_are_the_text_towers_as_far_as_they_divide(
    tmp_path: Path, dim: int, text_heads: int, expected: int
) -> None:
    folder = make_tiny_clip_folder(
        tmp_path, projection_dim=dim, text_width=96 if dim != 64 else 64, text_heads=text_heads, layers=1, text_layers=1
    )
    assert CLIPBackbone.load(str(folder)).num_heads == expected


def test_a_sentence_is_embedded_alike_alone_and_among_longer_ones(backbone: CLIPBackbone) -> None:
    sentences = ["a star", "a photo of the person doing something", "moon"]
    together = backbone.embed_text(sentences)
    alone = torch.cat([backbone.embed_text([sentence]) for sentence in sentences])
    assert together.shape == (3, 32)
    torch.testing.assert_close(together, alone, atol=1e-6, rtol=1e-5)
    assert not torch.allclose(together[0], together[2], atol=1e-2)


def test_many_sentences_go_through_in_batches(backbone: CLIPBackbone) -> None:
    sentences = [f"a {word}" for word in WORDS] * 9
    embedded = backbone.embed_text(sentences)
    assert len(sentences) > 256
    torch.testing.assert_close(embedded[: len(WORDS)], embedded[-len(WORDS) :], atol=1e-6, rtol=1e-5)


def test_no_sentence_gives_no_row(backbone: CLIPBackbone) -> None:
    assert backbone.embed_text([]).shape == (0, 32)


def test_text_carries_no_gradient(backbone: CLIPBackbone) -> None:
    embedded = backbone.embed_text(["a star"])
    assert not embedded.requires_grad
    assert not embedded.is_inference()  # a loss may use it beside trained weights


def test_unknown_words_are_named(backbone: CLIPBackbone) -> None:
    with pytest.raises(BackboneError, match="does not know the words 'yak', 'zebra'"):
        backbone.embed_text(["a star", "a Zebra star".lower(), "the yak"])


def test_a_tokenizer_that_knows_every_word_refuses_none(tmp_path: Path) -> None:
    folder = make_tiny_clip_folder(tmp_path, open_vocabulary=True)
    assert CLIPBackbone.load(str(folder)).embed_text(["a zebra"]).shape == (1, 32)


def test_a_sentence_that_does_not_fit_is_refused(backbone: CLIPBackbone) -> None:
    assert backbone.embed_text(["star " * 14]).shape == (1, 32)
    with pytest.raises(BackboneError, match="is 17 tokens long, 16 at most fit"):
        backbone.embed_text(["a star", "star " * 15])


def test_the_highest_id_convention_is_accepted_where_it_points_at_the_end(tmp_path: Path) -> None:
    """Released CLIPs carry eos_token_id 2, which makes the text tower read the highest id: here that is the end."""
    read_by_id = CLIPBackbone.load(str(make_tiny_clip_folder(tmp_path / "a")))
    read_by_height = CLIPBackbone.load(str(make_tiny_clip_folder(tmp_path / "b", pooled_id=2)))
    sentences = ["a photo of a star", "moon"]
    torch.testing.assert_close(read_by_height.embed_text(sentences), read_by_id.embed_text(sentences))


def test_a_text_tower_that_reads_another_token_than_the_end_is_refused(tmp_path: Path) -> None:
    backbone = CLIPBackbone.load(str(make_tiny_clip_folder(tmp_path, pooled_id=5)))
    with pytest.raises(BackboneError, match="ends sentences with another token"):
        backbone.embed_text(["a star"])


def test_half_precision_weights_are_used_in_single_precision(tmp_path: Path) -> None:
    backbone = CLIPBackbone.load(str(make_tiny_clip_folder(tmp_path, half=True)))
    encoder = backbone.image_encoder()
    assert {weight.dtype for weight in encoder.parameters()} == {torch.float32}
    assert backbone.embed_text(["a star"]).dtype == torch.float32


def test_every_image_encoder_is_a_fresh_trainable_copy(backbone: CLIPBackbone) -> None:
    first, images = backbone.image_encoder(), torch.randn(2, 3, 32, 32)
    before = backbone.image_encoder()(images)
    assert all(weight.requires_grad for weight in first.parameters())
    assert not first.training
    with torch.no_grad():
        for weight in first.parameters():
            weight.zero_()
    assert torch.equal(backbone.image_encoder()(images), before)
