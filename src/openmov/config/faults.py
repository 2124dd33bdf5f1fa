"""Says in one line what is wrong with a recipe, and which field was meant.

Knows the recipe's fields and pydantic's report; knows nothing of files or YAML.
"""

import difflib
import reprlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from openmov.config.schema import Recipe


def describe(error: ValidationError) -> tuple[str, ...]:
    """One sentence a fault, each beginning with the field's dotted path; unknown fields after wrong values.

    The branches of a union ("a positive integer" or "all") are one fault.
    """
    details = [(dotted(item["loc"]), item) for item in error.errors(include_url=False)]
    return tuple(_sentence(path, [item for _, item in group]) for path, group in groupby(details, key=lambda d: d[0]))


def dotted(loc: Sequence[int | str]) -> str:
    """The path as a user writes it: pydantic's names for the branches of a union are left out."""
    section: type[BaseModel] | None = Recipe
    parts: list[str] = []
    for part in loc:
        if section is None and isinstance(part, str):
            break
        parts.append(str(part))
        section = _section_of(section, str(part)) if section is not None else None
    return ".".join(parts)


def field_paths(section: type[BaseModel] = Recipe, prefix: str = "") -> Iterator[str]:
    """Every dotted path of the recipe, sections before the fields they hold."""
    for name in section.model_fields:
        yield prefix + name
        inner = _section_of(section, name)
        if inner is not None:
            yield from field_paths(inner, f"{prefix}{name}.")


def nearest_field(path: str) -> str:
    """What an unknown dotted path may have meant: the same name elsewhere, else the nearest; '' if none is near."""
    folder, _, name = path.rpartition(".")
    paths = list(field_paths())
    elsewhere = [known for known in paths if known.rpartition(".")[2] == name]
    if elsewhere:
        return " or ".join(elsewhere)
    siblings = [known for known in paths if known.rpartition(".")[0] == folder]
    return nearest(name, siblings) or nearest(name, paths)


def nearest(name: str, paths: Iterable[str]) -> str:
    """The path whose last part is most like `name`; '' if none is near."""
    by_name = {path.rpartition(".")[2]: path for path in paths}
    close = difflib.get_close_matches(name, by_name, n=1)
    return by_name[close[0]] if close else ""


def _section_of(section: type[BaseModel], name: str) -> type[BaseModel] | None:
    field = section.model_fields.get(name)
    kind = field.annotation if field is not None else None
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def _sentence(path: str, details: list[ErrorDetails]) -> str:
    first = details[0]
    if first["type"] in ("extra_forbidden", "invalid_key"):
        meant = nearest_field(path)
        return f"{path} is no field" + (f" (did you mean {meant}?)" if meant else "")
    if not path:  # a rule between fields, whose message names them
        return first["msg"].removeprefix("Value error, ")
    wrong = ", or ".join(_without_subject(item["msg"]) for item in details)
    return f"{path} {wrong} (is {reprlib.repr(first['input'])})"


def _without_subject(message: str) -> str:
    if message == "Field required":
        return "is missing"
    return message.removeprefix("Value error, ").removeprefix("Input ")
