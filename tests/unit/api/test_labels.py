"""Where the names come from, and what is refused before anything is loaded."""

from pathlib import Path

import pytest

from openmov.errors import VocabularyError
from openmov.text.label_choice import ONE_LABEL, choose_labels, labels_of, notes_on
from tiny_world import BASE, NOVEL, TinyWorld


class TestLabels:
    def test_between_commas(self) -> None:
        assert labels_of('archery, "bird chirping, tweeting"') == ("archery", "bird chirping, tweeting")

    def test_lines_of_a_file(self, tmp_path: Path) -> None:
        for name in ("names.txt", "names"):
            (tmp_path / name).write_text("archery\n# a comment\nbird chirping, tweeting\n")
            assert labels_of(str(tmp_path / name)) == ("archery", "bird chirping, tweeting")

    def test_base_and_novel_names_of_a_vocabulary(self, tiny_world: TinyWorld) -> None:
        assert labels_of(str(tiny_world.vocabulary)) == BASE + NOVEL

    def test_a_file_that_is_not_there_is_no_class(self) -> None:
        with pytest.raises(VocabularyError, match=r"names\.txt: cannot be read"):
            labels_of("names.txt")

    def test_a_text_too_long_for_a_path_is_a_list_of_names(self) -> None:
        names = tuple(f"name number {i}" for i in range(500))
        assert labels_of(",".join(names)) == names


class TestChoice:
    def test_text_a_list_or_a_data_set(self) -> None:
        assert choose_labels("a, b", None) == ("a", "b")
        assert choose_labels(["a", "b, c"], None) == ("a", "b, c")
        assert choose_labels(None, "ucf101")[0] == "apply eye makeup"

    def test_exactly_one_source(self) -> None:
        with pytest.raises(VocabularyError, match="both given"):
            choose_labels("a, b", "ucf101")
        with pytest.raises(VocabularyError, match=r"none are given.*--vocabulary"):
            choose_labels(None, None)

    @pytest.mark.parametrize("twin", ["Archery", "archery", "bow  Archery", "BOW archery"])
    def test_names_that_differ_by_capitals_and_spaces_alone_are_one(self, twin: str) -> None:
        with pytest.raises(VocabularyError, match="once is enough"):
            choose_labels(["archery", "bow archery", twin], None)

    def test_one_label_is_answered_with_a_note(self) -> None:
        assert choose_labels("archery", None) == ("archery",)
        assert notes_on(("archery",)) == (ONE_LABEL,)
        assert notes_on(("archery", "bowling")) == ()
