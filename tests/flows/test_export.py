"""An exported file answers as PyTorch does, for any number of rows, in a program that has no openmov."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from openmov.cli import run
from openmov.errors import OpenMovError, RecipeError, StorageError
from openmov.inference import export as export_module
from openmov.inference.export import export_model
from openmov.inference.trained import Trained, open_trained
from openmov.runtime.exported import Format
from openmov.types import ClipBatch, Modality
from tiny_world import BASE, NOVEL, TinyWorld

LABELS = (*BASE, NOVEL[0])
SHAPES = {"video": (4, 3, 64, 64), "flow": (4, 3, 64, 64), "audio": (3, 32, 96)}


@pytest.fixture(scope="module")
def uncalibrated(tiny_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With the paper's beta, so that flow and sound are heard on the novel path."""
    out = shutil.copytree(tiny_run, tmp_path_factory.mktemp("export") / "run")
    (out / "calibration.json").unlink()
    return out


def inputs_of(names: Sequence[str], rows: int) -> dict[str, torch.Tensor]:
    random = torch.Generator().manual_seed(rows)
    return {name: torch.randn(rows, *SHAPES[name], generator=random) for name in names}


def run_onnx(path: Path, inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    runtime = pytest.importorskip("onnxruntime")
    session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [one.name for one in session.get_outputs()]
    found = session.run(None, {name: tensor.numpy() for name, tensor in inputs.items()})
    return dict(zip(names, map(torch.from_numpy, found), strict=True))


@torch.no_grad()
def probabilities(trained: Trained, inputs: dict[str, torch.Tensor], weights: dict[str, tuple[float, float]]) -> Any:
    """By hand: sum of weight * softmax(cos / tau), the streams by the model's own forward pass."""
    network = trained.network()
    rows = len(next(iter(inputs.values())))
    tensors = {Modality(name): tensor[:, None] for name, tensor in inputs.items()}
    present = {modality: torch.ones(rows, dtype=torch.bool) for modality in tensors}
    joint = network(ClipBatch(("x",) * rows, tensors, present))
    streams = {str(name): rows for name, rows in joint.fused.items()} | {"frozen": joint.frozen}
    classes = trained.components.class_embedder()(export_module._vocabulary(trained, LABELS, None)).vectors
    total = 0.0
    for name, (weight, tau) in weights.items():
        cosine = torch.nn.functional.normalize(streams[name], dim=-1) @ classes.T
        total = total + weight * torch.softmax(cosine / tau, dim=-1)
    return total


def test_onnx_answers_for_any_number_of_rows(
    uncalibrated: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("onnxruntime")
    out = tmp_path / "model.onnx"
    assert run(["export", str(uncalibrated), "--out", str(out), "--labels", ",".join(LABELS)]) == 0
    assert "video, flow, audio -> embedding_video" in capsys.readouterr().out
    facts = json.loads((tmp_path / "model.onnx.json").read_text())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.onnx", "model.onnx.json"]
    assert (facts["classes"], facts["base"]) == (list(LABELS), list(BASE))
    assert [tuple(one["shape"]) for one in facts["inputs"]] == [("rows", *SHAPES[name]) for name in SHAPES]
    assert facts["preprocessing"]["flow"]["max_displacement_px"] == 5
    assert len(facts["templates"]) == 28
    trained = open_trained(uncalibrated)
    for rows in (1, 5):
        inputs = inputs_of(tuple(SHAPES), rows)
        found = run_onnx(out, inputs)
        assert list(found) == facts["outputs"]
        assert torch.allclose(found["embedding_flow"].norm(dim=-1), torch.ones(rows))
        by_hand = {"frozen": (0.75, 0.003), "flow": (0.125, 0.01), "audio": (0.125, 0.01)}
        wanted = probabilities(trained, inputs, by_hand)
        assert torch.allclose(found["probabilities"], wanted, atol=2e-3)
        assert torch.allclose(found["probabilities"].sum(-1), torch.ones(rows))
        other = probabilities(trained, inputs, by_hand | {"flow": (0.25, 0.01), "audio": (0.0, 0.01)})
        assert not torch.allclose(found["probabilities"], other, atol=2e-3)


def test_torch_export_of_the_video_alone_without_names(uncalibrated: Path, tmp_path: Path) -> None:
    done = export_model(uncalibrated, tmp_path / "model.pt2", "torch-export", modalities=["video"])
    assert done.outputs == ("embedding_video", "embedding_frozen")
    assert done.worst < 1e-5
    assert json.loads((tmp_path / "model.pt2.json").read_text())["classes"] is None
    program = torch.export.load(tmp_path / "model.pt2").module()
    for rows in (1, 7):
        (video,) = inputs_of(["video"], rows).values()
        fused, frozen = program(video)
        assert fused.shape == frozen.shape == (rows, 32)


def test_a_file_that_answers_otherwise_is_refused_and_taken_away(
    uncalibrated: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def other(path: Path, form: Format, inputs: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        return [torch.zeros(len(inputs[0]), 32) for _ in range(2)]

    (tmp_path / "model.pt2").write_text("an earlier export")
    (tmp_path / "model.pt2.json").write_text('{"made_by": "openmov"}')
    before = {path: path.read_text() for path in tmp_path.iterdir()}
    monkeypatch.setattr(export_module, "write_exported", lambda *given: given[-1].touch())
    monkeypatch.setattr(export_module, "run_exported", other)
    with pytest.raises(OpenMovError, match="its embedding_video differs from PyTorch's by"):
        export_model(uncalibrated, tmp_path / "model.pt2", "torch-export", modalities=["video"])
    assert {path: path.read_text() for path in tmp_path.iterdir()} == before


def test_a_file_of_somebody_else_is_not_written_over(uncalibrated: Path, tmp_path: Path) -> None:
    for name in ("holiday.mp4", "net.pt2.json"):
        (tmp_path / name).write_text("mine")
    for name in ("holiday.mp4", "net.pt2"):
        with pytest.raises(StorageError, match="does not say that openmov made it"):
            export_model(uncalibrated, tmp_path / name, "torch-export", modalities=["video"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["holiday.mp4", "net.pt2.json"]


def test_what_the_model_has_not_is_refused(
    uncalibrated: Path, tmp_path: Path, tiny_world: TinyWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(RecipeError, match="'smell' is not among the model's audio, flow, video"):
        export_model(uncalibrated, tmp_path / "model", "torch-export", modalities=["smell"])
    assert run(["export", str(tiny_world.root), "--out", str(tmp_path / "model"), "--format", "torch-export"]) == 2
    monkeypatch.setitem(__import__("sys").modules, "onnxscript", None)
    with pytest.raises(OpenMovError, match=r"needs onnxscript, .* pip install 'openmov\[export\]'"):
        export_model(uncalibrated, tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("form", ["onnx", "torch-export"])
@pytest.mark.parametrize("labels", [(), BASE, LABELS])
@pytest.mark.parametrize(
    "modalities", ["video", "flow", "audio", "video,flow", "video,audio", "flow,audio", "video,flow,audio"]
)
def test_every_combination(
    uncalibrated: Path, tmp_path: Path, modalities: str, labels: tuple[str, ...], form: Format
) -> None:
    pytest.importorskip("onnxruntime")
    names = modalities.split(",")
    done = export_model(uncalibrated, tmp_path / "model", form, labels=labels, modalities=names)
    assert done.inputs == tuple(names)
    assert ("probabilities" in done.outputs) == bool(labels)
    assert ("embedding_frozen" in done.outputs) == ("video" in names)
