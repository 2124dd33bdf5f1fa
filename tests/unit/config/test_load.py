"""A recipe is read whole or refused whole, every fault at once."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openmov.config.load import bundled_recipes, change_recipe, load_recipe, recipe_to_yaml
from openmov.config.schema import Recipe
from openmov.errors import RecipeError


@pytest.fixture
def recipe_file(tmp_path: Path) -> Path:
    path = tmp_path / "mine.yaml"
    path.write_text("video: {num_frames: 8}\n")
    return path


def refusal(name_or_path: str | Path, *overrides: str) -> str:
    with pytest.raises(RecipeError) as caught:
        load_recipe(name_or_path, overrides)
    line = str(caught.value)
    assert "\n" not in line
    return line


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "recipe.yaml"
    path.write_text(text, encoding="utf-8")
    return path


class TestBundled:
    def test_there_are_five(self) -> None:
        assert bundled_recipes() == ("kinetics700", "shapesav-both", "shapesav-motion", "shapesav-sound", "vggsound")

    @pytest.mark.parametrize("name", bundled_recipes())
    def test_each_is_whole_and_bears_its_name(self, name: str) -> None:
        assert load_recipe(name).name == name

    def test_kinetics700_is_the_schema_defaults(self) -> None:
        assert load_recipe("kinetics700") == Recipe()

    def test_vggsound_hears_for_twenty_epochs(self) -> None:
        recipe = load_recipe("vggsound")
        assert (recipe.model.modalities, recipe.training.epochs) == (("video", "audio"), 20)

    @pytest.mark.parametrize("task", ["motion", "both"])
    def test_no_flip_where_names_say_left_or_right(self, task: str) -> None:
        assert load_recipe(f"shapesav-{task}").video.flip_probability == 0
        assert load_recipe("shapesav-sound").video.flip_probability == 0.5

    @pytest.mark.parametrize("name", [name for name in bundled_recipes() if name.startswith("shapesav")])
    def test_shapesav_shares_one_view_of_the_world(self, name: str) -> None:
        recipe = load_recipe(name)
        assert (recipe.backbone.name, recipe.video.num_frames, recipe.video.crop_size) == ("shapesav-tiny", 8, 64)
        assert recipe.training.learning_rate == pytest.approx(3e-4)
        two_seconds = recipe.audio.total_columns if "audio" in recipe.model.modalities else 198
        assert two_seconds == (2 * 16_000 - 400) // 160 + 1


class TestFiles:
    def test_what_a_file_leaves_out_is_default_and_its_name_the_files(self, recipe_file: Path) -> None:
        recipe = load_recipe(recipe_file)
        assert (recipe.name, recipe.video.num_frames, recipe.video.crop_size) == ("mine", 8, 224)

    def test_text_and_path_are_one(self, recipe_file: Path) -> None:
        assert load_recipe(str(recipe_file)) == load_recipe(recipe_file)

    def test_byte_order_mark(self, tmp_path: Path) -> None:
        assert load_recipe(written(tmp_path, "\ufeffname: marked\n")).name == "marked"

    def test_scalars_of_yaml_1_2(self, tmp_path: Path) -> None:
        path = written(tmp_path, "name: no\nbackbone: {revision: 2026-11-01}\ntraining: {learning_rate: 1e-4}\n")
        recipe = load_recipe(path)
        assert (recipe.name, recipe.backbone.revision, recipe.training.learning_rate) == ("no", "2026-11-01", 1e-4)

    @pytest.mark.parametrize(
        ("text", "says"),
        [
            ("", "holds no fields"),
            ("- a\n- b\n", "holds no fields"),
            ("video: {\n", "line 2"),
            ("name: a\nname: b\n", "'name' stands there twice"),
            ("video:\n  num_frames: 8\n  num_frames: 9\n", "line 2: 'num_frames' stands there twice"),
            ("name: !!python/object/apply:os.system [ls]\n", "could not determine a constructor"),
            ("training: {epochs: !!int many}\n", "many"),
            ("[" * 5000, "is not YAML"),
            ("? [a]\n: 1\n", "unhashable"),
            ("a: \x00", "holds zero bytes"),
        ],
    )
    def test_what_is_no_recipe(self, tmp_path: Path, text: str, says: str) -> None:
        assert says in refusal(written(tmp_path, text))

    def test_not_utf8(self, tmp_path: Path) -> None:
        path = tmp_path / "latin.yaml"
        path.write_bytes("name: Zürich\n".encode("latin-1"))
        assert "UTF-8" in refusal(path)

    def test_a_folder(self, tmp_path: Path) -> None:
        assert "is a folder" in refusal(tmp_path)

    def test_misspelt_bundled_name_names_the_nearest(self) -> None:
        assert "did you mean kinetics700?" in refusal("kinetics70")

    def test_missing_file_lists_the_bundled(self) -> None:
        line = refusal("zzz.yaml")
        assert "did you mean" not in line
        assert "vggsound" in line


class TestFaults:
    def test_every_fault_by_its_dotted_path(self, tmp_path: Path) -> None:
        path = written(tmp_path, "vidoe: {}\nvideo: {num_frames: 0, crop_sise: 3}\nflow: {tvl1: {tauu: 1}}\n")
        line = refusal(path, "prediction.beta=2", "nonsense")
        assert line.startswith(f"{path}: 6 faults: ")
        for part in (
            "vidoe is not a field (did you mean video?)",
            "video.num_frames should be greater than 0 (is 0)",
            "video.crop_sise is not a field (did you mean video.crop_size?)",
            "flow.tvl1.tauu is not a field (did you mean flow.tvl1.tau?)",
            "prediction.beta should be less than or equal to 1 (is 2)",
            "--set 'nonsense' is not of the form section.field=value",
        ):
            assert part in line

    def test_a_field_in_the_wrong_section_names_the_right_one(self) -> None:
        assert "did you mean training.learning_rate?" in refusal("kinetics700", "learning_rate=1e-4")
        assert "did you mean video.short_side or flow.short_side?" in refusal("kinetics700", "short_side=64")

    def test_branches_of_a_union_are_one_fault(self) -> None:
        line = refusal("kinetics700", "model.trainable_layers=0")
        assert "model.trainable_layers should be greater than 0, or should be 'all' (is 0)" in line
        assert "faults" not in line

    def test_items_of_a_list_have_a_number(self) -> None:
        assert "video.crop_area.1 should be less than or equal to 1" in refusal("kinetics700", "video.crop_area=[0, 7]")
        assert "video.crop_area.1 is missing" in refusal("kinetics700", "video.crop_area=[0]")

    def test_a_rule_between_fields(self) -> None:
        assert "at least one of flow, audio" in refusal("kinetics700", "model.modalities=[video]")

    def test_a_huge_value_is_shown_short(self) -> None:
        assert len(refusal("kinetics700", f"training.epochs={'x' * 9999}")) < 300


class TestOverrides:
    def test_values_are_yaml_and_the_last_one_counts(self) -> None:
        recipe = load_recipe(
            "kinetics700",
            ["training.epochs=3", "training.epochs=4", "model.modalities=[video, audio]", "training.temperature="],
        )
        assert (recipe.training.epochs, recipe.training.temperature) == (4, None)
        assert recipe.model.modalities == ("video", "audio")

    def test_the_rest_of_the_section_stays(self) -> None:
        recipe = load_recipe("shapesav-motion", ["flow.tvl1.num_warps=2"])
        assert (recipe.flow.tvl1.num_warps, recipe.flow.max_displacement_px) == (2, 5.0)

    def test_equals_signs_belong_to_the_value(self) -> None:
        assert load_recipe("kinetics700", ["name=a=b"]).name == "a=b"

    @pytest.mark.parametrize("override", ["=3", "training.=3", ".epochs=3", "training..epochs=3", "training.epochs"])
    def test_malformed(self, override: str) -> None:
        assert "is not of the form section.field=value" in refusal("kinetics700", override)

    def test_no_yaml(self) -> None:
        assert "--set 'name=[1' has no YAML value" in refusal("kinetics700", "name=[1")

    def test_a_value_holds_no_fields(self) -> None:
        assert "name is a value and holds no fields" in refusal("kinetics700", "name.first=a")


class TestToYaml:
    @pytest.mark.parametrize("name", bundled_recipes())
    def test_reads_back_equal(self, name: str, tmp_path: Path) -> None:
        recipe = load_recipe(name)
        assert load_recipe(written(tmp_path, recipe_to_yaml(recipe))) == recipe

    def test_each_field_stands_under_its_docstring(self) -> None:
        lines = recipe_to_yaml(Recipe()).splitlines()
        at = lines.index("    lambda_: 0.15")
        assert lines[at - 1] == "    # Weight of the data term."
        assert "  revision: null" in lines
        assert "  crop_area: [0.08, 1.0]" in lines

    @settings(derandomize=True, deadline=None, max_examples=150)
    @given(name=st.text(), revision=st.none() | st.sampled_from(["1e-4", "no", "null", "~", "0x1F", "1:30", "<<", ""]))
    def test_any_text_reads_back(
        self, name: str, revision: str | None, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        plain = Recipe()
        backbone = plain.backbone.model_copy(update={"revision": revision})
        recipe = plain.model_copy(update={"name": name, "backbone": backbone})
        path = written(tmp_path_factory.mktemp("yaml"), recipe_to_yaml(recipe))
        assert load_recipe(path) == recipe


class TestChange:
    def test_is_as_if_loaded_so(self) -> None:
        overrides = ["training.epochs=3", "model.modalities=[video, audio]", "training.epochs=4"]
        assert change_recipe(load_recipe("kinetics700"), overrides) == load_recipe("kinetics700", overrides)

    def test_of_nothing_is_none(self) -> None:
        assert change_recipe(load_recipe("shapesav-both"), []) == load_recipe("shapesav-both")

    def test_names_the_recipe_and_every_fault(self) -> None:
        with pytest.raises(RecipeError, match=r"vggsound: 2 faults: video\.crop is not a field .*; training\.epochs "):
            change_recipe(load_recipe("vggsound"), ["training.epochs=0", "video.crop=3"])
