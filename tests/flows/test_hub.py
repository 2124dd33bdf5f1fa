"""The README's commands on a machine with a hub: the real layouts, a hub that hangs, and no network."""

import json
import re
import shlex
import shutil
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from huggingface_hub import constants

from hub.repositories import LAYOUTS, Repositories
from hub.server import Hub, Repository
from openmov.cli import run
from openmov.config.schema import BackboneConfig
from openmov.errors import BackboneError
from openmov.model.backbones import auto, load_backbone, load_sound_tower, weights
from openmov.model.backbones.auto import COPIES, PREFERRED
from openmov.runtime import hub as client
from openmov.runtime.checkpoint import write_tensors
from tiny_world import BASE, NOVEL, TinyWorld

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
SHORTER = (
    "training.epochs=1",
    "training.batch_size=3",
    "video.num_frames=2",
    "views.num_clips=1",
    "views.num_crops=1",
    "views.train_seeds=1",
    "flow.short_side=64",
    "model.temporal_layers=1",
    "model.modalities=[video]",
    "model.method=video_only",
)
"""The paper's recipe in seconds: its backbone and the size of its pictures stay."""


def command(beginning: str) -> list[str]:
    """The first command of the README that begins so, as a shell would split it."""
    found = re.search(rf"^openmov ({beginning}.*)$", README, flags=re.MULTILINE)
    assert found is not None, beginning
    return shlex.split(found[1], comments=True)


