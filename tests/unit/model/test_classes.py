from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from openmov.errors import BackboneError
from openmov.model.backbones.clip import CLIPBackbone
from openmov.model.classes import embed_classes
from tiny_backbones import make_tiny_clip_folder

NAMES = ("star moving left", "moon")
TEMPLATES = ("a photo of a {}", "the {} making noise", "{}")


class Shelf:
    """A cache in memory that keeps count."""

    def __init__(self) -> None:
        self.arrays: dict[str, np.ndarray] = {}

    def load(self, key: str) -> np.ndarray | None:
        return self.arrays.get(key)

    def store(self, key: str, array: np.ndarray) -> None:
        self.arrays[key] = array


def test_a_class_is_the_normalised_mean_of_normalised_sentences(backbone: CLIPBackbone) -> None:
    found = embed_classes(backbone, NAMES, TEMPLATES)
    assert found.names == NAMES
    for i, name in enumerate(NAMES):
        sentences = [template.replace("{}", name) for template in TEMPLATES]
        vectors = [F.normalize(backbone.embed_text([sentence])[0], dim=0) for sentence in sentences]
        expected = F.normalize(sum(vectors) / 3, dim=0)
        torch.testing.assert_close(found.vectors[i], expected, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(found.vectors.norm(dim=1), torch.ones(2))


def test_no_name_gives_no_row(backbone: CLIPBackbone) -> None:
    assert embed_classes(backbone, (), TEMPLATES).vectors.shape == (0, 32)


def test_a_second_time_the_cache_answers(clip_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shelf, backbone = Shelf(), CLIPBackbone.load(str(clip_folder))
    first = embed_classes(backbone, NAMES, TEMPLATES, shelf)
    monkeypatch.setattr(backbone, "embed_text", lambda sentences: pytest.fail("asked again"))
    second = embed_classes(backbone, NAMES, TEMPLATES, shelf)
    assert torch.equal(first.vectors, second.vectors)
    assert len(shelf.arrays) == 1


@pytest.mark.parametrize(
    ("names", "templates"), [(NAMES[::-1], TEMPLATES), (NAMES, TEMPLATES[::-1]), (NAMES[:1], TEMPLATES)]
)
def test_other_names_or_templates_are_other_entries(
    backbone: CLIPBackbone, names: tuple[str, ...], templates: tuple[str, ...]
) -> None:
    shelf = Shelf()
    embed_classes(backbone, NAMES, TEMPLATES, shelf)
    embed_classes(backbone, names, templates, shelf)
    assert len(shelf.arrays) == 2


def test_another_backbone_is_another_entry(backbone: CLIPBackbone, tmp_path: Path) -> None:
    shelf, other = Shelf(), CLIPBackbone.load(str(make_tiny_clip_folder(tmp_path, seed=1)))
    first = embed_classes(backbone, NAMES, TEMPLATES, shelf)
    second = embed_classes(other, NAMES, TEMPLATES, shelf)
    assert len(shelf.arrays) == 2
    assert not torch.allclose(first.vectors, second.vectors, atol=1e-2)


def test_an_entry_of_another_shape_is_made_again(backbone: CLIPBackbone) -> None:
    shelf = Shelf()
    embed_classes(backbone, NAMES, TEMPLATES, shelf)
    (key,) = shelf.arrays
    shelf.arrays[key] = np.zeros((2, 5), np.float32)
    assert embed_classes(backbone, NAMES, TEMPLATES, shelf).vectors.shape == (2, 32)
    assert shelf.arrays[key].shape == (2, 32)


@pytest.mark.parametrize("templates", [(), ("a photo",), ("a {}", "photo")])
def test_templates_need_a_place_for_the_name(backbone: CLIPBackbone, templates: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="needs a place"):
        embed_classes(backbone, NAMES, templates)


def test_unknown_words_in_a_name_are_reported(backbone: CLIPBackbone) -> None:
    with pytest.raises(BackboneError, match="'zebra'"):
        embed_classes(backbone, ("star", "zebra"), TEMPLATES)
