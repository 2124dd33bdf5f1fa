"""docs/dependencies.md and pyproject.toml name the same packages; the constraints pin only those."""

import re
import tomllib
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]


def names(requirements: list[str]) -> set[str]:
    return {re.split(r"[<>=!~\[; ]", requirement, maxsplit=1)[0].lower() for requirement in requirements}


def declared() -> tuple[set[str], set[str]]:
    """What running needs, and what the extras add."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"].values()
    return names(project["dependencies"]), set().union(*map(names, extras))


def test_every_dependency_has_its_line() -> None:
    page = (REPOSITORY / "docs" / "dependencies.md").read_text()
    to_run, to_develop = page.split("## To develop")
    listed = [re.findall(r"^\| ([a-z][\w-]*) \|", part.lower(), flags=re.MULTILINE) for part in (to_run, to_develop)]
    run, extra = declared()
    assert [set(part) - {"package"} for part in listed] == [run, extra - run]
    assert all(len(part) == len(set(part)) for part in listed)


def test_constraints_pin_what_is_needed() -> None:
    lines = (REPOSITORY / "constraints" / "cpu.txt").read_text().split()
    assert names(lines) <= declared()[0]
    assert all("==" in line for line in lines)
