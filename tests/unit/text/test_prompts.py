"""Every template has exactly one place for the name."""

from pathlib import Path

import pytest

from openmov.errors import CheckpointError, VocabularyError
from openmov.text.prompts import bundled_prompts, fill, load_prompts, require_bundled


@pytest.mark.parametrize(
    ("name", "count"),
    [("kinetics700", 28), ("ucf101", 48), ("video", 1), ("person", 1), ("sound", 1), ("none", 1), ("actionclip", 16)],
)
def test_bundled_sets(name: str, count: int) -> None:
    templates = load_prompts(name)
    assert len(set(templates)) == len(templates) == count
    assert all(template.count("{}") == 1 for template in templates)


def test_no_other_set_is_bundled() -> None:
    assert set(bundled_prompts()) == {"kinetics700", "ucf101", "video", "person", "sound", "none", "actionclip"}


def test_the_first_and_last_kinetics_template() -> None:
    templates = load_prompts("kinetics700")
    assert (templates[0], templates[-1]) == ("a photo of {}.", "a demonstration of a person practicing {}.")


def test_fill_takes_the_name_as_it_stands() -> None:
    assert fill(("a {}.", "{}"), "sign {0} {x}") == ("a sign {0} {x}.", "sign {0} {x}")


def test_a_file_of_templates(tmp_path: Path) -> None:
    path = tmp_path / "mine.txt"
    path.write_text("\ufeff# mine\n\n a film of {}. \n{} on film\n", encoding="utf-8")
    assert load_prompts(str(path)) == ("a film of {}.", "{} on film")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a film.\n", "line 1 holds {} 0 times"),
        ("{}\n{} and {}\n", "line 2 holds {} 2 times"),
        ("a {name}\n", "holds {} 0 times"),
        ("# nothing\n", "holds no template"),
    ],
)
def test_a_file_that_is_none(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "mine.txt"
    path.write_text(text)
    with pytest.raises(VocabularyError) as caught:
        load_prompts(str(path))
    assert says in str(caught.value)


def test_a_misspelt_set_names_the_nearest() -> None:
    with pytest.raises(VocabularyError, match="did you mean kinetics700"):
        load_prompts("kinetics7000")


def test_a_folder_and_bytes_are_refused(tmp_path: Path) -> None:
    (tmp_path / "b.txt").write_bytes(b"a {}\xff")
    for path, says in ((tmp_path, "is a folder"), (tmp_path / "b.txt", "is not UTF-8"), (Path("/dev/zero"), "device")):
        with pytest.raises(VocabularyError, match=says):
            load_prompts(str(path))


def test_what_comes_from_elsewhere_names_no_file(tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("my token\n")
    with pytest.raises(CheckpointError) as caught:
        require_bundled(str(secret), "config.json", CheckpointError)
    assert "my token" not in str(caught.value)
    assert "is not a bundled set" in str(caught.value)
    assert require_bundled("ucf101", "config.json") == "ucf101"
