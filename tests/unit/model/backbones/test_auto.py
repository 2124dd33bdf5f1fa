"""CLIP where it can be had within seconds, else ConSE, else one line that says what to install."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from huggingface_hub import constants

from openmov.errors import BackboneError
from openmov.model.backbones.auto import PREFERRED, Surroundings, choose_backbone


def surroundings(*, cached: bool = False, reachable: bool = False, installed: bool = False) -> Surroundings:
    return Surroundings(lambda: cached, lambda: reachable, lambda: installed)


def never_asked() -> bool:
    pytest.fail("needs no network")


@pytest.mark.parametrize("installed", [True, False])
def test_clip_where_it_is_cached_or_the_hub_answers(installed: bool) -> None:
    assert choose_backbone(surroundings(cached=True, installed=installed)) == PREFERRED
    assert choose_backbone(surroundings(reachable=True, installed=installed)) == PREFERRED


def test_a_cached_model_asks_no_network() -> None:
    assert choose_backbone(Surroundings(lambda: True, never_asked, never_asked)) == PREFERRED


def test_conse_where_the_hub_is_out_of_reach() -> None:
    assert choose_backbone(surroundings(installed=True)) == "conse"


def test_a_hub_that_keeps_silent_is_out_of_reach() -> None:
    released = threading.Event()
    silent = Surroundings(lambda: False, lambda: released.wait(60), lambda: True)
    assert choose_backbone(silent, reach_seconds=0.01) == "conse"
    released.set()


def test_nothing_at_all_says_what_to_install() -> None:
    with pytest.raises(BackboneError, match=r"pip install openmov\[offline\]$") as caught:
        choose_backbone(surroundings())
    assert "\n" not in str(caught.value)


class TestCache:
    @pytest.fixture
    def snapshot(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """The hub's cache with the whole model in it."""
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
        model = tmp_path / "models--openai--clip-vit-base-patch16"
        folder = model / "snapshots" / ("0" * 40)
        folder.mkdir(parents=True)
        (model / "refs").mkdir()
        (model / "refs" / "main").write_text("0" * 40)
        for name in ("config.json", "model.safetensors", "tokenizer.json"):
            (folder / name).touch()
        return folder

    def test_a_whole_model_is_found(self, snapshot: Path) -> None:
        assert choose_backbone() == PREFERRED

    def test_a_part_of_it_is_not(self, snapshot: Path) -> None:
        (snapshot / "model.safetensors").unlink()
        assert choose_backbone() == "conse"


class Answers(BaseHTTPRequestHandler):
    """A hub that has config.json."""

    asked: list[str]

    def do_HEAD(self) -> None:
        type(self).asked.append(self.path)
        self.send_response(200)
        self.send_header("X-Repo-Commit", "0" * 40)
        self.send_header("ETag", '"0"')
        self.send_header("Content-Length", "2")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Quiet."""


class TestHub:
    @pytest.fixture
    def hub(self) -> Iterator[str]:
        Answers.asked = []
        server = HTTPServer(("127.0.0.1", 0), Answers)
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        serving.join()
        server.server_close()

    def choose(self, tmp_path: Path, **environment: str) -> str:
        """In a process of its own: the hub's client reads its environment once."""
        code = "from openmov.model.backbones.auto import choose_backbone; print(choose_backbone(reach_seconds=30))"
        proxies = {name: "" for name in os.environ if name.lower().endswith("_proxy")}
        done = subprocess.run(
            [sys.executable, "-c", code],
            env=os.environ | proxies | {"HF_HOME": str(tmp_path)} | environment,
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.strip()

    def test_it_answers(self, hub: str, tmp_path: Path) -> None:
        assert self.choose(tmp_path, HF_ENDPOINT=hub, HF_HUB_OFFLINE="0") == PREFERRED
        assert Answers.asked

    def test_offline_mode_does_not_ask_it(self, hub: str, tmp_path: Path) -> None:
        assert self.choose(tmp_path, HF_ENDPOINT=hub, HF_HUB_OFFLINE="1") == "conse"
        assert not Answers.asked

    def test_nobody_answers(self, tmp_path: Path) -> None:
        assert self.choose(tmp_path, HF_ENDPOINT="http://127.0.0.1:9", HF_HUB_OFFLINE="0") == "conse"
