import time
from pathlib import Path

import pytest

from openmov.config.schema import BackboneConfig
from openmov.errors import BackboneError
from openmov.model.backbones import load_backbone
from openmov.model.backbones.folder import BUNDLED, resolve_folder


def test_a_folder_is_taken_as_it_is(clip_folder: Path) -> None:
    assert resolve_folder(str(clip_folder)) == clip_folder
    assert load_backbone(BackboneConfig(name=str(clip_folder))).dim == 32


@pytest.mark.parametrize("name", ["./nowhere", "/no/such/folder", "a/b/c", ""])
def test_what_is_neither_folder_nor_hub_name_is_refused(name: str) -> None:
    with pytest.raises(BackboneError, match="is not a folder; give a folder"):
        resolve_folder(name)


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    file = tmp_path / "weights.bin"
    file.write_bytes(b"0")
    with pytest.raises(BackboneError, match="is not a folder"):
        resolve_folder(str(file))


def test_a_hub_that_cannot_be_reached_says_how_to_go_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    start = time.monotonic()
    with pytest.raises(BackboneError, match="HF_HUB_OFFLINE forbids to ask the hub; give a local folder"):
        resolve_folder("openai/clip-vit-base-patch16")
    assert time.monotonic() - start < 8


def test_a_bundled_backbone_that_was_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(BUNDLED, "shapesav-tiny", "data/nowhere")
    with pytest.raises(BackboneError, match="missing from this installation"):
        resolve_folder("shapesav-tiny")
