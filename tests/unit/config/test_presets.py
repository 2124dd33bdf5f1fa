import pytest

from openmov.config.choices import PRESETS, preset_of, preset_overrides
from openmov.config.load import change_recipe, load_recipe
from openmov.errors import RecipeError


@pytest.mark.parametrize("name", PRESETS)
def test_a_recipe_changed_to_a_preset_is_known_by_its_name(name: str) -> None:
    assert preset_of(change_recipe(load_recipe("kinetics700"), preset_overrides(name))) == name


def test_the_paper_looks_as_the_paper_does() -> None:
    assert preset_of(load_recipe("kinetics700")) == "paper"


def test_a_way_of_ones_own_has_no_name() -> None:
    assert preset_of(load_recipe("shapesav-motion")) is None  # 1x1


def test_an_unknown_preset_is_refused() -> None:
    with pytest.raises(RecipeError, match="--preset: 'quick' is not known; write paper, standard, fast"):
        preset_overrides("quick")
