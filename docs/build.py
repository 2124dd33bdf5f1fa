"""Writes docs/reference from the code (every field of the recipe, the bundled recipes, every command), and
docs/extending.md from the files that tests/extending trains, measures and predicts with.

make docs                       write the pages anew
python docs/build.py --check    say which page is older than the code, and exit with 1
"""

import inspect
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

DOCS = Path(__file__).parent
EXTENDING = DOCS.parent / "tests" / "extending"
NOTE = "<!-- Written by `make docs` from the code; change it there. -->\n\n"


def main() -> int:
    check = sys.argv[1:] == ["--check"]
    pages = {
        "reference/recipe.md": recipe_page(),
        "reference/cli.md": cli_page(),
        "extending.md": extending_page(),
    }
    stale = [name for name, text in pages.items() if not is_written(DOCS / name, NOTE + text)]
    for name in stale:
        print(f"docs/{name} " + ("is older than the code: run make docs" if check else "written"))
        if not check:
            (DOCS / name).parent.mkdir(exist_ok=True)
            (DOCS / name).write_text(NOTE + pages[name], encoding="utf-8")
    return 1 if check and stale else 0


def is_written(path: Path, text: str) -> bool:
    return path.exists() and path.read_text(encoding="utf-8") == text


def recipe_page() -> str:
    """A table for each section of the recipe, then the bundled recipes where they differ from the defaults."""
    from openmov.config.schema import Recipe

    intro = (
        "# The recipe\n\nEverything that decides a result. Write the fields you change into a YAML file, or change one "
        "on the command line with `--set section.field=value`. `openmov recipe NAME` prints a bundled recipe whole.\n\n"
    )
    return intro + "\n".join(section_tables(Recipe, "")) + "\n" + bundled_table()


def section_tables(section: type[BaseModel], prefix: str) -> Iterator[str]:
    fields, schema = section.model_fields, section.model_json_schema()["properties"]
    inner = {name: kind for name, field in fields.items() if (kind := section_kind(field)) is not None}
    yield f"## `{prefix.rstrip('.') or 'recipe'}`\n\n| field | value | default | |\n|---|---|---|---|"
    for name in (name for name in fields if name not in inner):
        cells = (f"`{name}`", allowed(schema[name]), f"`{shown(fields[name].default)}`", fields[name].description or "")
        yield "| " + " | ".join(" ".join(cell.replace("|", "\\|").split()) for cell in cells) + " |"
    yield ""
    for name, kind in inner.items():
        yield from section_tables(kind, f"{prefix}{name}.")


def section_kind(field: FieldInfo) -> type[BaseModel] | None:
    kind = field.annotation
    return kind if inspect.isclass(kind) and issubclass(kind, BaseModel) else None


def allowed(node: dict[str, Any]) -> str:
    """What a node of the JSON schema lets through: `integer > 0`, `none or learned`, `list of video, flow`."""
    if "anyOf" in node:
        return " or ".join(map(allowed, node["anyOf"]))
    if "enum" in node or "const" in node:
        return " or ".join(f"`{value}`" for value in node.get("enum", [node.get("const")]))
    if "prefixItems" in node:
        return "list: " + ", ".join(map(allowed, node["prefixItems"]))
    if "items" in node:
        return f"list of {allowed(node['items'])}"
    words = {"exclusiveMinimum": ">", "minimum": "≥", "exclusiveMaximum": "<", "maximum": "≤"}
    bounds = [f"{sign} {node[key]}" for key, sign in words.items() if key in node]
    return " ".join(
        [{"string": "text", "null": "`null`"}.get(node["type"], node["type"]), " and ".join(bounds)]
    ).strip()


def shown(value: object) -> str:
    """A value as it is written in YAML."""
    if isinstance(value, tuple):
        return f"[{', '.join(map(shown, value))}]"
    return json.dumps(value) if value is None or isinstance(value, bool) else str(value)


def bundled_table() -> str:
    """What each bundled recipe sets otherwise than the defaults."""
    from openmov.config.load import bundled_recipes, load_recipe
    from openmov.config.schema import Recipe

    defaults = leaves(Recipe())
    lines = ["## Bundled recipes\n", "What each sets otherwise than the defaults.\n"]
    for name in bundled_recipes():
        values = leaves(load_recipe(name))
        changed = [f"`{path}={shown(values[path])}`" for path in values if values[path] != defaults[path]]
        lines.append(f"- **{name}**: {', '.join(changed) or 'the defaults'}")
    return "\n".join(lines) + "\n"


def leaves(section: BaseModel, prefix: str = "") -> dict[str, object]:
    found: dict[str, object] = {}
    for name in type(section).model_fields:
        value = getattr(section, name)
        found |= leaves(value, f"{prefix}{name}.") if isinstance(value, BaseModel) else {prefix + name: value}
    return found


EXTENSIONS = {
    "a_method.py": ("A method", "openmov.methods", "`METHODS`", "`--set model.method=linear_probe`"),
    "a_fusion.py": ("A fusion", "openmov.fusions", "`FUSIONS`", "`--set model.fusion=gated`"),
    "a_modality.py": (
        "A modality",
        "openmov.modalities",
        "`MODALITIES`",
        "`--set model.modalities=[video,flow,differences]`",
    ),
    "a_data_set.py": ("A data set", "openmov.datasets", "`DATASETS`", "`openmov dataset k-folders`"),
}
"""Title, entry points' group, registry and what names it then, for each file that a stranger would write."""


def extending_page() -> str:
    """Every file whole, as it is tested."""
    parts = [
        "# Adding your own\n\nEach of these is a file outside the package. It is found by its name once it is "
        "registered: by your program, before it calls openmov (`register()` below), or, for the command line too, by "
        "an entry point of your installed package:\n\n"
        '```toml\n[project.entry-points."openmov.methods"]\nlinear_probe = "my_package.my_module:LINEAR_PROBE"\n```\n\n'
        "What the name stands for is not stored: a run folder or checkpoint that names it needs the same registration "
        "to be opened. The files are those that the project's tests train, measure and predict with on ShapesAV."
    ]
    for name, (title, group, registry, use) in EXTENSIONS.items():
        source = (EXTENDING / name).read_text(encoding="utf-8")
        parts.append(f"## {title}\n\nRegistry {registry}, group `{group}`; then {use}.\n\n```python\n{source}```")
    return "\n\n".join(parts) + "\n"


def cli_page() -> str:
    """The help of every command, as cyclopts writes it."""
    os.environ["COLUMNS"] = "100"
    from openmov.cli import app

    return str(app.generate_docs(output_format="markdown", recursive=True))


if __name__ == "__main__":
    sys.exit(main())
