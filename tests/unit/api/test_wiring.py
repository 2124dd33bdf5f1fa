"""The parts of a recipe, and where randomness comes from."""

from pathlib import Path

import pytest
import torch
from torch import nn

from openmov.build import Components, build_components, parameter_count, seeded
from openmov.config.load import load_recipe
from openmov.errors import BackboneError
from openmov.runtime.cache_folder import default_cache_folder
from openmov.text.vocabulary import Vocabulary
from openmov.types import Modality
from tiny_world import TinyWorld


@pytest.fixture(scope="module")
def components(tiny_world: TinyWorld) -> Components:
    return build_components(load_recipe(tiny_world.recipe), None)


class TestCacheFolder:
    def test_is_in_the_home_unless_the_environment_says_otherwise(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setattr(Path, "home", lambda: tmp_path)
        monkeypatch.delenv("OPENMOV_CACHE", raising=False)
        assert default_cache_folder() == tmp_path / ".cache" / "openmov"
        monkeypatch.setenv("OPENMOV_CACHE", "/elsewhere")
        assert default_cache_folder() == Path("/elsewhere")
        monkeypatch.setenv("OPENMOV_CACHE", "")
        assert default_cache_folder() == tmp_path / ".cache" / "openmov"


class TestSeeded:
    def test_draws_follow_from_the_seed_and_leave_the_generator_as_it_was(self) -> None:
        torch.manual_seed(5)
        expected = torch.rand(3)
        torch.manual_seed(5)
        with seeded(1):
            first = torch.rand(3)
        assert torch.equal(torch.rand(3), expected)
        with seeded(1):
            assert torch.equal(torch.rand(3), first)
        with seeded(2):
            assert not torch.equal(torch.rand(3), first)

    def test_new_weights_follow_from_the_recipes_seed(self, tiny_world: TinyWorld, components: Components) -> None:
        other = build_components(load_recipe(tiny_world.recipe, ["training.seed=1"]), None)
        first, again, different = (one.network().trained_state() for one in (components, components, other))
        assert all(torch.equal(first[name], again[name]) for name in first)
        assert any(not torch.equal(first[name], different[name]) for name in first)


class TestWiring:
    def test_knows_what_the_network_looks_at(self, components: Components) -> None:
        assert components.modalities == frozenset(Modality)

    def test_takes_the_backbones_temperature_unless_the_recipe_has_one(
        self, tiny_world: TinyWorld, components: Components
    ) -> None:
        assert components.tau == pytest.approx(0.05)
        assert build_components(load_recipe(tiny_world.recipe, ["training.temperature=0.2"]), None).tau == 0.2

    def test_stores_frozen_embeddings_where_there_is_a_cache(
        self, tiny_world: TinyWorld, components: Components, tmp_path: Path
    ) -> None:
        with_cache = build_components(components.recipe, tmp_path)
        assert with_cache.dataset().embed_frames is with_cache.frozen_embedder
        assert with_cache.dataset(frozenset({Modality.FLOW})).embed_frames is None
        assert components.dataset().embed_frames is None
        assert "video" in components.network().encoders
        assert "video" not in with_cache.network().encoders

    def test_embeds_a_vocabulary_once(self, components: Components) -> None:
        embed, vocabulary = components.class_embedder(), Vocabulary(("star",), (), "none")
        assert embed(vocabulary) is embed(vocabulary)
        assert embed(vocabulary).names == ("star",)

    def test_a_backbone_that_is_not_there_is_refused(self, tiny_world: TinyWorld) -> None:
        with pytest.raises(BackboneError):
            build_components(load_recipe(tiny_world.recipe, ["backbone.name=nobody/nothing"]), None)


def test_parameters_are_counted_whole_and_training() -> None:
    network = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 4).requires_grad_(False))
    assert parameter_count(network) == (2 * 3 + 3 + 3 * 4 + 4, 2 * 3 + 3)
