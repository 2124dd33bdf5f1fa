"""One tiny CLIP for all tests here, and models whose branches no longer start at zero."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from openmov.model.backbones.clip import CLIPBackbone
from tiny_backbones import make_tiny_clip_folder


@pytest.fixture(scope="session")
def clip_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Read only: tests that change a folder copy it."""
    return make_tiny_clip_folder(tmp_path_factory.mktemp("backbone") / "clip")


@pytest.fixture(scope="session")
def backbone(clip_folder: Path) -> CLIPBackbone:
    return CLIPBackbone.load(str(clip_folder))


@pytest.fixture
def wake() -> Callable[[nn.Module], None]:
    """Fills what starts at zero and trains with numbers, as after some training."""

    def fill(model: nn.Module) -> None:
        torch.manual_seed(7)
        for weight in model.parameters():
            if weight.requires_grad and not weight.any():
                nn.init.normal_(weight, std=0.3)

    return fill
