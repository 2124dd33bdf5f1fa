"""What can never be right as a list of classes is refused; the rest keeps its order."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openmov.errors import VocabularyError
from openmov.text.vocabulary import Protocol, Vocabulary, load_vocabulary, names_sha256

WORDS = st.text("abcdefgh", min_size=1, max_size=4)


def written(folder: Path, fields: object, name: str = "classes.json") -> Path:
    path = folder / name
    path.write_text(fields if isinstance(fields, str) else json.dumps(fields), encoding="utf-8")
    return path


class TestLaws:
    def test_names_are_base_then_novel(self) -> None:
        vocabulary = Vocabulary(("b", "a"), ("d", "c"))
        assert vocabulary.names == ("b", "a", "d", "c")
        assert [vocabulary.index_of(name) for name in vocabulary.names] == [0, 1, 2, 3]

    @pytest.mark.parametrize(
        ("protocol", "base", "novel"),
        [("base", ("a",), ()), ("novel", (), ("b",)), ("generalised", ("a",), ("b",))],
    )
    def test_protocols(self, protocol: Protocol, base: tuple[str, ...], novel: tuple[str, ...]) -> None:
        answers = Vocabulary(("a",), ("b",), "none").for_protocol(protocol)
        assert (answers.base, answers.novel, answers.prompts) == (base, novel, "none")

    def test_a_protocol_that_leaves_no_class(self) -> None:
        with pytest.raises(VocabularyError, match="no class name"):
            Vocabulary((), ("a",)).for_protocol("base")

    def test_an_unknown_name(self) -> None:
        with pytest.raises(VocabularyError, match="c: is not among the classes"):
            Vocabulary(("a",), ("b",)).index_of("c")

    @settings(derandomize=True, deadline=None)
    @given(st.lists(WORDS, min_size=2, unique=True), st.integers(1, 99))
    def test_identity_covers_names_roles_and_prompts(self, names: list[str], cut: int) -> None:
        cut = 1 + cut % (len(names) - 1)
        here = Vocabulary(tuple(names[:cut]), tuple(names[cut:]))
        assert here.identity == Vocabulary(here.base, here.novel).identity
        others = [
            Vocabulary(here.novel, here.base),
            Vocabulary(here.names, ()),
            Vocabulary(here.base, here.novel, "none"),
            Vocabulary((*here.base, "zzzzz"), here.novel),
        ]
        assert here.identity not in {other.identity for other in others}


class TestFaults:
    @pytest.mark.parametrize(
        ("base", "novel", "says"),
        [
            ((), (), "holds no class name"),
            (("a", "b"), ("b", "c"), "both base and novel: 'b'"),
            (("a", "a"), (), "more than once among the base classes: 'a'"),
            ((), ("a", "b", "a"), "more than once among the novel classes: 'a'"),
            (("",), (), "'' is not a class name"),
            (("a", "--!"), (), "'--!' is not a class name"),
            (("a", "   "), (), "is not a class name"),
            (("a ",), (), "begins or ends with a space"),
            (tuple("abcde"), tuple("abcde"), "'a', 'b', 'c' and 2 more"),
        ],
    )
    def test_refused(self, base: tuple[str, ...], novel: tuple[str, ...], says: str) -> None:
        with pytest.raises(VocabularyError) as caught:
            Vocabulary(base, novel)
        assert says in str(caught.value)

    def test_any_script_is_a_name(self) -> None:
        assert Vocabulary((), ("射箭", "tir à l'arc", "4x100")).names[0] == "射箭"


class TestReading:
    def test_json(self, tmp_path: Path) -> None:
        fields = {"base": ["a"], "novel": ["b"], "prompts": "none", "seed": 3, "notes": "for people"}
        assert load_vocabulary(written(tmp_path, fields)) == Vocabulary(("a",), ("b",), "none")

    def test_one_role_is_enough(self, tmp_path: Path) -> None:
        assert load_vocabulary(written(tmp_path, {"novel": ["a"]})) == Vocabulary((), ("a",))

    def test_text(self, tmp_path: Path) -> None:
        path = written(tmp_path, "\ufeffa, b\n\n# no class\n  c \n", "classes.txt")
        assert load_vocabulary(path) == Vocabulary((), ("a, b", "c"))

    def test_its_sha256(self, tmp_path: Path) -> None:
        fields = {"base": ["a"], "novel": ["b"], "sha256": names_sha256(("a",), ("b",))}
        assert load_vocabulary(written(tmp_path, fields)).base == ("a",)
        with pytest.raises(VocabularyError, match="sha256"):
            load_vocabulary(written(tmp_path, fields | {"novel": ["c"]}))

    @pytest.mark.parametrize(
        ("fields", "says"),
        [
            ({"base": ["a"], "novel": ["a"]}, "both base and novel"),
            ({}, "holds no class name"),
            ([], "holds no class name"),
            ("{", "is not JSON (line 1"),
            ({"base": "archery"}, "'base' is not a list of names"),
            ({"novel": ["a", 3]}, "'novel' is not a list of names"),
            ({"base": ["a"], "nvoel": ["b"]}, "did you mean 'novel'?"),
            ({"base": ["a"], "prompts": 3}, "'prompts' is not text"),
            ({"base": ["a\ud800"]}, "half a character"),
        ],
    )
    def test_refused_json_names_the_file(self, tmp_path: Path, fields: object, says: str) -> None:
        path = written(tmp_path, fields)
        with pytest.raises(VocabularyError) as caught:
            load_vocabulary(path)
        assert str(caught.value).startswith(f"{path}: ")
        assert says in str(caught.value)

    @pytest.mark.parametrize(("content", "says"), [(b"a\xff\xfe", "is not UTF-8"), (None, "cannot be read")])
    def test_unreadable(self, tmp_path: Path, content: bytes | None, says: str) -> None:
        path = tmp_path / "classes.txt"
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(VocabularyError, match=says):
            load_vocabulary(path)

    def test_what_was_understood_of_a_list_is_said(self, tmp_path: Path) -> None:
        said: list[str] = []
        path = written(tmp_path, "id,name\n0,archery\n1,biking\n", "classes.csv")
        assert load_vocabulary(path, said.append).novel == ("archery", "biking")
        assert said == [f"{path}: 2 names from the column `name`"]

    def test_names_are_composed_and_their_sha256_is_of_what_is_written(self, tmp_path: Path) -> None:
        decomposed = ("cafe\u0301",)
        fields = {"base": decomposed, "novel": ["a\u00a0b "], "sha256": names_sha256(decomposed, ("a\u00a0b ",))}
        vocabulary = load_vocabulary(written(tmp_path, fields))
        assert (vocabulary.base, vocabulary.novel) == (("caf\u00e9",), ("a b",))

    def test_an_empty_list(self, tmp_path: Path) -> None:
        with pytest.raises(VocabularyError, match="holds no class name"):
            load_vocabulary(written(tmp_path, "# none yet\n", "classes.txt"))
