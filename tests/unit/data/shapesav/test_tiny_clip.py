"""Laws of the pretraining: the loss's known answers, the network's size, reproducible pairs."""

import math

import numpy as np
import pytest
import torch

from openmov.shapesav.captions import END, Measured, Settings, build_tokenizer, model_card
from openmov.shapesav.tiny_clip import build_model, contrastive_loss, embed_pictures, embed_sentences, render_batch


def test_the_network_is_as_small_as_promised_and_reads_at_eos() -> None:
    tokenizer = build_tokenizer()
    model = build_model(tokenizer)
    assert 1.3e6 < model.num_parameters() < 1.7e6
    assert model.config.text_config.eos_token_id == tokenizer.token_to_id(END) != 2
    assert embed_pictures(model, np.zeros((2, 64, 64, 3), np.uint8)).shape == (2, 128)


def test_padding_does_not_change_a_sentence() -> None:
    torch.manual_seed(0)
    tokenizer = build_tokenizer()
    model = build_model(tokenizer).eval()
    alone = embed_sentences(model, tokenizer, ["a star"])
    padded = embed_sentences(model, tokenizer, ["a star", "a photo of a person using a star growing."])[:1]
    torch.testing.assert_close(alone, padded, atol=1e-5, rtol=1e-5)


def test_loss_of_orthogonal_pairs_is_known() -> None:
    """Rows (s, 0) and (0, s): cross-entropy log(1 + exp(-s)) either way."""
    loss = contrastive_loss(torch.eye(2), 3 * torch.eye(2), torch.tensor(2.0), torch.tensor([0, 1]))
    assert loss.item() == pytest.approx(math.log(1 + math.exp(-2)), abs=1e-6)


def test_pairs_of_equal_content_match_one_another() -> None:
    """Two pairs with one embedding: telling them apart costs log 2; equal content makes that the best there is."""
    image = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    scale = torch.tensor(50.0)
    same = contrastive_loss(image, image, scale, torch.tensor([0, 0, 1])).item()
    assert same == pytest.approx(2 / 3 * math.log(2), abs=1e-4)
    swapped = contrastive_loss(image, image[[1, 0, 2]], scale, torch.tensor([0, 0, 1])).item()
    assert swapped == pytest.approx(same, abs=1e-6)
    wrong = contrastive_loss(image, image, scale, torch.tensor([0, 1, 1])).item()
    assert wrong > 10


def test_a_step_has_the_same_pairs_every_time() -> None:
    one, same, other = render_batch(0, 7, 4), render_batch(0, 7, 4), render_batch(0, 8, 4)
    assert np.array_equal(one[0], same[0])
    assert one[1:] == same[1:]
    assert not np.array_equal(one[0], other[0])


def test_the_card_says_how_it_was_made_and_what_was_measured() -> None:
    measured = Measured(0.98, 0.97, 0.9, 0.95, 0.2, 0.3, 0.02)
    card = model_card(Settings(2400, 7, 2), measured, 1_500_000, 53, 2000, 18.0)
    for said in ("--steps 2400 --seed 7 --threads 2", "98.0%", "1.50 million", "18 minutes", "Apache-2.0"):
        assert said in card
