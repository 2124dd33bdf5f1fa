"""Says in one line what is wrong with a recipe, and which field was meant.

Knows the recipe's fields and pydantic's report; knows nothing of files or YAML.
"""

import difflib
import re
import reprlib
from collections.abc import Hashable, Iterable, Iterator, Sequence
from importlib import resources
from itertools import groupby
from pathlib import Path
from typing import Any, cast

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from openmov.config.schema import Recipe
from openmov.documents import MEGABYTE, DocumentError, read_text
from openmov.errors import OpenMovError, RecipeError


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
        return f"{path} is not a field" + (f" (did you mean {meant}?)" if meant else "")
    if not path:  # a rule between fields, whose message names them
        return first["msg"].removeprefix("Value error, ")
    wrong = ", or ".join(_without_subject(item["msg"]) for item in details)
    return f"{path} {wrong} (is {reprlib.repr(first['input'])})"


def _without_subject(message: str) -> str:
    if message == "Field required":
        return "is missing"
    return message.removeprefix("Value error, ").removeprefix("Input ")


_LARGEST_BYTES = MEGABYTE
"""A recipe has a few kilobytes."""
_TAG = "tag:yaml.org,2002:"
_FLOAT = re.compile(
    r"^(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"
)


class _Loader(yaml.SafeLoader):
    """Safe, with the scalars of YAML 1.2, and no key twice."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 (yaml's own shape)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value if key.tag != f"{_TAG}merge"]
        for index, key in enumerate(keys):
            if key in keys[:index]:
                raise yaml.constructor.ConstructorError(None, None, f"{key!r} stands there twice", node.start_mark)
        return super().construct_mapping(node, deep)


class _Dumper(yaml.SafeDumper):
    """Quotes what either version of YAML would take for something other than text."""


def _add_scalars() -> None:
    null, boolean = re.compile(r"^(?:~|null|Null|NULL|)$"), re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$")
    whole = re.compile(r"^[-+]?(?:0|[1-9][0-9]*)$")
    numeric = list("-+0123456789")
    _Loader.add_implicit_resolver(f"{_TAG}null", null, ["~", "n", "N", ""])
    _Loader.add_implicit_resolver(f"{_TAG}bool", boolean, list("tTfF"))
    _Loader.add_implicit_resolver(f"{_TAG}int", whole, numeric)
    _Loader.add_implicit_resolver(f"{_TAG}merge", re.compile(r"^<<$"), ["<"])
    for end in (_Loader, _Dumper):
        end.add_implicit_resolver(f"{_TAG}float", _FLOAT, [*numeric, "."])


_add_scalars()


def load_recipe(name_or_path: str | Path, overrides: Sequence[str] = ()) -> Recipe:
    """A bundled recipe or a YAML file, with overrides `section.field=value` (the value is YAML) applied in order.

    What a file leaves out takes the schema's default, its `name` the file's. An override replaces what stood there.
    Raises RecipeError, naming every unknown field and every value out of range by its dotted path.
    """
    where, text = _read(name_or_path)
    tree = _parse(where, text)
    tree.setdefault("name", Path(where).stem)
    return _built(where, tree, overrides)


def change_recipe(recipe: Recipe, overrides: Sequence[str]) -> Recipe:
    """The recipe with overrides applied in order, as `load_recipe` applies them. Raises RecipeError."""
    tree: dict[Hashable, Any] = dict(recipe.model_dump(mode="json").items())
    return _built(recipe.name, tree, overrides)


def bundled_recipes() -> tuple[str, ...]:
    """Names of the recipes that ship with the package, sorted."""
    folder = resources.files("openmov.config") / "recipes"
    return tuple(sorted(Path(entry.name).stem for entry in folder.iterdir() if entry.name.endswith(".yaml")))


def recipe_to_yaml(recipe: Recipe) -> str:
    """The whole recipe as YAML that `load_recipe` reads back to an equal one, each field under its docstring."""
    return "\n".join(_commented(recipe, "")) + "\n"


def _built(where: str, tree: dict[Hashable, Any], overrides: Sequence[str]) -> Recipe:
    faults = [fault for override in overrides if (fault := _apply(tree, override))]
    try:
        recipe = Recipe.model_validate(tree)
    except ValidationError as error:
        raise _refusal(where, [*faults, *describe(error)]) from error
    if faults:
        raise _refusal(where, faults)
    return recipe


def _read(name_or_path: str | Path) -> tuple[str, str]:
    """Where the recipe stands, as shown to people, and its text."""
    name = str(name_or_path)
    if name in bundled_recipes():
        return name, (resources.files("openmov.config") / "recipes" / f"{name}.yaml").read_text(encoding="utf-8")
    path = Path(name_or_path)
    if not path.exists():
        raise _no_such_recipe(name)
    try:
        return name, read_text(path, _LARGEST_BYTES)
    except DocumentError as error:
        raise RecipeError(name, error.what, error.hint or "give a YAML file") from error
    except OSError as error:
        raise RecipeError(name, f"cannot be read ({type(error).__name__})", "give a YAML file in UTF-8") from error


def _no_such_recipe(name: str) -> RecipeError:
    bundled = bundled_recipes()
    close = difflib.get_close_matches(Path(name).stem, bundled, n=1)
    hint = f"did you mean {close[0]}? Bundled are" if close else "bundled are"
    return RecipeError(name, "is not a bundled recipe and no file", f"{hint} {', '.join(bundled)}")


def _parse(where: str, text: str) -> dict[Hashable, Any]:
    tree = parse_yaml(where, text)
    if not isinstance(tree, dict):
        raise RecipeError(where, "holds no fields", "openmov recipe kinetics700 prints a whole one to start from")
    return cast(dict[Hashable, Any], tree)


def parse_yaml(where: str | Path, text: str, error_class: type[OpenMovError] = RecipeError) -> object:
    """Plain values of a YAML document, as recipes have them: no code, no key twice. Raises `error_class`."""
    try:
        return _load_yaml(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: a tag such as !!int on a word
        raise error_class(where, f"is not YAML ({_first_fault(error)})", "correct that line") from error


def _load_yaml(text: str) -> object:
    return yaml.load(text, Loader=_Loader)  # noqa: S506 (a SafeLoader)


def _first_fault(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or " ".join(str(error).split())
    return f"line {mark.line + 1}: {problem}" if mark else str(problem)


def _apply(tree: dict[Hashable, Any], override: str) -> str:
    """Sets one `section.field=value` in the tree; returns what is wrong with it, or ''."""
    path, equals, text = override.partition("=")
    keys = path.strip().split(".")
    if not equals or not all(keys):
        return f"--set {override!r} is not of the form section.field=value"
    try:
        value = _load_yaml(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        return f"--set {override!r} has no YAML value ({_first_fault(error)})"
    section = tree
    for depth, key in enumerate(keys[:-1], start=1):
        section = section.setdefault(key, {})
        if not isinstance(section, dict):
            return f"--set {override!r}: {'.'.join(keys[:depth])} is a value and holds no fields"
    section[keys[-1]] = value
    return ""


def _refusal(where: str, faults: list[str]) -> RecipeError:
    count = f"{len(faults)} faults: " if len(faults) > 1 else ""
    return RecipeError(where, count + "; ".join(faults), "openmov recipe kinetics700 prints every field")


def _commented(section: BaseModel, indent: str) -> Iterator[str]:
    for name, field in type(section).model_fields.items():
        value = getattr(section, name)
        if field.description:
            yield f"{indent}# {' '.join(field.description.split())}"
        if isinstance(value, BaseModel):
            yield f"{indent}{name}:"
            yield from _commented(value, indent + "  ")
        else:
            yield f"{indent}{name}: {_scalar(value)}"


def _scalar(value: object) -> str:
    """A plain value on one line: text with line breaks or odd characters in double quotes."""
    if isinstance(value, tuple):
        return f"[{', '.join(map(_scalar, value))}]"
    style = '"' if isinstance(value, str) and not value.isprintable() else None
    text = yaml.dump(value, Dumper=_Dumper, default_style=style, width=float("inf"), allow_unicode=True)
    return text.removesuffix("...\n").strip()
