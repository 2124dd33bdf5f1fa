"""One tiny CLIP for all tests here, and the parts that a method is built from."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from openmov.config.schema import Recipe
from openmov.model import NetworkParts
from openmov.model.backbones.clip import CLIPBackbone
from openmov.model.class_embeddings import embed_classes
from openmov.text.prompts import load_prompts
from openmov.text.vocabulary import Vocabulary
from openmov.types import ClassEmbeddings
from tiny_backbones import make_tiny_clip_folder

MakeParts = Callable[..., NetworkParts]
NAMES = ("star moving left", "heart moving up", "ring shaking")


@pytest.fixture(scope="session")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> CLIPBackbone:
    folder = make_tiny_clip_folder(tmp_path_factory.mktemp("backbone") / "clip", max_positions=24)
    return CLIPBackbone.load(str(folder))


@pytest.fixture(scope="session")
def prompts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Templates whose words the tiny CLIP knows."""
    path = tmp_path_factory.mktemp("prompts") / "prompts.txt"
    path.write_text("a photo of a {}\na video of {}\nthe {}\n")
    return path


@pytest.fixture
def vocabulary(prompts: Path) -> Vocabulary:
    return Vocabulary(NAMES, (), str(prompts))


@pytest.fixture
def parts(backbone: CLIPBackbone) -> MakeParts:
    """Of a method, with changes to `baselines`; two frames a clip."""

    def make(method: str, modality: str = "video", **baselines: Any) -> NetworkParts:
        fields = {
            "model": {"method": method, "modalities": [modality]},
            "video": {"num_frames": 2, "crop_size": 32, "short_side": 32},
            "baselines": baselines,
        }
        return NetworkParts(
            backbone, Recipe.model_validate(fields), lambda names: frozen_classes(backbone, names), NAMES
        )

    return make


def frozen_classes(backbone: CLIPBackbone, vocabulary: Vocabulary) -> ClassEmbeddings:
    return embed_classes(backbone, vocabulary.names, load_prompts(vocabulary.prompts))
