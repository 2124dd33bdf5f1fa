"""ConSE is a backbone like any other: trained, resumed, evaluated and asked through the same commands."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from openmov.build import Components, build_components
from openmov.cli import run
from openmov.data.loader import TrainLoader
from openmov.model.backbones.conse import ConSEBackbone
from openmov.runtime.checkpoint import load_checkpoint
from openmov.training import train as train_module
from openmov.types import ClipBatch
from tiny_world import BASE, COUNTS, NOVEL, TinyWorld

SMALL = ("--set", "backbone.name=conse", "--set", "training.keep_epochs=false", "--set", "model.trainable_layers=1")
"""The bundled recipes take it as well; one trained layer keeps the checkpoints of this test small."""


def trained_weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_checkpoint(folder / "checkpoints" / "best")[0]


@pytest.fixture(scope="module")
def conse_run(tiny_world: TinyWorld, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A MOV of video, flow and sound; read it only."""
    out = tmp_path_factory.mktemp("conse") / "mov"
    assert run(tiny_world.train(out, *SMALL)) == 0
    return out


class TestTraining:
    def test_encoders_learn_and_what_is_frozen_stays(
        self, tiny_world: TinyWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """All layers train; the frozen encoder and every statistic keep their bits."""
        parts: list[Components] = []

        def kept(*arguments: Any) -> Components:
            parts.append(build_components(*arguments))
            return parts[-1]

        monkeypatch.setattr(train_module, "build_components", kept)
        assert run(tiny_world.train(tmp_path / "run", *SMALL[:4], "--set", "training.epochs=1")) == 0
        fresh = ConSEBackbone.load().image_encoder().state_dict()
        used = parts[0].frozen_embedder.encoder.encoder.state_dict()
        assert used.keys() == fresh.keys()
        assert all(torch.equal(used[name], fresh[name]) for name in fresh)
        weights = trained_weights(tmp_path / "run")
        start = parts[0].network().trained_state()
        assert weights.keys() == start.keys()
        assert not any(name.endswith((".mean", ".variance")) for name in weights)
        for encoder in ("encoders.flow", "encoders.audio"):
            names = [name for name in start if name.startswith(encoder)]
            assert f"{encoder}.encoder.classifier.stem.weight" in names
            assert f"{encoder}.encoder.names.weight" in names
            changed = [name for name in names if not torch.equal(weights[name], start[name])]
            assert len(changed) > 0.9 * len(names)

    @pytest.mark.parametrize("reading", [1, pytest.param(4, marks=pytest.mark.slow)])
    def test_interrupted_and_resumed_gives_the_same_bits(
        self, tiny_world: TinyWorld, conse_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reading: int
    ) -> None:
        read, calls = TrainLoader.batch, iter(range(99))

        def interrupted(self: TrainLoader, indices: Sequence[int], epoch: int) -> ClipBatch:
            if next(calls) == reading:
                raise KeyboardInterrupt
            return read(self, indices, epoch)

        with monkeypatch.context() as patched:
            patched.setattr(TrainLoader, "batch", interrupted)
            assert run(tiny_world.train(tmp_path / "run", *SMALL)) == 130
        assert run(tiny_world.train(tmp_path / "run", *SMALL, "--resume")) == 0
        mine, theirs = trained_weights(tmp_path / "run"), trained_weights(conse_run)
        assert mine.keys() == theirs.keys()
        assert all(torch.equal(mine[name], theirs[name]) for name in theirs)

    @pytest.mark.slow
    def test_calibration_rehearses_with_it(self, tiny_world: TinyWorld, tmp_path: Path) -> None:
        assert run(tiny_world.train(tmp_path / "run", *SMALL, "--set", "training.epochs=1", "--calibrate")) == 0
        chosen = json.loads((tmp_path / "run" / "calibration.json").read_text())["chosen"]
        assert chosen["tau_x"] == 0.05

    def test_a_run_of_another_backbone_is_not_gone_on_with(
        self, tiny_world: TinyWorld, conse_run: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert run(tiny_world.train(conse_run, *SMALL[2:], "--resume")) == 2
        assert capsys.readouterr().err.count("\n") == 1


class TestUse:
    def test_evaluation_stands_beside_the_frozen_backbone_and_score_fusion(
        self, tiny_world: TinyWorld, conse_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        singles = []
        for modality in ("video", "flow"):
            singles.append(tmp_path / modality)
            method = ("--set", f"model.method={modality}_only", "--set", f"model.modalities=[{modality}]")
            assert run(tiny_world.train(singles[-1], *SMALL, *method, "--set", "training.epochs=1")) == 0
        capsys.readouterr()
        assert run([*tiny_world.evaluate(conse_run, *singles), "--json"]) == 0
        shown = json.loads(capsys.readouterr().out)
        assert shown["evaluated"] == COUNTS["test"] * len(BASE + NOVEL)
        methods = [row["method"] for row in shown["rows"]]
        assert methods == ["ConSE (frame average)", "Video only", "Flow only", "Score fusion", "MOV"]

    def test_prediction_takes_the_runs_prompts_and_the_backbones_temperatures(
        self, tiny_world: TinyWorld, conse_run: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        asked = ["predict", str(tiny_world.clip(NOVEL[0])), "--labels", ",".join(NOVEL), "--run", str(conse_run)]
        capsys.readouterr()
        assert run([*asked, "--json"]) == 0
        shown = json.loads(capsys.readouterr().out)
        assert shown["backbone"]["name"] == "conse"
        assert shown["vocabulary"]["prompts"] == "kinetics700"
        assert (shown["settings"]["tau_x"], shown["settings"]["tau_v"]) == (0.05, pytest.approx(0.015))

    def test_without_a_run_the_frozen_backbone_answers_and_bare_names_are_asked(
        self, tiny_world: TinyWorld, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Where the hub cannot be reached nobody has to name it."""
        asked = ["predict", str(tiny_world.clip(NOVEL[0])), "--labels", "a,b", "--views", "1x1"]
        assert run([*asked, "--json"]) == 0
        shown = json.loads(capsys.readouterr().out)
        assert shown["backbone"]["name"] == "conse"
        assert shown["vocabulary"]["prompts"] == "none"
        assert (shown["settings"]["path"], shown["settings"]["tau"]) == ("frozen", 0.05)
