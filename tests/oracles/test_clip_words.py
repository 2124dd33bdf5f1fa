"""CLIP's real tokenizer: ids equal to those of its published algorithm, for every name and template we ship."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer

from clip_words import SimpleTokenizer, published_merges
from openmov.errors import BackboneError
from openmov.model.backbones.clip_tokenizer import load_clip_tokenizer, openai_merges, openai_vocabulary
from openmov.model.backbones.open_clip import OpenCLIPBackbone
from openmov.text.label_sets import LABEL_SETS, load_label_set
from openmov.text.prompts import bundled_prompts, fill, load_prompts
from tiny_backbones import make_tiny_open_clip_folder

HARD = (
    "crème brûlée", "smørrebrød", "jalapeño", "Zürich", "ÅNGSTRÖM", "naïve café", "cre\u0301me", "дом", "猫", "犬と猫",
    "dancing 💃", "👩‍👩‍👧‍👦 family", "🏳️‍🌈", "☕️ break", "don't we'll I'm they've he'd", "O'Brien's", "rock'n'roll",
    "3.14159 & 2nd", "C++/C#", "a  b\t c\n d", "", "!!!", "100%", "x" * 60, "İstanbul", "ﬁre",
    "½ cup", "e=mc²", "¿qué?",
)  # fmt: skip


@pytest.fixture(scope="module")
def theirs() -> SimpleTokenizer:
    return SimpleTokenizer(published_merges())


def huggingface_folder(path: Path, theirs: SimpleTokenizer) -> Path:
    """A CLIP's tokenizer files as OpenAI's repositories hold them, made of the published vocabulary."""
    names = {"<start_of_text>": "<|startoftext|>", "<end_of_text>": "<|endoftext|>"}
    vocabulary = {names.get(token, token): number for token, number in theirs.ids.items()}
    (path / "vocab.json").write_text(json.dumps(vocabulary))
    (path / "merges.txt").write_text("#version: 0.2\n" + "\n".join(published_merges()) + "\n")
    (path / "config.json").write_text('{"model_type": "clip"}')
    return path


@pytest.fixture(scope="module", params=["shipped", "vocab.json and merges.txt", "transformers"])
def ours(request: pytest.FixtureRequest, theirs: SimpleTokenizer, tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("words")
    if request.param == "shipped":
        return load_clip_tokenizer("it", folder)
    if request.param == "transformers":  # what a CLIP in transformers' format is read with
        return AutoTokenizer.from_pretrained(huggingface_folder(folder, theirs))
    return load_clip_tokenizer("it", huggingface_folder(folder, theirs))


def sentences() -> Iterator[str]:
    names = [name for vocabulary in LABEL_SETS for name in load_label_set(vocabulary).readable]
    yield from names
    yield from HARD
    sets = [load_prompts(prompts) for prompts in bundled_prompts()]
    assert {28, 48, 16} <= {len(templates) for templates in sets}
    for templates in sets:
        for place, name in enumerate(names[:: len(names) // 60]):
            yield from fill(templates if place < 3 else templates[place % len(templates) :][:1], name)


def test_every_name_in_its_templates(ours: Any, theirs: SimpleTokenizer) -> None:
    wanted = list(dict.fromkeys(sentences()))
    assert len(wanted) > 1500
    for sentence, found in zip(wanted, ours(wanted).input_ids, strict=True):
        assert found == theirs(sentence), sentence


def test_the_merges_that_ship_are_the_published_ones(theirs: SimpleTokenizer) -> None:
    assert [" ".join(pair) for pair in openai_merges()] == published_merges()
    assert len(openai_vocabulary()) == 49408
    assert list(openai_vocabulary().values()) == list(theirs.ids.values())


def test_as_long_as_the_text_tower_and_no_longer(tmp_path: Path, theirs: SimpleTokenizer) -> None:
    backbone = OpenCLIPBackbone.load(str(make_tiny_open_clip_folder(tmp_path, words="openai", context_length=77)))
    full, longer = " ".join(["cat"] * 75), " ".join(["cat"] * 76)
    assert len(theirs(full)) == 77
    assert backbone.embed_text([full]).shape == (1, 32)
    with pytest.raises(BackboneError, match="is 78 tokens long, 77 at most fit; shorten the class name"):
        backbone.embed_text([longer])


def test_broken_text_is_taken_as_it_stands(theirs: SimpleTokenizer, tmp_path: Path) -> None:
    """The published tokenizer repairs HTML entities; transformers and this project do not."""
    ours = load_clip_tokenizer("it", tmp_path)
    assert theirs("salt &amp; pepper") == theirs("salt & pepper")
    assert ours("salt &amp; pepper").input_ids != theirs("salt & pepper")
    assert ours("salt & pepper").input_ids == theirs("salt & pepper")


def test_files_that_do_not_belong_together(tmp_path: Path) -> None:
    (tmp_path / "vocab.json").write_text('{"<|startoftext|>": 0, "<|endoftext|>": 1, "a</w>": 2}')
    (tmp_path / "merges.txt").write_text("#version: 0.2\nb c\n")
    with pytest.raises(BackboneError, match="its tokenizer cannot be loaded; fetch the model again"):
        load_clip_tokenizer("it", tmp_path)
