"""A model folder that is wrong gives one line and exit code 2, whatever is wrong with it, and nothing is written."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from openmov.cli import run
from tiny_backbones import (
    gemma_tokenizer,
    make_tiny_clip_folder,
    make_tiny_metaclip2_folder,
    make_tiny_open_clip_folder,
    make_tiny_siglip_folder,
    word_tokenizer,
)
from tiny_world import TinyWorld

Make = Callable[[Path], Any]


def clip(folder: Path) -> Path:
    return make_tiny_clip_folder(folder, image_size=64, patch_size=16)


def siglip(folder: Path) -> Path:
    return make_tiny_siglip_folder(folder, image_size=64, patch_size=16)


def open_clip(folder: Path) -> Path:
    return make_tiny_open_clip_folder(folder, image_size=64, patch_size=16)


def change(folder: Path, file: str, *path: str, value: object) -> Path:
    """One field of a JSON file becomes `value`; None takes it out."""
    config = whole = json.loads((folder / file).read_text())
    for key in path[:-1]:
        config = config[key]
    config[path[-1]] = value
    if value is None:
        del config[path[-1]]
    (folder / file).write_text(json.dumps(whole))
    return folder


def cut(folder: Path, file: str) -> Path:
    (folder / file).write_bytes((folder / file).read_bytes()[:-200])
    return folder


def pickled(folder: Path) -> Path:
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    return folder


def two_models(folder: Path) -> Path:
    return open_clip(clip(folder))


def sharded(folder: Path) -> Path:
    state = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    save_file(state, folder / "model-00001-of-00002.safetensors", metadata={"format": "pt"})
    parts = dict.fromkeys(state, "model-00001-of-00002.safetensors")
    parts["logit_scale"] = "model-00002-of-00002.safetensors"
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": parts}))
    return folder


def timm_alone(folder: Path) -> Path:
    clip(folder)
    (folder / "config.json").write_text(json.dumps({"architecture": "vit_base_patch32_clip_224", "pretrained_cfg": {}}))
    return folder


def other_words(folder: Path, tokenizer: Any) -> Path:
    (folder / "tokenizer.json").unlink()
    tokenizer.save_pretrained(folder)
    return folder


BAD: dict[str, tuple[Make, str]] = {
    "two models": (two_models, "holds two different models: the longest sentence is 16 in config.json and 32"),
    "a truncated CLIP": (lambda f: cut(clip(f), "model.safetensors"), "model.safetensors is damaged or cut short"),
    "a truncated open_clip": (
        lambda f: cut(open_clip(f), "open_clip_model.safetensors"),
        "open_clip_model.safetensors is damaged or cut short",
    ),
    "a truncated pickle": (lambda f: cut(pickled(clip(f)), "pytorch_model.bin"), "pytorch_model.bin is damaged or"),
    "a missing shard": (lambda f: sharded(clip(f)), "is incomplete: model-00002-of-00002.safetensors is missing"),
    "no model_type": (lambda f: change(clip(f), "config.json", "model_type", value=None), "names no model_type"),
    "timm's config alone": (timm_alone, "holds a timm model, which has no words"),
    "pictures alone": (
        lambda f: change(clip(f), "config.json", "model_type", value="clip_vision_model"),
        "holds half of a model (clip_vision_model), which knows no words",
    ),
    "words alone": (
        lambda f: change(siglip(f), "config.json", "model_type", value="siglip_text_model"),
        "holds half of a model (siglip_text_model), which knows no pictures",
    ),
    "open_clip without words": (
        lambda f: change(open_clip(f), "open_clip_config.json", "model_cfg", "text_cfg", value=None),
        "describes no model of pictures and words",
    ),
    "CLIP of other shapes": (
        lambda f: change(clip(f), "config.json", "vision_config", "hidden_size", value=64),
        "its weights do not fit its config.json",
    ),
    "SigLIP of other shapes": (
        lambda f: change(siglip(f), "config.json", "text_config", "vocab_size", value=99),
        "its weights do not fit its config.json",
    ),
    "open_clip of other shapes": (
        lambda f: change(open_clip(f), "open_clip_config.json", "model_cfg", "vision_cfg", "width", value=64),
        "its weights do not fit its config",
    ),
    "a config with a word for a number": (
        lambda f: change(clip(f), "config.json", "vision_config", "hidden_size", value="wide"),
        "its config.json is not one of its kind",
    ),
    "a config whose heads do not divide its width": (
        lambda f: change(siglip(f), "config.json", "vision_config", "num_attention_heads", value=7),
        "its weights do not fit its config.json",
    ),
    "an open_clip config with a word for a number": (
        lambda f: change(open_clip(f), "open_clip_config.json", "model_cfg", "text_cfg", "width", value="wide"),
        "its open_clip_config.json describes no network",
    ),
    "another CLIP's words": (
        lambda f: other_words(clip(f), word_tokenizer([f"word{i}" for i in range(200)], unknown="<end>")),
        "its tokenizer gives the id 203, and its text tower knows",
    ),
    "another SigLIP's words": (
        lambda f: other_words(siglip(f), gemma_tokenizer()),
        "its tokenizer gives the id 3",
    ),
}


@pytest.mark.parametrize("make", BAD)
def test_one_line_and_exit_code_2(
    tiny_world: TinyWorld, tmp_path: Path, capsys: pytest.CaptureFixture[str], make: str
) -> None:
    (tmp_path / "model").mkdir()
    BAD[make][0](tmp_path / "model")
    capsys.readouterr()
    told = ["predict", str(tiny_world.clip("ring shaking")), "--labels", "moon, star", "--backbone"]
    assert run([*told, str(tmp_path / "model"), "--report", str(tmp_path / "page.html")]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    *before, last = said.err.splitlines()
    assert last.startswith("openmov: ")
    assert BAD[make][1] in last
    assert all(line.startswith("backbone: ") for line in before), before  # said once a model is there
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_the_folders_that_were_damaged_are_good_otherwise(tiny_world: TinyWorld, tmp_path: Path) -> None:
    for make in (clip, siglip, open_clip):
        (tmp_path / make.__name__).mkdir()
        folder = make(tmp_path / make.__name__)
        told = ["predict", str(tiny_world.clip("ring shaking")), "--labels", "moon, star", "--prompts", "none"]
        assert run([*told, "--backbone", str(folder)]) == 0


def test_templates_that_are_not_there_in_the_language_of_the_names(
    tiny_world: TinyWorld, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """MetaCLIP 2 takes names in any language; sentences around them are the user's to give, or none."""
    folder = make_tiny_metaclip2_folder(tmp_path / "model", image_size=64, patch_size=16)
    told = ["predict", str(tiny_world.clip("ring shaking")), "--labels", "ein hund, бег", "--backbone", str(folder)]
    assert run([*told, "--prompts", "kinetics700-de"]) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith("openmov: kinetics700-de: ")
    assert "bundled are" in said.lower()
    (tmp_path / "de.txt").write_text("ein video von {}.\n", encoding="utf-8")
    for prompts in ("none", str(tmp_path / "de.txt")):
        assert run([*told, "--prompts", prompts]) == 0
