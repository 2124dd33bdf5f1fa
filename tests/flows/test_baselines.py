"""Every method to compare with through the same verbs as MOV: train, resume, evaluate, predict."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from openmov.cli import run
from openmov.data.loader import TrainLoader
from openmov.errors import RecipeError
from openmov.inference.export import export_model
from openmov.model.backbones.clip import CLIPBackbone
from openmov.runtime.checkpoint import load_checkpoint
from openmov.types import ClipBatch
from tiny_world import BASE, NOVEL, TinyWorld

METHODS = {
    "vificlip": "ViFi-CLIP",
    "coop": "CoOp",
    "clip_adapter": "CLIP-Adapter",
    "actionclip": "ActionCLIP",
    "xclip": "X-CLIP",
    "finetune_video": "Video encoder fine-tuned",
    "finetune_audio": "Sound encoder fine-tuned",
}


def of(method: str) -> list[str]:
    return ["--set", f"model.method={method}", "--set", "baselines.temporal_layers=1"]


@pytest.mark.parametrize("method", METHODS)
def test_a_method_trains_resumes_and_is_measured_like_mov(
    method: str,
    tiny_world: TinyWorld,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    straight, stopped = tmp_path / "straight", tmp_path / "stopped"
    assert run(tiny_world.train(straight, *of(method))) == 0
    read, calls = TrainLoader.batch, iter(range(99))

    def interrupted(self: TrainLoader, indices: Sequence[int], epoch: int) -> ClipBatch:
        if next(calls) == 4:
            raise KeyboardInterrupt
        return read(self, indices, epoch)

    with monkeypatch.context() as patched:
        patched.setattr(TrainLoader, "batch", interrupted)
        assert run(tiny_world.train(stopped, *of(method))) == 130
    assert run(tiny_world.train(stopped, *of(method), "--resume")) == 0
    ours, theirs = (load_checkpoint(folder / "checkpoints" / "best")[0] for folder in (straight, stopped))
    assert all(ours[name].equal(theirs[name]) for name in ours)
    assert ours.keys() == theirs.keys()

    capsys.readouterr()
    assert run([*tiny_world.evaluate(straight), "--json"]) == 0
    rows = {row["method"]: row for row in json.loads(capsys.readouterr().out)["rows"]}
    assert METHODS[method] in rows

    labels = ["--labels", ",".join((*BASE[:2], *NOVEL))]
    assert run(["predict", str(tiny_world.clip(NOVEL[0])), "--run", str(straight), *labels, "--json"]) == 0
    (answer,) = json.loads(capsys.readouterr().out)["predictions"]
    assert sum(one["probability"] for one in answer["answers"]) == pytest.approx(1, abs=1e-4)
    assert {one["name"] for one in answer["answers"]} == {*BASE[:2], *NOVEL}


def test_a_file_without_the_text_side_is_not_exported(tiny_world: TinyWorld, tmp_path: Path) -> None:
    assert run(tiny_world.train(tmp_path / "run", *of("clip_adapter"), "--set", "training.epochs=1")) == 0
    with pytest.raises(RecipeError, match="clip_adapter cannot be exported"):
        export_model(tmp_path / "run", tmp_path / "model.pt2", "torch-export", labels=BASE)
    assert not (tmp_path / "model.pt2").exists()


def test_networks_from_scratch_answer_for_all_trained_classes_and_refuse_others(
    tiny_world: TinyWorld, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, names = tmp_path / "run", tmp_path / "base.json"
    names.write_text(json.dumps({"base": BASE}))
    method = [*of("resnet50_audio"), "--set", "baselines.scratch_width=8"]
    assert run(tiny_world.train(out, *method)) == 0
    capsys.readouterr()
    assert run(["predict", str(tiny_world.clip(BASE[0])), "--run", str(out), "--labels", ",".join(BASE), "--json"]) == 0
    (answer,) = json.loads(capsys.readouterr().out)["predictions"]
    assert {one["name"] for one in answer["answers"]} == set(BASE)
    assert run([*tiny_world.evaluate(out)]) == 2
    said = capsys.readouterr().err
    assert "are no classes that resnet50_audio was trained on" in said
    assert "Traceback" not in said


def test_training_a_text_side_never_meets_a_novel_name(
    tiny_world: TinyWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: set[str] = set()
    tokenise = CLIPBackbone._tokens

    def noted(self: CLIPBackbone, sentences: list[str]) -> object:
        seen.update(sentences)
        return tokenise(self, sentences)

    monkeypatch.setattr(CLIPBackbone, "_tokens", noted)
    assert run(tiny_world.train(tmp_path / "run", *of("coop"), "--set", "training.epochs=1")) == 0
    assert set(BASE) <= seen
    assert not any(name in sentence for name in NOVEL for sentence in seen)
