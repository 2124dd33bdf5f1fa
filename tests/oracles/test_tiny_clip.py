"""The shipped tiny CLIP, loaded and asked by transformers' own code alone."""

import functools
import json
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoTokenizer, CLIPModel

import openmov.shapesav
from openmov.shapesav.captions import Marks, marked_still, random_scene
from openmov.shapesav.vocabulary import MOTIONS, SHAPES, SOUNDS, phrase

FOLDER = Path(openmov.shapesav.__file__).parent / "weights"
WIDER = FOLDER.with_name("weights_wide")
PLAIN = Marks(None, None)


@functools.cache
def loaded(folder: Path = FOLDER) -> tuple[CLIPModel, object]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return CLIPModel.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)


def nearest(stills: list[np.ndarray], names: list[str], folder: Path = FOLDER) -> list[str]:
    """The name whose sentence `a photo of NAME.` CLIP finds nearest, for each still."""
    model, tokenizer = loaded(folder)
    processor = json.loads((FOLDER / "preprocessor_config.json").read_text())
    mean, std = (torch.tensor(processor[key]).view(3, 1, 1) for key in ("image_mean", "image_std"))
    pixels = torch.from_numpy(np.stack(stills)).permute(0, 3, 1, 2).float() / 255
    sentences = tokenizer([f"a photo of {name}." for name in names], padding=True, return_tensors="pt")
    with torch.inference_mode():
        scores = model(pixel_values=(pixels - mean) / std, **sentences).logits_per_image
    return [names[i] for i in scores.argmax(dim=1).tolist()]


def stills(count: int, marks: Marks, shape: str | None = None) -> tuple[list[np.ndarray], list[str]]:
    rng = np.random.default_rng(2026)
    scenes = [random_scene(rng, shape) for _ in range(count)]
    return [marked_still(scene, marks, rng) for scene in scenes], [phrase(scene.shape) for scene in scenes]


def share(guesses: list[str], truths: list[str]) -> float:
    return float(np.mean([guess == truth for guess, truth in zip(guesses, truths, strict=True)]))


EITHER = pytest.mark.parametrize("folder", [FOLDER, WIDER], ids=["usual", "wider"])


@EITHER
def test_it_names_the_shape_and_shuffled_labels_give_chance(folder: Path) -> None:
    pictures, truths = stills(600, PLAIN)
    guesses = nearest(pictures, [phrase(shape) for shape in SHAPES], folder)
    assert share(guesses, truths) >= 0.95
    shuffled = list(np.random.default_rng(0).permutation(truths))
    assert share(guesses, shuffled) < 0.25


@EITHER
@pytest.mark.parametrize(("words", "least"), [(MOTIONS, 0.5), (SOUNDS, 0.8)], ids=["motion", "sound"])
def test_it_reads_marks_and_guesses_without(words: tuple[str, ...], least: float, folder: Path) -> None:
    """What is drawn it names (motions less surely: 64 % on its card); in a video frame it can only guess."""
    read, guessed = [], []
    for shape in SHAPES[:4]:
        names = [phrase(shape, word) if words is MOTIONS else phrase(shape, None, word) for word in words]
        for word, name in zip(words, names, strict=True):
            marks = Marks(word, None) if words is MOTIONS else Marks(None, word)
            read += [guess == name for guess in nearest(stills(8, marks, shape)[0], names, folder)]
            guessed += [guess == name for guess in nearest(stills(8, PLAIN, shape)[0], names, folder)]
    assert np.mean(read) > least  # of 8: chance is 0.125
    assert np.mean(guessed) < 0.25


def test_it_is_small_complete_and_holds_no_pickle() -> None:
    names = {path.name for path in FOLDER.iterdir()}
    assert names == {
        "README.md",
        "config.json",
        "model.safetensors",
        "preprocessor_config.json",
        "tokenizer.json",
        "tokenizer_config.json",
    }
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 6e6


def test_the_wider_one_is_as_complete() -> None:
    """Table 3's second backbone."""
    assert {path.name for path in WIDER.iterdir()} == {path.name for path in FOLDER.iterdir()}
    assert sum(path.stat().st_size for path in WIDER.iterdir()) < 1e7
    assert loaded(WIDER)[0].config.projection_dim == 192 > loaded()[0].config.projection_dim


def test_it_loads_in_single_precision_and_reads_sentences_at_eos() -> None:
    model, tokenizer = loaded()
    assert model.dtype == torch.float32
    assert tokenizer.eos_token_id == model.config.text_config.eos_token_id == len(tokenizer) - 1
    assert tokenizer("a photo of archery.").input_ids.count(tokenizer.unk_token_id) == 1
