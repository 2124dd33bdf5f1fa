"""README.md promises nothing that is not there: commands, options, make targets, links, and the quick ones run."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from cyclopts import CycloptsError

import openmov
from openmov.cli import app, run

REPOSITORY = Path(__file__).parents[2]
README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
PAGES = {path.name: path for path in (REPOSITORY / "README.md", REPOSITORY / "CONTRIBUTING.md")}
TARGETS = set(re.findall(r"^([a-z][\w-]*):", (REPOSITORY / "Makefile").read_text(), flags=re.MULTILINE))


def code_of(text: str) -> Iterator[str]:
    """Lines of code blocks, continued ones joined, and code within lines."""
    for block in re.findall(r"^```\w*\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL):
        yield from block.replace("\\\n", " ").splitlines()
    yield from re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL))


def commands_of(text: str) -> list[list[str]]:
    """What is written after `openmov`, as a shell would split it."""
    lines = (line.strip().removeprefix("$ ") for line in code_of(text))
    return [shlex.split(line, comments=True)[1:] for line in lines if line.startswith("openmov ")]


def is_whole(command: list[str]) -> bool:
    """Not only a verb that is spoken about, such as `openmov predict`, nor NAME in place of a name."""
    return len(command) > 1 and not any(word.isupper() for word in command)


def parse(command: list[str]) -> None:
    app.parse_args(command, exit_on_error=False, print_error=False)


def links_of(text: str) -> list[str]:
    found = re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r'(?:src|href)="([^"]+)"', text)
    return [link for link in found if "://" not in link and not link.startswith(("#", "mailto:"))]


COMMANDS = [command for command in commands_of(README) if is_whole(command)]


def test_there_is_something_to_check() -> None:
    assert {command[0] for command in COMMANDS} >= {"predict", "split", "check", "train", "evaluate"}
    assert links_of(README)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_commands_parse(command: list[str]) -> None:
    parse(command)


@pytest.mark.parametrize("command", [["train", "--recipee", "x"], ["prodict", "a.mp4"], ["predict", "a", "--top", "x"]])
def test_a_wrong_command_would_be_noticed(command: list[str]) -> None:
    with pytest.raises(CycloptsError):
        parse(command)


def test_verbs_that_are_spoken_about_exist() -> None:
    known = {name for name in app if not name.startswith("-")}
    assert {command[0] for command in commands_of(README) if command and not command[0].startswith("-")} <= known


@pytest.mark.parametrize("page", PAGES)
def test_make_targets_exist(page: str) -> None:
    text = PAGES[page].read_text(encoding="utf-8")
    used = {match for line in code_of(text) for match in re.findall(r"^make ([a-z][\w-]*)", line.strip())}
    assert used <= TARGETS
    assert used


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    folder = PAGES[page].parent
    targets = [link.partition("#")[0] for link in links_of(PAGES[page].read_text(encoding="utf-8"))]
    assert [target for target in targets if not (folder / target).exists()] == []


def test_library_names_exist() -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)
    assert blocks
    for block in blocks:
        compile(block, "README.md", "exec")
        for names in re.findall(r"\bopenmov\.([A-Za-z_.]+)", block):
            found = openmov
            for name in names.split("."):
                found = getattr(found, name)


def test_quick_commands_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("names.txt").write_text("\n".join(f"class {number}" for number in range(10)))
    (split,) = [command for command in COMMANDS if command[0] == "split"]
    recipes = [command for command in COMMANDS if command[0] == "recipe"]
    for command in (["--help"], split, *recipes, ["recipe"], ["recipe", "kinetics700"]):
        assert run(command) == 0, command
        assert capsys.readouterr().out
