from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from openmov.errors import BackboneError
from openmov.model.backbones.clip import CLIPBackbone
from openmov.model.class_embeddings import embed_classes, text_identity
from tiny_backbones import make_tiny_clip_folder

NAMES = ("star moving left", "moon")
TEMPLATES = ("a photo of a {}", "the {} making noise", "{}")


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


def test_another_backbone_or_other_templates_are_another_identity(backbone: CLIPBackbone, tmp_path: Path) -> None:
    other = CLIPBackbone.load(str(make_tiny_clip_folder(tmp_path, seed=1)))
    same = CLIPBackbone.load(backbone.name)
    asked = ((backbone, TEMPLATES), (backbone, TEMPLATES[::-1]), (other, TEMPLATES))
    found = {text_identity(*one) for one in asked}
    assert len(found) == 3
    assert text_identity(same, TEMPLATES) in found


@pytest.mark.parametrize("templates", [(), ("a photo",), ("a {}", "photo")])
def test_templates_need_a_place_for_the_name(backbone: CLIPBackbone, templates: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="needs a place"):
        embed_classes(backbone, NAMES, templates)


def test_unknown_words_in_a_name_are_reported(backbone: CLIPBackbone) -> None:
    with pytest.raises(BackboneError, match="'zebra'"):
        embed_classes(backbone, ("star", "zebra"), TEMPLATES)
