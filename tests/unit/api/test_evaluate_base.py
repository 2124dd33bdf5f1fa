"""Runs on a vocabulary without a novel class, such as those of table 7."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from openmov.cli import run
from tiny_world import BASE, NOVEL, TinyWorld


def lists_of(world: TinyWorld, folder: Path, names: tuple[str, ...]) -> list[str]:
    """The clips of some classes, all of which are base."""
    header, *rows = world.manifest.read_text().splitlines()
    kept = [row for row in rows if row.split(",")[1] in names]
    manifest = world.root / f"base-{len(names)}.csv"
    manifest.write_text("\n".join([header, *kept]))
    (folder / "vocabulary.json").write_text(json.dumps({"base": names, "novel": []}))
    lists = ["--manifest", str(manifest), "--vocabulary", str(folder / "vocabulary.json")]
    return [*lists, "--cache", str(world.cache), "--workers", "1"]


@pytest.fixture(scope="module")
def copied(tiny_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that others have not evaluated."""
    folder = tmp_path_factory.mktemp("base") / "run"
    shutil.copytree(tiny_run, folder)
    shutil.rmtree(folder / "results", ignore_errors=True)
    return folder


def shown(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    fields: dict[str, Any] = json.loads(capsys.readouterr().out)
    return fields


def test_base_clips_are_answered_as_beside_novel_ones(
    copied: Path, tiny_world: TinyWorld, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*tiny_world.evaluate(copied), "--json"]) == 0
    whole = {row["method"]: row["base"] for row in shown(capsys)["rows"]}
    del whole["MOV, calibrated"]  # of beta and tau_v, which the base path does not ask
    out = tmp_path / "page"
    lists = lists_of(tiny_world, tmp_path, BASE)
    assert run(["evaluate", str(copied), *lists, "--out", str(out), "--json"]) == 0
    fields = shown(capsys)
    assert {row["method"]: row["base"] for row in fields["rows"]} == whole
    assert "nothing was measured on novel classes" in fields["note"]
    assert fields["evaluated"] == 2 * len(BASE)
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "nothing here is open-vocabulary" in page
    answers = json.loads((copied / "results" / "evaluations" / "mov-base.json").read_text(encoding="utf-8"))
    assert answers["vocabulary"]["novel"] == []


def test_the_table_says_that_no_class_is_novel(
    copied: Path, tiny_world: TinyWorld, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["evaluate", str(copied), *lists_of(tiny_world, tmp_path, BASE)]) == 0
    said = capsys.readouterr().out
    assert "all classes trained on" in said
    assert "6 of 6 test clips present. Every class was trained on" in said


def test_classes_that_were_not_trained_on_are_no_base_classes(
    copied: Path, tiny_world: TinyWorld, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["evaluate", str(copied), *lists_of(tiny_world, tmp_path, (*BASE, *NOVEL))]) == 2
    assert "vocabulary" in capsys.readouterr().err
