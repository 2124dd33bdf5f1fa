"""Laws of the word list."""

import pytest

from openmov.shapesav.captions import BEGIN, END, MAX_TOKENS, UNKNOWN, build_tokenizer
from openmov.shapesav.vocabulary import COLOURS, SOUNDS, class_names, phrase
from openmov.text.prompts import fill, load_prompts


def test_end_has_the_largest_id_and_is_not_unknown() -> None:
    tokenizer = build_tokenizer()
    ids = tokenizer.get_vocab()
    assert ids[END] == max(ids.values()) == len(ids) - 1
    assert ids[END] != ids[UNKNOWN]


def test_a_sentence_is_framed_and_lower_cased() -> None:
    assert build_tokenizer().encode("A photo of a Star.").tokens == [BEGIN, "a", "photo", "of", "a", "star", ".", END]


@pytest.mark.parametrize("word", ["archery", "stars", "kick,", "<eos>x"])
def test_words_it_was_not_taught_are_unknown(word: str) -> None:
    assert UNKNOWN in build_tokenizer().encode(f"a photo of {word}").tokens


@pytest.mark.parametrize("prompts", ["kinetics700", "ucf101"])
def test_every_template_of_every_class_is_known_and_fits(prompts: str) -> None:
    tokenizer = build_tokenizer()
    names = [*class_names("both"), *(phrase("star", "growing", SOUNDS[0], colour) for colour in COLOURS)]
    sentences = [sentence for name in names for sentence in fill(load_prompts(prompts), name)]
    encoded = tokenizer.encode_batch(sentences)
    assert not any(UNKNOWN in item.tokens for item in encoded)
    assert max(len(item.ids) for item in encoded) <= MAX_TOKENS
