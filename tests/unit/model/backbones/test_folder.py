import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from openmov.config.schema import BackboneConfig
from openmov.errors import BackboneError
from openmov.model.backbones import load_backbone
from openmov.model.backbones.clip import CLIPBackbone
from openmov.model.backbones.folder import BUNDLED, CLIP_MEAN, CLIP_STD, read_preprocessing, resolve_folder

Change = Callable[[Path], object]


@pytest.fixture
def copy(clip_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(clip_folder, tmp_path / "copy"))


def test_a_folder_is_taken_as_it_is(clip_folder: Path) -> None:
    assert resolve_folder(str(clip_folder)) == clip_folder
    assert load_backbone(BackboneConfig(name=str(clip_folder))).dim == 32


@pytest.mark.parametrize("name", ["./nowhere", "/no/such/folder", "a/b/c", ""])
def test_what_is_neither_folder_nor_hub_name_is_refused(name: str) -> None:
    with pytest.raises(BackboneError, match="is no folder; give a folder"):
        resolve_folder(name)


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    file = tmp_path / "weights.bin"
    file.write_bytes(b"0")
    with pytest.raises(BackboneError, match="is no folder"):
        resolve_folder(str(file))


def test_a_hub_that_cannot_be_reached_says_how_to_go_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    start = time.monotonic()
    with pytest.raises(BackboneError, match="cannot be reached; give a local folder \\(--backbone FOLDER"):
        resolve_folder("openai/clip-vit-base-patch16")
    assert time.monotonic() - start < 8


def test_a_bundled_backbone_that_was_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(BUNDLED, "shapesav-tiny", "data/nowhere")
    with pytest.raises(BackboneError, match="missing from this installation"):
        resolve_folder("shapesav-tiny")


def _cut_weights(folder: Path) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-10])


def _garble_weights(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"\xff" * 200)


def _lose_a_tensor(folder: Path) -> None:
    state = load_file(folder / "model.safetensors")
    del state["visual_projection.weight"]
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})


def _widen(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    config["projection_dim"] = 64
    (folder / "config.json").write_text(json.dumps(config))


def _rename_type(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"model_type": "siglip"}))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda folder: (folder / "config.json").unlink(), "holds no config.json"),
        (lambda folder: (folder / "config.json").write_text("{"), "config.json cannot be read"),
        (lambda folder: (folder / "config.json").write_text("[]"), "config.json is no JSON object"),
        (_rename_type, "holds a model of type 'siglip', not CLIP"),
        (lambda folder: (folder / "model.safetensors").unlink(), "holds no model.safetensors"),
        (_cut_weights, "model.safetensors is damaged or cut short"),
        (_garble_weights, "model.safetensors is damaged or cut short"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b""), "damaged or cut short"),
        (_lose_a_tensor, "its weights are incomplete"),
        (_widen, "its weights do not fit its config.json"),
        (lambda folder: (folder / "tokenizer.json").unlink(), "holds no tokenizer"),
        (lambda folder: (folder / "tokenizer.json").write_text("{"), "tokenizer.json cannot be read"),
        (lambda folder: (folder / "preprocessor_config.json").write_text('{"image_mean": [1]}'), "image_mean"),
    ],
)
def test_a_folder_that_is_no_usable_clip_is_refused(copy: Path, change: Change, message: str) -> None:
    CLIPBackbone.load(str(copy))
    change(copy)
    with pytest.raises(BackboneError, match=message):
        CLIPBackbone.load(str(copy))


def test_identity_is_of_the_content_not_of_the_place(copy: Path, clip_folder: Path) -> None:
    assert CLIPBackbone.load(str(copy)).identity == CLIPBackbone.load(str(clip_folder)).identity


def _nudge_a_weight(folder: Path) -> None:
    state = load_file(folder / "model.safetensors")
    state["visual_projection.weight"][0, 0] += 1e-3
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})


def _another_mean(folder: Path) -> None:
    (folder / "preprocessor_config.json").write_text('{"image_mean": [0.1, 0.2, 0.3]}')


def _another_word(folder: Path) -> None:
    tokenizer = folder / "tokenizer.json"
    tokenizer.write_text(tokenizer.read_text().replace('"moon"', '"mars"'))


@pytest.mark.parametrize("change", [_nudge_a_weight, _another_mean, _another_word])
def test_identity_changes_with_whatever_changes_an_embedding(copy: Path, change: Change) -> None:
    before = CLIPBackbone.load(str(copy)).identity
    change(copy)
    assert CLIPBackbone.load(str(copy)).identity != before


@pytest.mark.parametrize(
    ("file", "content", "mean", "std"),
    [
        ("preprocessor_config.json", {"image_mean": [0, 1, 2], "image_std": [3, 4, 5]}, (0, 1, 2), (3, 4, 5)),
        ("processor_config.json", {"image_processor": {"image_mean": [0, 1, 2]}}, (0, 1, 2), CLIP_STD),
        ("preprocessor_config.json", {"do_normalize": False}, (0, 0, 0), (1, 1, 1)),
        ("other.json", {}, CLIP_MEAN, CLIP_STD),
    ],
)
def test_preprocessing_is_read_from_either_file(
    tmp_path: Path, file: str, content: dict[str, object], mean: tuple[float, ...], std: tuple[float, ...]
) -> None:
    (tmp_path / file).write_text(json.dumps(content))
    found = read_preprocessing("clip", tmp_path)
    assert found.mean == mean
    assert found.std == std
