"""Sentences around a class name: `a video of a person {}.`

Bundled are CLIP's 28 templates for Kinetics-700 (the paper's), its 48 for UCF101 (OpenAI CLIP, data/prompts.md, MIT),
one plain sentence (`video`, `person` for what people do, `sound` for what is heard), and the bare name. Knows nothing
of classes.
"""

import difflib
import json
import os
from functools import cache
from importlib import resources
from pathlib import Path

from openmov.documents import MEGABYTE, DocumentError, read_text
from openmov.errors import OpenMovError, VocabularyError

SLOT = "{}"
"""Where the class name goes: exactly once in every template."""
_LARGEST_BYTES = MEGABYTE
_MOST_TEMPLATES = 2000


def load_prompts(name_or_path: str) -> tuple[str, ...]:
    """Templates of a bundled set (`bundled_prompts`), or of a text file: one a line, blank lines and `#` lines aside.

    Raises VocabularyError where the file is no such list, naming the line.
    """
    sets = _bundled()
    if name_or_path in sets:
        return sets[name_or_path]
    path = Path(name_or_path)
    if not os.path.exists(name_or_path):  # noqa: PTH110 (false, not an error, for a name too long)
        raise _no_such_set(name_or_path, tuple(sets))
    return _from_file(path)


def require_bundled(name: str, where: str | Path, error_class: type[OpenMovError] = VocabularyError) -> str:
    """The name of a bundled set as it is; what comes from elsewhere may not name a file of this machine.

    Raises `error_class`, which does not look whether there is such a file.
    """
    if name not in _bundled():
        what = f"names the prompts {name[:60]!r}, which is not a bundled set"
        raise error_class(where, what, f"bundled are {', '.join(_bundled())}; choose one with --prompts")
    return name


def bundled_prompts() -> tuple[str, ...]:
    """Names of the template sets that ship with the package."""
    return tuple(_bundled())


def fill(templates: tuple[str, ...], name: str) -> tuple[str, ...]:
    """The sentences of one class, one a template, the name as it stands."""
    return tuple(template.replace(SLOT, name) for template in templates)


@cache
def _bundled() -> dict[str, tuple[str, ...]]:
    fields = json.loads((resources.files("openmov.text") / "prompts.json").read_text(encoding="utf-8"))
    return {name: tuple(templates) for name, templates in fields.items() if name != "source"}


def _no_such_set(name: str, bundled: tuple[str, ...]) -> VocabularyError:
    close = difflib.get_close_matches(name, bundled, n=1)
    hint = f"did you mean {close[0]}? Bundled are" if close else "bundled are"
    return VocabularyError(name, "is not a bundled set of prompts and no file", f"{hint} {', '.join(bundled)}")


def _from_file(path: Path) -> tuple[str, ...]:
    try:
        lines = read_text(path, _LARGEST_BYTES).splitlines()
    except DocumentError as error:
        raise VocabularyError(path, error.what, error.hint or "give a text file with one template a line") from error
    except (OSError, ValueError) as error:
        raise VocabularyError(path, f"cannot be read ({type(error).__name__})", "give a text file in UTF-8") from error
    numbered = [(number, line.strip()) for number, line in enumerate(lines, start=1)]
    numbered = [(number, line) for number, line in numbered if line and (not line.startswith("#") or SLOT in line)]
    if len(numbered) > _MOST_TEMPLATES:
        what = f"holds {len(numbered):,} lines, more than a set of templates can have ({_MOST_TEMPLATES:,})"
        raise VocabularyError(path, what, "give one template a line")
    for number, line in numbered:
        if line.count(SLOT) != 1:
            what = f"line {number} holds {SLOT} {line.count(SLOT)} times"
            raise VocabularyError(path, what, "write it once, where the class name goes")
    if not numbered:
        raise VocabularyError(path, "holds no template", "write one a line, such as: a video of {}.")
    return tuple(line for _, line in numbered)
