import pytest

from openmov.config.choices import OWN, with_protocol
from openmov.config.load import change_recipe, load_recipe
from openmov.config.schema import ModelConfig
from openmov.errors import RecipeError


@pytest.mark.parametrize("recipe", ["kinetics700", "shapesav-motion"])
@pytest.mark.parametrize("method", OWN)
def test_the_authors_values_fit_every_recipe_with_video(recipe: str, method: str) -> None:
    made = load_recipe(recipe, [f"model.method={method}"])
    assert with_protocol(made, "paper") is made
    own = with_protocol(made, "own")
    assert own != made
    assert own == change_recipe(made, OWN[method])


def test_what_is_set_has_the_last_word() -> None:
    own = with_protocol(load_recipe("kinetics700", ["model.method=coop"]), "own", ["training.epochs=2"])
    assert (own.training.epochs, own.training.optimizer, own.training.warmup_rate) == (2, "sgd", 1e-5)


def test_a_smaller_micro_batch_than_the_authors_batch_is_set_anew() -> None:
    overrides = ["model.method=coop", "training.micro_batch_size=128"]
    assert with_protocol(load_recipe("kinetics700", overrides), "own").training.micro_batch_size is None
    own = with_protocol(load_recipe("kinetics700", overrides), "own", ["training.micro_batch_size=16"])
    assert own.training.micro_batch_size == 16


@pytest.mark.parametrize("method", ["mov", "finetune_video"])
def test_a_method_without_authors_of_its_own_is_refused(method: str) -> None:
    recipe = load_recipe("kinetics700", [f"model.method={method}"])
    with pytest.raises(RecipeError, match=f"--protocol own: the method {method} has no values but the recipe's"):
        with_protocol(recipe, "own")


@pytest.mark.parametrize(
    ("method", "modality"),
    [("coop", "video"), ("finetune_flow", "flow"), ("audio_only", "audio"), ("slowfast_audio", "audio")],
)
def test_a_method_takes_its_one_modality_of_those_listed(method: str, modality: str) -> None:
    made = ModelConfig.model_validate({"method": method, "modalities": ["video", "flow", "audio"]})
    assert made.modalities == (modality,)


def test_a_modality_that_is_not_listed_is_not_made_up() -> None:
    with pytest.raises(RecipeError, match=r"model.modalities of the method finetune_audio is \(audio,\)"):
        load_recipe("shapesav-motion", ["model.method=finetune_audio"])
