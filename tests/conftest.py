"""Fixtures shared by all tests."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # before anything imports the hub

import default_signals  # noqa: F401 (so that tests may send Ctrl-C to their children)
from hub.client import point
from hub.server import Hub, serving
from openmov.cli import run
from small_shapesav import SmallShapesAV, make_small_shapesav
from tiny_world import TinyWorld, make_tiny_world

if TYPE_CHECKING:
    from hub.repositories import Repositories


@pytest.fixture(scope="session", autouse=True)
def cache_of_the_tests(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The default cache folder while tests run: none of theirs ends up in the user's."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("cache")
        patch.setenv("OPENMOV_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="session")
def media_dir() -> Path:
    """A folder of real clips that is not part of the project; tests that want it skip where it is absent."""
    folder = Path(os.environ.get("OPENMOV_MEDIA", Path(__file__).parents[1].parent / "shared" / "media"))
    if not folder.is_dir():
        pytest.skip("no folder of real clips (set OPENMOV_MEDIA)")
    return folder


@pytest.fixture(scope="session")
def tiny_world(tmp_path_factory: pytest.TempPathFactory) -> TinyWorld:
    """A few clips, a random CLIP and a recipe; read it, and write elsewhere."""
    return make_tiny_world(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="session")
def shapesav(tmp_path_factory: pytest.TempPathFactory) -> SmallShapesAV:
    """A few classes of ShapesAV; read it, and write elsewhere."""
    return make_small_shapesav(tmp_path_factory.mktemp("shapesav"))


@pytest.fixture(scope="session")
def tiny_run(tiny_world: TinyWorld, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A calibrated MOV of video, flow and sound, trained on the tiny world; read it only."""
    out = tmp_path_factory.mktemp("runs") / "mov"
    assert run(tiny_world.train(out, "--calibrate")) == 0
    return out


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> "Repositories":
    """Models as they are published, by name; read them only."""
    from hub.repositories import Repositories  # seconds: it brings transformers

    return Repositories(tmp_path_factory.mktemp("published"))


@pytest.fixture
def hub(published: "Repositories", tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A double of the Hugging Face hub that everything in this process asks, with an empty cache."""
    with serving(published) as running:
        point(monkeypatch, running, tmp_path / "hf")
        yield running
