"""`openmov models`: the table, downloading ahead, and looking at a folder without running it."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from hub.client import point
from hub.repositories import Repositories
from hub.server import Hub, serving
from openmov.cli import run
from openmov.inference import models
from openmov.model.backbones import folder as folder_module
from openmov.model.backbones.download import DownloadedModel
from openmov.model.backbones.known import KNOWN
from tiny_backbones import make_tiny_clip_folder

COMMIT = "0123456789abcdef0123456789abcdef01234567"
NAME = "openai/clip-vit-base-patch32"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_tiny_clip_folder(tmp_path / "clip")


@pytest.fixture
def pickled(folder: Path) -> Path:
    """As OpenAI's repositories have their weights."""
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    return folder


@pytest.fixture
def downloaded(pickled: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The hub's cache holds one model, and the hub gives the same."""

    def fetch(name: str, *given: Any, **named: Any) -> DownloadedModel:
        assert name == NAME
        return DownloadedModel(pickled, name, COMMIT)

    monkeypatch.setattr(models, "is_downloaded", lambda name, *given, **named: name == NAME)
    monkeypatch.setattr(models, "fetch_model_folder", fetch)
    monkeypatch.setattr(folder_module, "fetch_model_folder", fetch)
    return pickled


def told(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out)


class TestTable:
    def test_every_known_model_has_a_line(self, downloaded: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert run(["models"]) == 0
        lines = capsys.readouterr().out.splitlines()
        for model in KNOWN:
            (line,) = [line for line in lines if line.startswith(f"{model.name} ")]
            assert f" {model.licence} " in line
            assert ("(non-commercial)" in line) == (model.licence in ("apple-amlr", "cc-by-nc-4.0"))
        assert any("pip install openmov[openclip]" in line for line in lines)

    def test_json_says_what_is_here_and_how_large(self, downloaded: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert run(["models", "--json"]) == 0
        found = {one["name"]: one for one in told(capsys)["models"]}
        assert found.keys() == {model.name for model in KNOWN}
        assert {name for name, one in found.items() if one["cached"]} == {
            NAME,
            "conse",
            "shapesav-tiny",
            "shapesav-tiny-wide",
        }
        assert found[NAME]["disk_bytes"] == sum(file.stat().st_size for file in downloaded.iterdir())
        clap = found["laion/clap-htsat-unfused"]
        assert (clap["hears"], clap["dim"], clap["image_size"], clap["num_bytes"]) == (True, 512, None, 615_000_000)
        assert found["google/siglip2-base-patch16-224"]["languages"] == "many"


class TestFetch:
    def test_what_is_published_as_a_pickle_is_converted_at_once(
        self, downloaded: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert run(["models", "fetch", NAME]) == 0
        printed = capsys.readouterr()
        assert f"{NAME}: " in printed.out
        assert f"licence mit, revision {COMMIT[:12]}" in printed.out
        assert "converting pytorch_model.bin" in printed.err
        assert run(["models", "fetch", NAME, "--json"]) == 0
        printed = capsys.readouterr()
        assert printed.err == ""  # the second time there is nothing to convert
        found = json.loads(printed.out)
        assert (found["revision"], found["licence"], found["weights"]) == (COMMIT, "mit", ["pytorch_model.bin"])

    def test_pickles_can_be_forbidden(self, downloaded: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert run(["models", "fetch", NAME, "--safetensors-only"]) == 2
        assert "--safetensors-only forbids" in capsys.readouterr().err

    @pytest.mark.parametrize("name", ["conse", "shapesav-tiny"])
    def test_what_is_not_of_the_hub(self, name: str, capsys: pytest.CaptureFixture[str]) -> None:
        assert run(["models", "fetch", name]) == 2
        assert f"{name}: is not a model of the hub" in capsys.readouterr().err


class TestCheck:
    def test_a_folder(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        (folder / "LICENSE").write_text("MIT License\n")
        assert run(["models", "check", str(folder)]) == 0
        lines = [line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines()[1:]]
        assert dict(lines) == {
            "format": "transformers, clip",
            "weights": "model.safetensors (safetensors, 1 MB)",
            "tokenizer": "tokenizer.json, tokenizer_config.json",
            "licence": "mit (LICENSE)",
            "loads": "yes: CLIP, width 32, pictures of 32 px",
        }

    def test_json(self, pickled: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert run(["models", "check", str(pickled), "--json"]) == 0
        found = told(capsys)
        assert found["loads"] is True
        assert (found["format"], found["model_type"], found["weights_format"]) == ("transformers", "clip", "bin")
        assert (found["family"], found["dim"], found["licence"]) == ("CLIP", 32, "unknown")

    def test_a_name_in_the_cache(self, downloaded: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert run(["models", "check", NAME, "--json"]) == 0
        found = told(capsys)
        assert (found["loads"], found["revision"], found["licence"]) == (True, COMMIT, "mit")

    def test_what_is_installed_as_a_package(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert run(["models", "check", "conse"]) == 0
        assert "loads      yes: ConSE, width 384, pictures of 260 px" in capsys.readouterr().out

    def fails(self, name: str | Path, said: str, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
        assert run(["models", "check", str(name), "--json"]) == 2
        printed = capsys.readouterr()
        found: dict[str, Any] = json.loads(printed.out) if printed.out else {"fault": printed.err}
        assert said in found["fault"]
        assert found["fault"].strip().count("\n") == 0
        return found

    def test_a_pickle_that_is_more_than_weights(self, pickled: Path, capsys: pytest.CaptureFixture[str]) -> None:
        torch.save({"a": torch.nn.Parameter(torch.ones(1))}, pickled / "pytorch_model.bin")
        found = self.fails(pickled, "needs torch._utils._rebuild_parameter", capsys)
        assert (found["loads"], found["weights"]) == (False, ["pytorch_model.bin"])

    def test_weights_of_another_config(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        config = json.loads((folder / "config.json").read_text())
        config["projection_dim"] = 16
        (folder / "config.json").write_text(json.dumps(config))
        assert self.fails(folder, "its weights do not fit its config.json", capsys)["loads"] is False

    def test_a_folder_without_a_model(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert self.fails(tmp_path, "holds no config.json", capsys)["loads"] is False

    def test_a_cut_file(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        weights = folder / "model.safetensors"
        weights.write_bytes(weights.read_bytes()[:-100])
        self.fails(folder, "model.safetensors is damaged or cut short", capsys)

    def test_a_name_that_is_nowhere(self, downloaded: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.fails("owner/nothing", "not in the hub's cache; openmov models fetch owner/nothing", capsys)

    def test_a_file_is_not_a_folder(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        shutil.copy(folder / "config.json", folder / "a.txt")
        self.fails(folder / "a.txt", "a.txt: is no", capsys)


class TestBesideTheDouble:
    """The layouts that people publish, served on loopback, with tiny random weights."""

    @pytest.fixture
    def served(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
        monkeypatch.setenv("OPENMOV_CACHE", str(tmp_path / "cache"))
        with serving(Repositories(tmp_path / "hub")) as hub:
            point(monkeypatch, hub, tmp_path / "home")
            yield hub

    @pytest.mark.parametrize(
        ("name", "converts", "holds"),
        [
            ("openai/clip-vit-base-patch16", False, "CLIP"),  # the bot's pull request has safetensors
            ("openai/clip-vit-base-patch32", True, "CLIP"),  # a .bin and nothing else
            ("laion/clap-htsat-unfused", True, "sound and words"),  # a .bin that stores integers too
        ],
    )
    def test_fetched_ahead_a_model_loads(
        self, served: Hub, name: str, converts: bool, holds: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert run(["models", "check", name]) == 2
        assert f"openmov models fetch {name}" in capsys.readouterr().err
        assert run(["models", "fetch", name]) == 0
        assert ("converting pytorch_model.bin" in capsys.readouterr().err) == converts
        asked = len(served.asked)
        assert run(["models", "check", name, "--json"]) == 0
        found = told(capsys)
        assert (found["loads"], found["family"]) == (True, holds)
        assert served.repositories[name].commit("main") in found["revision"]
        assert found["licence"] in ("mit", "apache-2.0")
        assert len(served.asked) == asked  # from the cache alone
        assert run(["models", "--json"]) == 0
        assert {one["name"]: one["cached"] for one in told(capsys)["models"]}[name] is True
