"""What a folder is answered with that needs open_clip, where open_clip is not there or cannot be imported.

With it, in an environment of its own: tests/openclip.
"""

import json
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from openmov.config.schema import BackboneConfig
from openmov.errors import BackboneError
from openmov.model.backbones import load_backbone

_MODEL = {
    "embed_dim": 1024,
    "vision_cfg": {"image_size": 224, "timm_model_name": "vit_pe_core_base_patch16_224", "timm_pool": "map"},
    "text_cfg": {"context_length": 32, "vocab_size": 49408, "width": 1024, "heads": 16, "layers": 24},
    "custom_text": True,
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """As timm/PE-Core-B-16, with one weight."""
    (tmp_path / "open_clip_config.json").write_text(json.dumps({"model_cfg": _MODEL, "preprocess_cfg": {}}))
    save_file({"logit_scale": torch.tensor(1.0)}, tmp_path / "open_clip_model.safetensors")
    return tmp_path


def line_about(folder: Path) -> str:
    with pytest.raises(BackboneError) as raised:
        load_backbone(BackboneConfig(name=str(folder)))
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_not_installed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "open_clip", None)
    line = line_about(folder)
    assert line.startswith(f"{folder}: is read by open_clip, which is not installed")
    assert line.endswith("; pip install openmov[openclip]")


def test_beside_a_torch_that_its_torchvision_is_not_for(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What `import torchvision` raises beside a CPU wheel of torch, by way of timm."""
    package = folder / "packages" / "open_clip"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text('raise RuntimeError("operator torchvision::nms does not exist")\n')
    monkeypatch.delitem(sys.modules, "open_clip", raising=False)
    monkeypatch.syspath_prepend(str(package.parent))
    line = line_about(folder)
    assert f"cannot be imported beside torch {torch.__version__}: operator torchvision::nms does not exist" in line
    assert line.endswith("install torch and torchvision from one index, of versions that belong together")