@pytest.fixture
def place(tiny_world: TinyWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a user stands: a video, a list of videos, and the names."""
    shutil.copy(tiny_world.clip(NOVEL[0]), tmp_path / "holiday.mp4")
    shutil.copy(tiny_world.vocabulary, tmp_path)
    shutil.copytree(tiny_world.root / "clips", tmp_path / "clips")
    shutil.copy(tiny_world.manifest, tmp_path)
    (tmp_path / "labels.txt").write_text("\n".join((*BASE, *NOVEL)))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENMOV_CACHE", str(tmp_path / "cache"))
    return tmp_path


def answer(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[dict[str, Any], str]:
    """What the command prints with --json, and what it says on stderr."""
    capsys.readouterr()
    assert run([*arguments, "--json", "--preset", "fast"]) == 0
    printed = capsys.readouterr()
    found = json.loads(printed.out)
    return {"backbone": found["backbone"], **found["predictions"][0]}, printed.err


FIRST = command("predict holiday.mp4 --labels")


class TestFirstCommand:
    def test_a_hub_with_the_layouts_of_the_real_one(
        self, hub: Hub, place: Path, capsys: pytest.CaptureFixture[str], published: Repositories
    ) -> None:
        found, told = answer(FIRST, capsys)
        assert (found["backbone"]["name"], found["backbone"]["licence"]) == (PREFERRED, "mit")
        assert found["backbone"]["revision"].startswith(published[PREFERRED].commit("main"))
        assert {one["name"] for one in found["answers"]} == {"riding a bike", "playing guitar", "a dog barking"}
        assert re.search(rf"{PREFERRED}: 1\.\d MB fetched in .* MB/s", told)
        assert all(PREFERRED in path or path.startswith("/repos/") for path in hub.paths())

        hub.asked.clear()
        again, told = answer(FIRST, capsys)
        assert again["answers"] == found["answers"]
        assert not hub.asked
        assert "fetched" not in told

    def test_a_hub_that_hangs(
        self, hub: Hub, place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(client, "ANSWER_SECONDS", 1.0)
        hub.behaviour.hangs = lambda path: True
        started = time.monotonic()
        found, told = answer(FIRST, capsys)
        assert time.monotonic() - started < 60
        assert len(hub.asked) == 1
        assert found["backbone"]["name"] == "conse"
        assert "conse answers, since CLIP cannot be loaded" in told
        assert "does not answer in time" in told

    def test_no_network(
        self, hub: Hub, place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
        found, told = answer(FIRST, capsys)
        assert found["backbone"]["name"] == "conse"
        assert "no connection" in told

    def test_nothing_at_all_is_one_line(
        self, hub: Hub, place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
        monkeypatch.setattr(auto, "installed", lambda: False)
        assert run(FIRST) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert PREFERRED in line
        assert "conse: is not installed" in line


class TestTrainedModel:
    def test_trained_given_away_and_asked_from_the_hub(
        self,
        hub: Hub,
        place: Path,
        published: Repositories,
        capsys: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        training = [word for word in command("train --recipe kinetics700") if word != "--calibrate"]
        assert run([*training, "--workers", "1", *(word for one in SHORTER for word in ("--set", one))]) == 0
        assert f"{PREFERRED}: 1." in capsys.readouterr().err
        assert run(command("share runs/mine")) == 0
        config = json.loads((place / "mine" / "config.json").read_text())
        assert config["recipe"]["backbone"]["name"] == PREFERRED

        asked = command("predict holiday.mp4 --labels labels.txt --run mine")
        local, _ = answer(asked, capsys)
        hub.repositories = {"someone/mine": Repository(place / "mine"), PREFERRED: published[PREFERRED]}
        asked[asked.index("mine")] = "someone/mine"
        hub.asked.clear()
        remote, _ = answer(asked, capsys)
        assert remote["answers"] == local["answers"]
        fetched = {path.rpartition("/")[2] for path in hub.paths("hub") if "/resolve/" in path}
        assert fetched == {"config.json", "README.md", "model.safetensors"}

        monkeypatch.setattr(client, "ANSWER_SECONDS", 0.5)
        hub.behaviour.hangs = lambda path: True
        assert answer(asked, capsys)[0]["answers"] == local["answers"]  # from the cache
        asked[asked.index("someone/mine")] = "someone/other"
        assert run(asked) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert "someone/other: is not a folder here and not in the cache" in line

    def test_another_model_is_refused_before_its_weights_are_fetched(
        self, hub: Hub, place: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        asked = ["predict", "holiday.mp4", "--labels", "a, b", "--run", "google/siglip-base-patch16-224"]
        assert run(asked) == 2
        assert "is a model of the hub, but none of openmov's" in capsys.readouterr().err
        assert not hub.paths("storage")


@pytest.mark.parametrize("recipe", ["kinetics700", "vggsound"])
def test_recipes_load_from_the_copy_where_there_is_only_a_pickle(
    recipe: str, hub: Hub, published: Repositories
) -> None:
    from openmov.build import build_components
    from openmov.config.load import load_recipe

    copy = COPIES[PREFERRED]
    hub.repositories = {PREFERRED: Repository(published[PREFERRED].files), copy: published[copy]}
    assert build_components(load_recipe(recipe, []), None).backbone.name == copy


HEARS = ("laion/clap-htsat-unfused", "laion/clap-htsat-fused")
NEEDS_OPEN_CLIP = ("timm/PE-Core-S-16-384", "timm/PE-Core-B-16")


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_published_layout_loads_by_its_name(name: str, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    def same_process(where: str, path: Path, target: Path, num_bytes: int) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        write_tensors(target, torch.load(path, weights_only=True))

    monkeypatch.setattr(weights, "_convert", same_process)  # seconds each; the process has tests of its own
    if name in NEEDS_OPEN_CLIP:
        if find_spec("open_clip") is None:
            with pytest.raises(BackboneError, match=r"pip install openmov\[openclip\]"):
                load_backbone(BackboneConfig(name=name))
        return
    model = load_sound_tower(name) if name in HEARS else load_backbone(BackboneConfig(name=name))
    assert model.name == COPIES.get(name, name) or name == PREFERRED
    assert model.source.licence != "unknown"
    assert model.source.revision
    assert bool(model.embed_text(["a photo"]).isfinite().all())


class TestBadLuck:
    """One line, exit code 2, nothing half-written."""

    @pytest.mark.parametrize(
        ("backbone", "change", "words"),
        [
            ("google/siglip-base-patch16-224", "gated", "its licence has to be accepted first"),
            ("google/siglip-base-patch16-224", "damaged", "arrives damaged"),
            ("google/siglip-base-patch16-224", "cut", "model.safetensors cannot be fetched"),
            ("google/siglip-base-patch16-224", "limited", "too many requests"),
            ("google/none", "nothing", "not a public model of the hub"),
        ],
    )
    def test_a_named_model(
        self,
        backbone: str,
        change: str,
        words: str,
        hub: Hub,
        place: Path,
        published: Repositories,
        capsys: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(client, "PATIENCE_SECONDS", 0.2)
        if change == "gated":
            hub.repositories = {backbone: Repository(published[backbone].files, gated=True)}
        hub.behaviour.damages = lambda path: change == "damaged"
        hub.behaviour.drops = lambda path, number: 100 if change == "cut" and path == "model.safetensors" else None
        hub.behaviour.ranges = change != "cut"
        hub.behaviour.limits = lambda path, number: 600.0 if change == "limited" else None
        assert run([*FIRST, "--backbone", backbone]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert backbone in line
        assert words in line


class TestTowers:
    """Models that answer from pictures and sound, or from whole clips, as they are published."""

    def test_the_commands_of_the_readme(self, hub: Hub, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
        heard, told = answer(command("predict holiday.mp4 .*--sound"), capsys)
        assert heard["weights"] == {"video": 0.75, "audio": 0.25}
        assert "laion/clap-htsat-unfused: converting pytorch_model.bin" in told
        seen, _ = answer(command("predict holiday.mp4 .*--backbone microsoft"), capsys)
        assert seen["backbone"]["name"] == "microsoft/xclip-base-patch16-zero-shot"
        assert seen["backbone"]["licence"] == "mit"

    @pytest.mark.parametrize("name", ["laion/clap-htsat-fused", "facebook/pe-av-small"])
    def test_other_sound_towers(self, hub: Hub, place: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
        found, _ = answer([*command("predict holiday.mp4 .*--sound")[:-1], name], capsys)
        assert set(found["by_modality"]) == {"video", "audio"}

    def test_video_sound_and_both(self, hub: Hub, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
        asked = ["predict", "holiday.mp4", "--labels", "labels.txt", "--backbone", "facebook/pe-av-small-16-frame"]
        found, _ = answer(asked, capsys)
        assert set(found["weights"]) == {"video", "audio", "both"}
