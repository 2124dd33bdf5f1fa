"""The class names of one prediction, and which of them are base and which novel.

Knows nothing of embeddings, prompts' words or data sets: it only refuses what can never be right
(no names, doubled names, a class that is both base and novel).
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

from openmov.errors import VocabularyError

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

    def for_protocol(self, protocol: Protocol) -> Self:
        """The vocabulary whose names are the possible answers of `protocol`.

        Raises VocabularyError where that leaves no class.
        """
        if protocol == "base":
            return type(self)(self.base, (), self.prompts)
        if protocol == "novel":
            return type(self)((), self.novel, self.prompts)
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
            raise VocabularyError("vocabulary", f"{name!r} is no class name", "write it in plain words")
    both = sorted(set(base) & set(novel))
    if both:
        raise VocabularyError("vocabulary", f"both base and novel: {_shown(both)}", "give each class one role")
    for role, names in (("base", base), ("novel", novel)):
        doubled = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
        if doubled:
            raise VocabularyError(
                "vocabulary", f"more than once among the {role} classes: {_shown(doubled)}", "once is enough"
            )


def _shown(names: list[str]) -> str:
    return ", ".join(repr(name) for name in names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def load_vocabulary(path: Path) -> Vocabulary:
    """Reads a vocabulary: JSON `{"base": [...], "novel": [...], "prompts": "kinetics700"}`, or a text file of names.

    A text file (one name a line, `#` comments) gives novel classes only: nothing was trained on them.
    Raises VocabularyError.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise VocabularyError(
            path, f"cannot be read ({type(error).__name__})", "give a JSON or text file of names"
        ) from error
    if path.suffix != ".json":
        lines = [line.strip() for line in text.splitlines()]
        return Vocabulary((), tuple(line for line in lines if line and not line.startswith("#")))
    return _from_json(path, text)


def _from_json(path: Path, text: str) -> Vocabulary:
    try:
        fields = json.loads(text)
    except json.JSONDecodeError as error:
        raise VocabularyError(
            path, f"is no JSON (line {error.lineno})", "mend the file, or write it anew with openmov split"
        ) from error
    names = {role: fields.get(role, []) if isinstance(fields, dict) else None for role in ("base", "novel")}
    for role, value in names.items():
        if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
            raise VocabularyError(path, f"{role!r} is no list of names", 'write {"base": [...], "novel": [...]}')
    return Vocabulary(tuple(names["base"]), tuple(names["novel"]), str(fields.get("prompts", "kinetics700")))
