"""Licence and revision of the backbone that answered stand in every result and on every page."""

import csv
import io
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

import openmov
from openmov.cli import run
from openmov.runtime.checkpoint import load_header
from tiny_world import BASE, NOVEL, TinyWorld

COMMIT = "89abcdef0123456789abcdef0123456789abcdef"
LICENCE = "cc-by-nc-4.0"
LABELS = f"{BASE[0]}, {NOVEL[0]}"


@pytest.fixture(scope="module")
def published(tiny_world: TinyWorld, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny world's backbone as the hub's cache keeps it, with a card that forbids commercial use."""
    folder = tmp_path_factory.mktemp("hub") / "models--owner--tiny" / "snapshots" / COMMIT
    shutil.copytree(tiny_world.backbone, folder)
    (folder / "README.md").write_text(f"---\nlicense: {LICENCE}\n---\n# Tiny\n")
    return folder


def check(backbone: dict[str, Any]) -> None:
    said = {"revision": COMMIT, "licence": LICENCE, "licence_from": "README.md", "non_commercial": True}
    assert said.items() <= backbone.items()


class TestPredict:
    def ask(self, tiny_world: TinyWorld, published: Path, *more: str) -> list[str]:
        clip = str(tiny_world.clip(BASE[0]))
        return ["predict", clip, "--labels", LABELS, "--backbone", str(published), "--views", "1x1", *more]

    def test_json(self, tiny_world: TinyWorld, published: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert run(self.ask(tiny_world, published, "--json")) == 0
        check(json.loads(capsys.readouterr().out)["backbone"])

    @pytest.mark.parametrize("timeline", [[], ["--timeline"]])
    def test_csv(
        self, tiny_world: TinyWorld, published: Path, timeline: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert run(self.ask(tiny_world, published, "--csv", *timeline)) == 0
        rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
        assert rows
        assert {(row["backbone"], row["revision"], row["licence"]) for row in rows} == {
            (str(published), COMMIT, LICENCE)
        }

    @pytest.mark.parametrize("timeline", [[], ["--timeline"]])
    def test_page_and_first_line(
        self,
        tiny_world: TinyWorld,
        published: Path,
        timeline: list[str],
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        assert run(self.ask(tiny_world, published, "--report", str(tmp_path / "page.html"), *timeline)) == 0
        page = (tmp_path / "page.html").read_text()
        assert f"{LICENCE}, non-commercial (README.md)" in page
        assert COMMIT in page
        check(json.loads((tmp_path / "page.json").read_text())["backbone"])
        assert f"revision {COMMIT[:12]}, licence {LICENCE}, non-commercial" in capsys.readouterr().err

    def test_from_python(self, tiny_world: TinyWorld, published: Path) -> None:
        predictor = openmov.load(backbone=str(published))
        assert (predictor.revision, predictor.source.licence) == (COMMIT, LICENCE)

    def test_a_folder_that_says_nothing(self, tiny_world: TinyWorld, capsys: pytest.CaptureFixture[str]) -> None:
        assert run(self.ask(tiny_world, tiny_world.backbone, "--json")) == 0
        found = json.loads(capsys.readouterr().out)["backbone"]
        assert {"revision": None, "licence": "unknown", "licence_from": ""}.items() <= found.items()


class TestRun:
    def test_training(
        self, tiny_world: TinyWorld, published: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        changes = ("model.method=video_only", "training.epochs=1", f"backbone.name={published}")
        asked = [word for change in changes for word in ("--set", change)]
        assert run(tiny_world.train(tmp_path / "run", *asked, "--json")) == 0
        check(json.loads(capsys.readouterr().out)["backbone"])
        made = load_header(tmp_path / "run" / "checkpoints" / "best").provenance
        assert (made.backbone_revision, made.backbone_licence) == (COMMIT, LICENCE)

    def test_evaluation(
        self,
        tiny_world: TinyWorld,
        tiny_run: Path,
        published: Path,
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        evaluated = shutil.copytree(tiny_run, tmp_path / "run")
        told = ["--backbone", str(published), "--out", str(tmp_path / "page"), "--json"]
        assert run([*tiny_world.evaluate(evaluated), *told]) == 0
        for row in json.loads(capsys.readouterr().out)["rows"]:
            assert (row["conditions"]["revision"], row["conditions"]["licence"]) == (COMMIT, LICENCE)
        page = (tmp_path / "page" / "report.html").read_text()
        assert f"licence {LICENCE}, non-commercial, revision {COMMIT[:12]}" in page
        assert COMMIT in page

    def test_comparison(self, tiny_run: Path, tmp_path: Path) -> None:
        other = shutil.copytree(tiny_run, tmp_path / "other")
        (header,) = (other / "checkpoints" / "best").glob("checkpoint.json")
        header.write_text(
            header.read_text().replace('"backbone_licence": "unknown"', f'"backbone_licence": "{LICENCE}"')
        )
        assert run(["compare", str(tiny_run), str(other), "--out", str(tmp_path / "page")]) == 0
        found = json.loads((tmp_path / "page" / "comparison.json").read_text())
        assert "licence of the backbone" in found["differing_settings"]

    def test_shared_model_and_its_card(self, tiny_run: Path, published: Path, tmp_path: Path) -> None:
        openmov.save_pretrained(tiny_run, tmp_path / "model", backbone=str(published))
        config = json.loads((tmp_path / "model" / "config.json").read_text())
        assert (config["backbone_revision"], config["backbone_licence"]) == (COMMIT, LICENCE)
        card = (tmp_path / "model" / "README.md").read_text()
        assert f"`{LICENCE}`, which forbids commercial use (revision `{COMMIT}`)" in card


def test_a_run_goes_on_whether_pickles_are_refused_or_not(tiny_world: TinyWorld, tmp_path: Path) -> None:
    """It decides no weight, so it is not part of what tells one run from another."""
    short = ("--set", "model.method=video_only", "--set", "training.epochs=1")
    assert run(tiny_world.train(tmp_path / "run", *short)) == 0
    assert run(tiny_world.train(tmp_path / "run", *short, "--resume", "--safetensors-only")) == 0
