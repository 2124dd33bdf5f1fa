"""Licence and revision of a backbone, from what its files say."""

from pathlib import Path

import pytest

from openmov.config.schema import BackboneConfig
from openmov.model.backbones import Backbone, load_backbone
from openmov.model.backbones.known import KNOWN, known_licence
from openmov.model.backbones.source import ModelSource, is_non_commercial, source_of

_COMMIT = "0123456789abcdef0123456789abcdef01234567"


def folder_with(tmp_path: Path, **files: str) -> Path:
    for name, text in files.items():
        (tmp_path / name.replace("_", ".")).write_text(text, encoding="utf-8")
    return tmp_path


class TestLicence:
    @pytest.mark.parametrize(
        ("front", "licence"),
        [
            ("license: mit", "mit"),
            ("tags:\n- vision\nlicense:   'Apache-2.0'  # ours", "apache-2.0"),
            ("license: other\nlicense_name: apple-amlr\nlicense_link: LICENSE", "apple-amlr"),
            ("license:\n- mit\n- cc-by-4.0", "mit or cc-by-4.0"),
            ("license: other", "other"),
        ],
    )
    def test_of_the_card(self, tmp_path: Path, front: str, licence: str) -> None:
        folder = folder_with(tmp_path, README_md=f"---\n{front}\n---\n# A model\n", LICENSE="MIT License\n")
        assert source_of("m", folder) == ModelSource(licence, "README.md")

    @pytest.mark.parametrize(
        "card",
        ["# A model\nlicense: mit\n", "---\ntags: []\n---\n", "---\nlicense: [\n---\n", "---\n- a\n---\n", "---\nlic"],
    )
    def test_a_card_that_says_nothing(self, tmp_path: Path, card: str) -> None:
        assert source_of("m", folder_with(tmp_path, README_md=card)) == ModelSource("unknown", "")

    @pytest.mark.parametrize(
        ("text", "licence"),
        [
            ("MIT License\n\nCopyright (c) 2021 OpenAI", "mit"),
            ("\n          Apache License\n          Version 2.0, January 2004\n", "apache-2.0"),
            ("Creative Commons Attribution-NonCommercial 4.0 International", "cc-by-nc-4.0"),
            ("You may look at this, on Sundays.", "see LICENSE"),
        ],
    )
    def test_of_the_licence_file(self, tmp_path: Path, text: str, licence: str) -> None:
        assert source_of("m", folder_with(tmp_path, LICENSE=text)) == ModelSource(licence, "LICENSE")

    def test_a_known_name_where_the_files_say_nothing(self, tmp_path: Path) -> None:
        """OpenAI's cards on the hub name no licence; a card that does has the last word."""
        name = "openai/clip-vit-base-patch16"
        assert source_of(name, tmp_path).licence == "mit"
        assert source_of(name, tmp_path).licence_from == "openmov's table"
        card = folder_with(tmp_path, README_md="---\nlicense: cc-by-4.0\n---\n")
        assert source_of(name, card).licence == "cc-by-4.0"

    def test_other_sizes_of_a_known_family(self) -> None:
        assert known_licence("google/siglip2-giant-opt-patch16-384") == "apache-2.0"
        assert known_licence("somebody/clip") is None

    @pytest.mark.parametrize("licence", ["cc-by-nc-4.0", "CC-BY-NC-SA-4.0", "apple-amlr", "fair-noncommercial"])
    def test_non_commercial(self, licence: str) -> None:
        assert is_non_commercial(licence)

    @pytest.mark.parametrize("licence", ["mit", "apache-2.0", "cc-by-4.0", "unknown", "ncsa", "other"])
    def test_not_known_to_be(self, licence: str) -> None:
        assert not is_non_commercial(licence)


class TestRevision:
    def test_of_the_hubs_cache(self, tmp_path: Path) -> None:
        """HF_HOME/hub/models--owner--name/snapshots/COMMIT."""
        folder = tmp_path / "models--owner--name" / "snapshots" / _COMMIT
        folder.mkdir(parents=True)
        assert source_of("owner/name", folder).revision == _COMMIT
        assert source_of("owner/name", folder, "f" * 40).revision == "f" * 40

    @pytest.mark.parametrize("place", [f"other/{_COMMIT}", "snapshots/main"])
    def test_of_another_folder_there_is_none(self, tmp_path: Path, place: str) -> None:
        (tmp_path / place).mkdir(parents=True)
        assert source_of("m", tmp_path / place).revision is None

    def test_in_words(self) -> None:
        assert str(ModelSource("cc-by-nc-4.0", "README.md", _COMMIT)) == (
            "licence cc-by-nc-4.0, non-commercial, revision 0123456789ab"
        )
        assert str(ModelSource()) == "licence unknown"


def test_every_backbone_says_it() -> None:
    tiny = load_backbone(BackboneConfig(name="shapesav-tiny"))
    assert isinstance(tiny, Backbone)
    assert tiny.source == ModelSource("apache-2.0", "README.md")
    conse = load_backbone(BackboneConfig(name="conse"))
    assert isinstance(conse, Backbone)
    assert conse.source == ModelSource("apache-2.0", "openmov's table")


def test_the_table_is_as_the_models_are() -> None:
    """Those that are here; and no name twice."""
    assert len({model.name for model in KNOWN}) == len(KNOWN)
    here = [model for model in KNOWN if model.name in ("conse", "shapesav-tiny", "shapesav-tiny-wide")]
    assert len(here) == 3
    for model in here:
        backbone = load_backbone(BackboneConfig(name=model.name))
        found = (backbone.family, backbone.dim, backbone.image_size, backbone.source.licence)
        assert found == (model.family, model.dim, model.image_size, model.licence)
