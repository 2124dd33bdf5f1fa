"""The class names of one prediction, and which of them are base and which novel.

Knows nothing of embeddings, prompts' words or data sets: it only refuses what can never be right
(no names, doubled names, a class that is both base and novel).
"""

import difflib
import hashlib
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from openmov.documents import DocumentError, parse_json
from openmov.errors import VocabularyError
from openmov.text.class_lists import class_list_of, class_list_of_json, read_list_text
from openmov.text.labels import tidy

Protocol = Literal["base", "novel", "generalised"]
"""Which classes are the possible answers: the base ones, the novel ones, or all (appendix C)."""


@dataclass(frozen=True)
class Vocabulary:
    """Class names in plain language, with their roles and the prompts they are embedded through."""

    base: tuple[str, ...]
    """Classes with training clips; may be empty (zero-shot prediction)."""
    novel: tuple[str, ...]
    """Classes without; may be empty (training, base protocol)."""
    prompts: str = "kinetics700"
    """Name of a bundled template set, or path of a text file with one template a line."""

    def __post_init__(self) -> None:
        _refuse_faults(self.base, self.novel)

    @property
    def names(self) -> tuple[str, ...]:
        """Base then novel names: the order of every score vector."""
        return self.base + self.novel

    @property
    def identity(self) -> str:
        """A hash of names, roles and prompts, for checkpoints and results."""
        text = json.dumps([self.base, self.novel, self.prompts], ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def for_protocol(self, protocol: Protocol) -> "Vocabulary":
        """The vocabulary whose names are the possible answers of `protocol`.

        Raises VocabularyError where that leaves no class.
        """
        if protocol == "base":
            return Vocabulary(self.base, (), self.prompts)
        if protocol == "novel":
            return Vocabulary((), self.novel, self.prompts)
        return self

    def index_of(self, name: str) -> int:
        """Position of `name` in `names`. Raises VocabularyError."""
        try:
            return self.names.index(name)
        except ValueError:
            raise VocabularyError(name, "is not among the classes", "add it, or drop its videos") from None


def _refuse_faults(base: tuple[str, ...], novel: tuple[str, ...]) -> None:
    if not base and not novel:
        raise VocabularyError("vocabulary", "holds no class name", "name at least one class")
    for name in base + novel:
        if not any(letter.isalnum() for letter in name):
            raise VocabularyError("vocabulary", f"{name!r} is not a class name", "write it in plain words")
        if any("\ud800" <= letter <= "\udfff" for letter in name):
            raise VocabularyError(
                "vocabulary", f"{name!r} is not UTF-8, or holds half a character", "write it in UTF-8"
            )
        if name != name.strip():
            raise VocabularyError("vocabulary", f"{name!r} begins or ends with a space", "drop the space")
    both = sorted(set(base) & set(novel))
    if both:
        raise VocabularyError("vocabulary", f"both base and novel: {_shown(both)}", "give each class one role")
    for role, names in (("base", base), ("novel", novel)):
        doubled = sorted(name for name, count in Counter(names).items() if count > 1)
        if doubled:
            raise VocabularyError(
                "vocabulary", f"more than once among the {role} classes: {_shown(doubled)}", "once is enough"
            )


def _refuse_half_characters(where: str | Path, name: str) -> None:
    """JSON may write them (\\ud800), and bytes that are not UTF-8 come from a command line as such."""
    if any("\ud800" <= letter <= "\udfff" for letter in name):
        raise VocabularyError(where, f"{name!r} is not UTF-8, or holds half a character", "write it in UTF-8")


def _shown(names: list[str]) -> str:
    return ", ".join(repr(name) for name in names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def names_sha256(base: tuple[str, ...], novel: tuple[str, ...]) -> str:
    """SHA-256 of a split's names and roles: published beside its seed, so that anyone can tell whose split it is."""
    return hashlib.sha256(json.dumps([base, novel], ensure_ascii=False).encode()).hexdigest()


def load_vocabulary(path: Path, say: Callable[[str], None] | None = None) -> Vocabulary:
    """Reads a vocabulary: JSON `{"base": [...], "novel": [...], "prompts": "kinetics700"}`, or any list of names.

    A list (`class_lists`) gives novel classes only: nothing was trained on them; `say` is told what was understood of
    it. A `sha256` beside the names must be theirs; other keys (the seed of a split, say) are for people.
    Raises VocabularyError.
    """
    text, encoding = read_list_text(path)
    if path.suffix.lower() == ".json":
        value = _parsed(path, text)
        if isinstance(value, dict) and (not value or _is_vocabulary(path, value)):
            return _from_fields(path, value)
        listed = class_list_of_json(path, value)
    else:
        listed = class_list_of(path, text, encoding)
    if say is not None and listed.understood:
        say(f"{path}: {listed.understood}")
    return _built(path, (), listed.names)


def _parsed(path: Path, text: str) -> object:
    try:
        return parse_json(text)
    except DocumentError as error:
        raise VocabularyError(path, error.what, "correct the file, or write it anew with openmov split") from error


def _is_vocabulary(path: Path, fields: dict[str, object]) -> bool:
    """Whether an object names roles, or seems to. Raises VocabularyError for a misspelt one."""
    if "base" in fields or "novel" in fields or "prompts" in fields:
        return True
    if all(isinstance(value, list) for value in fields.values()):
        _refuse_misspelt(path, fields)
    return False


def _built(path: Path, base: tuple[str, ...], novel: tuple[str, ...], prompts: str = "kinetics700") -> Vocabulary:
    """A vocabulary whose faults name the file they stand in."""
    try:
        return Vocabulary(base, novel, prompts)
    except VocabularyError as error:
        raise VocabularyError(path, error.what, error.hint) from error


def _from_fields(path: Path, fields: dict[str, object]) -> Vocabulary:
    _refuse_misspelt(path, fields)
    base, novel = (_names(path, role, fields.get(role, [])) for role in ("base", "novel"))
    prompts = fields.get("prompts", "kinetics700")
    if not isinstance(prompts, str):
        raise VocabularyError(path, "'prompts' is not text", "name a bundled set, or a file of templates")
    if fields.get("sha256", names_sha256(base, novel)) != names_sha256(base, novel):
        hint = "write it anew with openmov split, or drop its sha256 if the change is meant"
        raise VocabularyError(path, "its names are not those its sha256 was made of", hint)
    return _built(path, tuple(map(tidy, base)), tuple(map(tidy, novel)), prompts)


def _refuse_misspelt(path: Path, fields: dict[str, object]) -> None:
    """A misspelt role would silently lose its classes; keys that resemble none are for people and pass."""
    known = ("base", "novel", "prompts", "sha256")
    for key in fields:
        close = [] if key in known else difflib.get_close_matches(key.lower(), known, n=1, cutoff=0.78)
        if close:
            raise VocabularyError(path, f"{key!r} is not a key", f"did you mean {close[0]!r}?")


def _names(path: Path, role: str, value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise VocabularyError(path, f"{role!r} is not a list of names", 'write {"base": [...], "novel": [...]}')
    for name in value:
        _refuse_half_characters(path, name)
    return tuple(value)
