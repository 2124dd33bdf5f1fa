"""Curves go to Weights & Biases where it can be had; where it cannot, that is said once and the training goes on."""

import importlib.util
import os
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import pytest

from openmov.errors import RecipeError
from openmov.training import tracking as door
from openmov.training.loop import train
from openmov.training.tracking import require_wandb
from tiny_training import PROVENANCE, TinyClips, TinyNet, metrics_of, tiny_config, tiny_folder, tiny_objective


class Unreachable(Exception):
    """Stands for wandb.errors.Error."""


class FakeRun:
    def __init__(self, log_fails: bool) -> None:
        self.lines: list[tuple[dict[str, Any], int]] = []
        self.finished, self.log_fails = False, log_fails

    def log(self, numbers: dict[str, Any], step: int) -> None:
        if self.log_fails:
            raise Unreachable("the network is gone")
        self.lines.append((numbers, step))

    def finish(self) -> None:
        self.finished = True


class FakeWandb(types.ModuleType):
    Settings = dict

    def __init__(self, *, init_fails: bool = False, log_fails: bool = False) -> None:
        super().__init__("wandb")
        self.run, self.init_fails, self.asked = FakeRun(log_fails), init_fails, {}

    def init(self, **asked: Any) -> FakeRun:
        if self.init_fails:
            raise Unreachable("api.wandb.ai does not answer\nand more")
        self.asked = asked
        return self.run


def trained(path: Path, fake: FakeWandb, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    errors = types.ModuleType("wandb.errors")
    errors.Error = Unreachable  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "wandb", fake)
    monkeypatch.setitem(sys.modules, "wandb.errors", errors)
    folder, config = tiny_folder(path), tiny_config(epochs=2, wandb="tiny")
    train(TinyNet(), TinyClips(20), tiny_objective(), config, folder, PROVENANCE, progress=False)
    return metrics_of(folder)


def test_every_number_of_the_metrics_becomes_a_curve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeWandb()
    lines = trained(tmp_path / "run", fake, monkeypatch)
    assert [step for _, step in fake.run.lines] == [1, 2, 3, 3, 4, 5, 6, 6]  # an epoch ends with its third step
    assert fake.run.lines[0][0]["loss_flow"] == lines[0]["loss_flow"]
    assert "epoch" not in fake.run.lines[0][0]
    assert fake.asked["project"] == "tiny"
    assert fake.asked["config"] == {"name": "tiny"}
    assert fake.run.finished


@pytest.mark.parametrize("fails", ["init_fails", "log_fails"])
def test_an_unreachable_service_is_said_once_and_the_training_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], fails: str
) -> None:
    lines = trained(tmp_path / "run", FakeWandb(**{fails: True}), monkeypatch)
    said = capsys.readouterr().err
    assert lines[-1]["step"] == 6
    assert said.count("Weights & Biases cannot be had") == 1
    assert "and more" not in said


def test_a_project_without_wandb_is_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    require_wandb(None)
    with pytest.raises(RecipeError, match=r"training.wandb: wandb is not installed; pip install openmov\[wandb\]"):
        require_wandb("tiny")


def test_a_service_that_never_says_goodbye_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeWandb()
    monkeypatch.setattr(door, "_GOODBYE_SECONDS", 0.05)
    monkeypatch.setattr(fake.run, "finish", lambda: __import__("time").sleep(3))
    trained(tmp_path / "run", fake, monkeypatch)


_OFFLINE = """
import sys
from pathlib import Path
from openmov.training.tracking import wandb_curves
from tiny_training import tiny_folder
with wandb_curves("tiny", tiny_folder(Path(sys.argv[1])), {"name": "tiny"}) as curves:
    curves.add({"loss": 0.5}, 1)
"""


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("wandb") is None, reason="the extra `wandb` is not installed")
def test_offline_it_is_all_kept_in_the_run_folder(tmp_path: Path) -> None:
    search = os.pathsep.join([str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": search, "WANDB_MODE": "offline"}
    done = subprocess.run(
        [sys.executable, "-c", _OFFLINE, str(tmp_path / "run")], env=environment, capture_output=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert b"cannot be had" not in done.stderr
    assert list((tmp_path / "run" / "wandb").glob("offline-run-*/*.wandb"))
